"""Archives: a resource streamed as one, and ``extract=true``."""

import gzip
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_plus

from tests.servers.xnat.archive import (
    ASSESSOR,
    BLOCK,
    CONTAINERS,
    SCAN,
    Archive,
    Entry,
    Node,
    Resource,
)
from tests.servers.xnat.exchange import Answer, Failed, Writable

Member = tuple[Resource, str, Entry]
WRITERS: dict[str, tuple[str, Callable[[Writable, list[tuple[str, Entry]]], None]]] = {}


def answer(kind: str, nodes: list[Node], members: list[Member]) -> Answer:
    """All these files as one archive, of unknown length; 404 when there are none."""
    if not members:
        raise Failed(404, "No files found.")
    content_type, write = WRITERS[kind]
    named = [(f"{folder(resource)}/files/{name}", entry) for resource, name, entry in members]
    headers = {"Content-Disposition": f'attachment; filename="{archive_label(nodes[0])}.{kind}"'}
    return Answer(lambda output: write(output, named), content_type, 200, headers)


def archive_label(node: Node) -> str:
    """The top folder for a node: the session's, or the node's own if it has no session."""
    if node.kind in CONTAINERS and node.kind != ASSESSOR:
        assert node.parent
        return node.parent.label
    return node.label


def folder(resource: Resource) -> str:
    """The path of a resource inside an archive."""
    node = resource.owner
    inside = ""
    if node.kind == SCAN:
        kind = "".join(one if one.isalnum() or one in "-." else "_" for one in node.fields.get("type", ""))
        inside = f"/{SCAN}/{node.id}{'-' + kind if kind else ''}"
    elif node.kind in CONTAINERS and node.kind != ASSESSOR:
        inside = f"/{node.kind}/{node.id}/{resource.side}"
    elif node.kind == ASSESSOR:
        inside = f"/{resource.side}"
    return f"{archive_label(node)}{inside}/resources/{resource.label}"


def _zip(output: Writable, members: list[tuple[str, Entry]]) -> None:
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, entry in members:
            with open(entry.file, "rb") as source, archive.open(name, "w", force_zip64=True) as target:
                while block := source.read(BLOCK):
                    target.write(block)


def _tar(mode: str) -> Callable[[Writable, list[tuple[str, Entry]]], None]:
    def write(output: Writable, members: list[tuple[str, Entry]]) -> None:
        with tarfile.open(fileobj=output, mode=mode) as archive:  # type: ignore[call-overload]
            for name, entry in members:
                info = tarfile.TarInfo(name)
                info.size, info.mtime = entry.size, int(entry.at)
                with open(entry.file, "rb") as source:
                    archive.addfile(info, source)

    return write


WRITERS |= {
    "zip": ("application/zip", _zip),
    "tar": ("application/x-tar", _tar("w|")),
    "tar.gz": ("application/x-gtar", _tar("w|gz")),
}


def member(packing: Entry, name: str) -> bytes | None:
    """One file from a zip: XNAT opens it if a path continues after its name (FileList)."""
    try:
        with zipfile.ZipFile(packing.file) as archive:
            return archive.read(unquote_plus(name))
    except (zipfile.BadZipFile, KeyError):
        return None


def unpack(archive: Archive, name: str, entry: Entry) -> Iterator[tuple[str, Entry]]:
    """The result of ``extract=true``: the members of an archive, or the file if it is not one. The folder in
    the URL is ignored, and nested archives are not unpacked.
    """
    base = name.rpartition("/")[2]
    lower = base.lower()
    facts: dict[str, Any] = {"format": entry.format, "content": entry.content, "tags": entry.tags}
    try:
        if lower.endswith((".zip", ".xar")):
            with zipfile.ZipFile(entry.file) as packed:
                for info in packed.infolist():
                    if not info.is_dir():
                        with packed.open(info) as source:
                            yield _safe(info.filename), archive.keep(source, **facts)
        elif lower.endswith((".tar", ".tar.gz", ".tgz")):
            with tarfile.open(entry.file) as tar:
                for member in tar:
                    if member.isfile():
                        content = tar.extractfile(member)
                        assert content
                        yield _safe(member.name), archive.keep(content, **facts)
        elif lower.endswith(".gz"):
            with gzip.open(entry.file) as unzipped:
                yield base[:-3], archive.keep(unzipped, **facts)
        else:
            yield name, entry
            return
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise Failed(500, f"Unable to extract the archive: {error}") from None
    entry.file.unlink()


def _safe(name: str) -> str:
    parts = [one for one in name.split("/") if one not in ("", ".")]
    if ".." in parts:
        raise Failed(500, "Invalid path in the archive.")
    return "/".join(parts)
