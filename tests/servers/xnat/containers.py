"""Projects, subjects, sessions, scans, reconstructions, assessors and resources: lists, PUT and DELETE."""

import zlib

from tests.servers.xnat.accounts import GUEST
from tests.servers.xnat.archive import (
    ASSESSOR,
    CONTAINERS,
    DEFAULT_TYPES,
    PROJECT,
    RECONSTRUCTION,
    SCAN,
    SESSION,
    SUBJECT,
    TYPES,
    Archive,
    Node,
    Resource,
)
from tests.servers.xnat.exchange import Answer, Exchange, Failed, items, table
from tests.servers.xnat.resolve import Place, Resolver, allowed, side_of

COLUMNS = {
    PROJECT: ["ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname", "URI"],
    SUBJECT: ["ID", "project", "label", "insert_date", "insert_user", "URI"],
    SESSION: ["ID", "project", "date", "xsiType", "label", "insert_date", "URI"],
    SCAN: [
        "xnat_imagescandata_id",
        "ID",
        "type",
        "quality",
        "xsiType",
        "note",
        "series_description",
        "URI",
    ],
    RECONSTRUCTION: ["xnat_reconstructedimagedata_id", "ID", "type", "baseScanType", "URI"],
    ASSESSOR: [
        "ID",
        "project",
        "label",
        "date",
        "xsiType",
        "insert_date",
        "session_ID",
        "session_label",
        "URI",
    ],
}
RESOURCE_COLUMNS = [
    "xnat_abstractresource_id",
    "label",
    "element_name",
    "category",
    "cat_id",
    "cat_desc",
    "file_count",
    "file_size",
    "tags",
    "content",
    "format",
]
NO_RIGHT = "The authenticated user does not have permission to perform this operation."


class Containers:
    """Handles paths that do not end in files."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def answer(self, exchange: Exchange, place: Place) -> Answer:
        resolver = Resolver(self._archive, exchange.user)
        if exchange.method in ("GET", "HEAD"):
            if place.resource is not None:
                return self._read_resources(exchange, place, resolver)
            return self._list(exchange, place, resolver) if place.listing else self._show(place, resolver)
        if place.listing:
            raise Failed(405, "The method is not allowed for a list.")
        if exchange.method == "DELETE":
            return self._delete(place, resolver)
        if place.resource is not None:
            return self._put_resource(exchange, place, resolver)
        return self._put(exchange, place, resolver)

    # --- reading ---

    def _list(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        kind = place.listing
        if kind == PROJECT:
            nodes = [one for one in self._archive.projects if resolver.may("read", one)]
        else:
            try:
                found = resolver.find(place, by_type=False)
            except Failed:
                if kind in (SCAN, RECONSTRUCTION):
                    raise Failed(500, "The server encountered an unexpected condition.") from None
                raise
            if found.missing:
                raise Failed(404, f"Unable to find the specified {found.missing[:-1]}.")
            starts = found.nodes or [one for one in self._archive.projects if resolver.may("read", one)]
            nodes = [one for start in starts for one in start.below() if one.kind == kind]
        columns = COLUMNS[kind]
        wanted = [one for one in exchange.query.get("columns", "").split(",") if one in (*columns, "label")]
        if wanted:
            columns = [*dict.fromkeys(wanted), *([] if "URI" in wanted else ["URI"])]
            columns = [one for one in columns if one != "label" or "label" in COLUMNS[kind]]
        return table((row(one) for one in nodes), exchange, columns)

    def _show(self, place: Place, resolver: Resolver) -> Answer:
        found = resolver.find(place, by_type=False)
        if found.missing:
            raise Failed(404, f"Unable to find the specified {found.missing[:-1]}.")
        node = found.nodes[0]
        return items(node.xsi_type, {**row(node), **node.fields})

    def _read_resources(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        resources = resolver.resources(resolver.to_read(place, exchange.method == "HEAD"), place)
        if place.listing:
            return table((resource_row(one) for one in resources), exchange, RESOURCE_COLUMNS)
        if not resources:
            raise Failed(404, "Unable to find the specified resource.")
        catalogue = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<cat:Catalog xmlns:cat="http://nrg.wustl.edu/catalog"/>'
        )
        return Answer(catalogue.encode(), "text/xml;charset=UTF-8")

    # --- writing ---

    def _put(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        kind = place.last
        name = place.names[kind]
        parent, old = self._parent(place, kind, resolver)
        above = parent or old
        if exchange.user.name == GUEST or (above and not resolver.may("edit", above)):
            raise Failed(403, NO_RIGHT)
        xsi_type = exchange.query.get("xsiType", "")
        if old:
            return self._put_again(exchange, old, xsi_type)
        if kind in (SESSION, ASSESSOR) and not allowed(name):
            raise Failed(417, "Invalid character in experiment label.")
        xsi_type = _checked(kind, xsi_type)
        fields = {key.rpartition("/")[2]: value for key, value in exchange.query.items()}
        known = {
            key: fields[key] for key in ("type", "quality", "note", "date", "baseScanType") if key in fields
        }
        node = self._archive.add(kind, parent, name, xsi_type, **known)
        if kind in (SUBJECT, SESSION, ASSESSOR):
            return Answer(node.id.encode(), status=201)
        return Answer(node.id.encode() if kind == PROJECT else b"")

    def _parent(self, place: Place, kind: str, resolver: Resolver) -> tuple[Node | None, Node | None]:
        """The parent of the new node, and the node if it exists."""
        if kind == PROJECT:
            return None, self._archive.project(place.names[PROJECT])
        above = Place({key: value for key, value in place.names.items() if key != kind})
        parent = resolver.to_write(above)
        found = resolver.find(place, by_type=False)
        return parent, None if found.missing else found.nodes[0]

    @staticmethod
    def _put_again(exchange: Exchange, old: Node, xsi_type: str) -> Answer:
        if old.kind == SCAN and xsi_type and xsi_type != old.xsi_type:
            raise Failed(409, "Session already contains a scan with this ID and another data type.")
        for key, value in exchange.query.items():
            name = key.rpartition("/")[2]
            if name in ("type", "quality", "note", "date", "label", "baseScanType"):
                old.fields[name] = value
        return Answer(b"" if old.kind in (SCAN, RECONSTRUCTION) else old.id.encode())

    def _put_resource(self, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        node = resolver.to_write(place)
        if not resolver.may("edit", node):
            raise Failed(403, NO_RIGHT)
        assert place.resource
        with self._archive.lock:
            if resolver.resources([node], place):
                raise Failed(409, "Specified resource already exists.")
            if place.resource.isdigit():
                raise Failed(404, "Unable to find the specified resource.")
            facts = {key: exchange.query.get(key, "") for key in ("format", "content", "tags")}
            self._archive.add_resource(node, place.resource, side_of(node, place), **facts)
        return Answer()

    def _delete(self, place: Place, resolver: Resolver) -> Answer:
        if place.resource is None:
            found = resolver.find(place, by_type=False)
            if found.missing:
                raise Failed(404, f"Unable to find the specified {found.missing[:-1]}.")
            node = found.nodes[0]
        else:
            node = resolver.to_write(place)
        if not resolver.may("delete", node):
            raise Failed(403, NO_RIGHT)
        if place.resource is None:
            self._archive.remove(node)
        else:
            with self._archive.lock:
                for one in resolver.resources([node], place):
                    one.owner.resources.remove(one)
        return Answer()


def _checked(kind: str, xsi_type: str) -> str:
    if not xsi_type:
        if kind in (SCAN, ASSESSOR):
            raise Failed(417, "An xsiType is required to create this element.")
        return DEFAULT_TYPES[kind]
    if not any(xsi_type in known for known in TYPES.values()):
        raise Failed(422, f"Unknown data type {xsi_type}.")
    if xsi_type not in TYPES[kind]:
        raise Failed(400, f"{xsi_type} is not a type of {kind}.")
    return xsi_type


def row(node: Node) -> dict[str, str]:
    """A node's row in lists."""
    cells = {**node.fields, "ID": node.id, "label": node.label, "xsiType": node.xsi_type, "URI": node.uri}
    cells |= {"project": node.project.id, "insert_date": "2026-01-05 10:00:00.0", "insert_user": "admin"}
    if node.kind == PROJECT:
        cells |= {"name": node.label, "secondary_ID": node.id}
    if node.kind == SESSION and node.parent:
        cells |= {"subject_ID": node.parent.id, "subject_label": node.parent.label}
    if node.kind in CONTAINERS:
        assert node.parent
        cells |= {"session_ID": node.parent.id, "session_label": node.parent.label}
        cells |= {"xnat_imagescandata_id": str(zlib.crc32(node.uri.encode()) % 10**6)}
        cells |= {"xnat_reconstructedimagedata_id": cells["xnat_imagescandata_id"]}
    return cells


def resource_row(one: Resource) -> dict[str, str]:
    """A resource's row in lists."""
    node = one.owner
    return {
        "xnat_abstractresource_id": str(one.id),
        "label": one.label,
        "element_name": "xnat:resourceCatalog",
        "category": node.kind if node.kind in CONTAINERS else "resources",
        "cat_id": node.id,
        "cat_desc": node.fields.get("type", ""),
        "file_count": str(len(one.catalogue)),
        "file_size": str(sum(entry.size for entry in one.catalogue.values())),
        "tags": one.tags,
        "content": one.content,
        "format": one.format,
    }
