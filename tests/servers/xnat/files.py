"""Files of resources: lists, GET, PUT, DELETE."""

import json
import mimetypes
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.message import Message
from email.utils import formatdate
from urllib.parse import unquote

from tests.servers.xnat import packed
from tests.servers.xnat.archive import BLOCK, Archive, Entry, Node, Resource, stored_as
from tests.servers.xnat.containers import NO_RIGHT
from tests.servers.xnat.exchange import Answer, Exchange, Failed, Writable, table
from tests.servers.xnat.multipart import parts
from tests.servers.xnat.resolve import Place, Resolver, parse, side_of
from tests.servers.xnat.switches import Switches

COLUMNS = [
    "Name",
    "Size",
    "URI",
    "collection",
    "file_tags",
    "file_format",
    "file_content",
    "cat_ID",
    "digest",
]
# Content types of bodies that are the file, without ``inbody=true`` (RequestUtil).
KNOWN_TYPES = re.compile(
    r"text/(\*|plain|xml|csv)|image/(\*|bmp|gif|x-icon|jpeg|png|svg\+xml|tiff)|"
    r"video/(\*|avi|mp4|mpeg|quicktime|x-ms-wmv)|application/(\*|octet-stream|zip|dicom|xar|x-gtar|x-gzip|"
    r"pdf|x-tar|msword|vnd\.ms-excel|vnd\.ms-powerpoint)"
)


class Files:
    """Handles all paths through ``…/files``."""

    def __init__(self, archive: Archive, switches: Switches) -> None:
        self._archive = archive
        self._switches = switches

    def answer(self, exchange: Exchange, place: Place) -> Answer:
        resolver = Resolver(self._archive, exchange.user)
        if exchange.method in ("GET", "HEAD"):
            return self._read(exchange, place, resolver)
        if exchange.method == "DELETE":
            return self._delete(place, resolver)
        return self._write(exchange, place, resolver)

    def _path(self, place: Place) -> str:
        return stored_as(place.file or "", self._switches.legacy_names)

    # --- reading ---

    def _read(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        nodes = resolver.to_read(place, exchange.method == "HEAD")
        resources = resolver.resources(nodes, place)
        path = self._path(place)
        if path and not path.endswith("/"):
            return self._one(exchange, resources, path)
        chosen = [
            (one, name, entry)
            for one in resources
            for name, entry in list(one.catalogue.items())
            if name.startswith(path) and _matches(exchange, entry)
        ]
        kind = exchange.format
        if kind in packed.WRITERS:
            return packed.answer(kind, nodes, chosen)
        return table((self._row(*one) for one in chosen), exchange, COLUMNS)

    def _row(self, resource: Resource, name: str, entry: Entry) -> dict[str, str]:
        return {
            "Name": name.rpartition("/")[2],
            "Size": str(entry.size),
            "URI": f"{resource.uri}/files/{name}",
            "collection": resource.label,
            "file_tags": entry.tags,
            "file_format": entry.format,
            "file_content": entry.content,
            "cat_ID": str(resource.id),
            "digest": entry.digest if self._switches.checksums else "",
        }

    def _one(self, exchange: Exchange, resources: list[Resource], path: str) -> Answer:
        if not resources:
            raise Failed(404, "Unable to find the specified resource.")
        entry = next((found for one in resources if (found := one.find(path))), None)
        if not entry and (inside := re.match(r"(?i)(.+?\.(?:zip|jar|rar|ear|gar|xar))[!/](.+)", path)):
            packing = next((found for one in resources if (found := one.find(inside[1]))), None)
            member = packed.member(packing, inside[2]) if packing else None
            if member is not None:
                return Answer(member, "application/octet-stream")
        if not entry or not entry.file.exists():
            raise Failed(404, "Unable to find file.", empty=True)
        headers = {
            "Last-Modified": formatdate(entry.at, usegmt=True),
            "Accept-Ranges": "bytes",
            "Cache-Control": "must-revalidate",
        }
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        status, first, length = 200, 0, entry.size
        # If-Range is ignored: XNAT's HTTP layer does not know it (inferred).
        if asked := exchange.headers.get("range", ""):
            if "," in asked:
                raise Failed(501, "Multiple ranges are not supported.")
            if span := _span(asked, entry.size):
                status, first, length = 206, span[0], span[1] - span[0] + 1
                headers["Content-Range"] = f"bytes {span[0]}-{span[1]}/{entry.size}"
            elif span is not None:
                headers["Content-Range"] = f"bytes */{entry.size}"
                return Answer(b"", kind, 416, headers)
        return Answer(_copier(entry, first, length), kind, status, headers, length)

    # --- writing ---

    def _write(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        node = resolver.to_write(place)
        if not resolver.may("edit", node):
            return Answer()  # 200, and nothing is stored: XNAT's most dangerous answer
        if not place.resource:
            raise Failed(400, "A resource is needed.")
        resource = next(iter(resolver.resources([node], place)), None)
        if not resource and place.resource.isdigit():
            raise Failed(404, "Unable to find the specified resource.")
        revision = resource.revision if resource else 0
        path = self._path(place)
        if ".." in path.split("/"):
            raise Failed(400, "Invalid path.")
        facts = {key: exchange.query.get(key, "") for key in ("format", "content", "tags")}
        arrived = list(self._arriving(exchange, path, facts))
        if not arrived:
            raise Failed(400, "You tried to send data, but didn't provide any.")
        with self._archive.lock:
            resource = resource or next(iter(resolver.resources([node], place)), None)
            resource = resource or self._archive.add_resource(node, place.resource, side_of(node, place))
        if exchange.flag("extract"):
            arrived = [one for name, entry in arrived for one in packed.unpack(self._archive, name, entry)]
        return self._store(exchange, resource, arrived, revision)

    def _arriving(self, exchange: Exchange, path: str, facts: dict[str, str]) -> Iterator[tuple[str, Entry]]:
        """The files in the request's body, by name, stored but in no catalogue yet."""
        kind = Message()
        kind["content-type"] = exchange.headers.get("content-type", "")
        multipart = kind.get_content_type() == "multipart/form-data"
        if exchange.flag("inbody") or KNOWN_TYPES.fullmatch(
            exchange.headers.get("content-type", "").split(";")[0]
        ):
            if multipart:
                raise Failed(406, "In-body File posts must include the file directly.")
            if exchange.body.length < 1:
                raise Failed(
                    500, "In-body File posts must include the file directly as the body of the message."
                )
            yield path or "upload", self._archive.keep(exchange.body, **facts)
            return
        if not multipart:
            raise Failed(400, "You tried to send a payload, but it is neither in the body nor multipart.")
        try:
            for part in parts(exchange.body, str(kind.get_param("boundary", ""))):
                if part.filename:
                    name = path if path and not path.endswith("/") else path + part.filename
                    yield name, self._archive.keep(part, **facts)
                else:
                    facts |= {part.name: part.read().decode()} if part.name in facts else {}
        except ValueError as error:
            raise Failed(500, str(error)) from None

    def _store(
        self, exchange: Exchange, resource: Resource, arrived: list[tuple[str, Entry]], revision: int
    ) -> Answer:
        overwrite = exchange.flag("overwrite")
        duplicates = []
        own = catalogue_of(resource)
        with self._archive.lock:
            folders = {parent for one in resource.disk for parent in _parents(one)}
            raced = self._switches.catalog_race and resource.revision != revision
            for name, entry in arrived:
                if is_not_catalogued(name):
                    self._check_own(resource, name, exchange)
                if name in folders or any(one in resource.disk for one in _parents(name)):
                    raise Failed(500, "Unable to store the file.")
                folders.update(_parents(name))
                if name in {own, *resource.disk} and not overwrite:
                    duplicates.append(name)
                    entry.file.unlink()
                    continue
                resource.disk[name] = entry
                if not raced and not (exchange.flag("extract") and is_not_catalogued(name)):
                    resource.catalogue[name] = entry
            if raced:
                raise Failed(500, "The catalog was modified by another process.")
            resource.revision += 1
        if duplicates:
            return Answer(json.dumps({"duplicates": duplicates}).encode(), "text/html;charset=UTF-8")
        return Answer()

    @staticmethod
    def _check_own(resource: Resource, name: str, exchange: Exchange) -> None:
        """Reserved names (CatalogUtils.storeCatalogEntry, XNAT_CATALOGABLE_FILE_FILTER). A single upload is
        accepted once. Unpacked ones are never listed, and one with the catalogue's name replaces it, which
        empties the list.
        """
        own = catalogue_of(resource)
        if not exchange.flag("extract") and (name == own or name in resource.disk):
            raise Failed(500, f"XNAT cannot catalog {name}.")
        if exchange.flag("extract") and name == own and exchange.flag("overwrite"):
            resource.catalogue.clear()
            raise Failed(500, "Another thread or process modified the catalog since I last read it.")

    def _delete(self, place: Place, resolver: Resolver) -> Answer:
        node = resolver.to_write(place)
        resources = resolver.resources([node], place) if place.resource else []
        if not resources:
            raise Failed(404, "Unable to find the specified resource.")
        if not resolver.may("delete", node):
            raise Failed(403, NO_RIGHT)
        path = self._path(place)
        with self._archive.lock:
            gone = [(one, name) for one in resources for name in one.catalogue if name.startswith(path)]
            for one, name in gone:
                one.catalogue.pop(name)
                one.disk.pop(name, None)
        if not gone and path:
            raise Failed(404, "File missing", empty=True)
        return Answer()

    def refresh(self, exchange: Exchange) -> Answer:
        """``POST /data/services/refresh/catalog``: adds files on disk to the catalogue."""
        wanted = exchange.query.get("resource", "")
        place = parse([one for one in unquote(wanted).split("/") if one and one not in ("data", "REST")])
        if place is None:
            raise Failed(400, "A resource is needed.")
        resolver = Resolver(self._archive, exchange.user)
        node = resolver.to_write(place)
        if not resolver.may("edit", node):
            raise Failed(403, NO_RIGHT)
        options = exchange.query.get("options", "append,delete,checksum,populateStats").split(",")
        for one in resolver.resources([node], place) if place.resource else _all(node):
            with self._archive.lock:
                if "append" in options:
                    one.catalogue.update({name: replace(entry) for name, entry in one.disk.items()})
                one.revision += 1
        return Answer()


def catalogue_of(resource: Resource) -> str:
    """The catalogue's file in the resource's folder."""
    return f"{resource.label}_catalog.xml"


def is_not_catalogued(name: str) -> bool:
    base = name.rpartition("/")[2]
    return base.endswith("_catalog.xml") or base.startswith(".~lock-")


def _parents(name: str) -> Iterator[str]:
    """The parent folders of a file."""
    while name := name.rpartition("/")[0]:
        yield name


def _all(node: Node) -> list[Resource]:
    return [one for child in node.below() for one in child.resources]


def _matches(exchange: Exchange, entry: Entry) -> bool:
    wanted = (("file_format", entry.format), ("file_content", entry.content))
    return all(key not in exchange.query or value in exchange.query[key].split(",") for key, value in wanted)


def _span(asked: str, size: int) -> tuple[int, int] | tuple[()] | None:
    """First and last byte of a Range; empty if it cannot be satisfied, None if it is invalid."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.strip())
    if not match or match[0] == "bytes=-":
        return None
    if not match[1]:
        first, last = max(size - int(match[2]), 0), size - 1
    else:
        first, last = int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1
    return (first, last) if first <= last else ()


def _copier(entry: Entry, first: int, length: int) -> Callable[[Writable], None]:
    def copy(output: Writable) -> None:
        left = length
        with open(entry.file, "rb") as file:
            file.seek(first)
            while left and (block := file.read(min(BLOCK, left))):
                output.write(block)
                left -= len(block)

    return copy
