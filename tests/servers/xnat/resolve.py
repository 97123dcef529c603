"""Maps a request's path to objects in the archive, as XNAT does."""

import re
from dataclasses import dataclass, field

from tests.servers.xnat.accounts import GUEST, User
from tests.servers.xnat.archive import (
    ASSESSOR,
    CONTAINERS,
    PROJECT,
    RECONSTRUCTION,
    SCAN,
    SESSION,
    SUBJECT,
    Archive,
    Node,
    Resource,
)
from tests.servers.xnat.exchange import Failed, label

COLLECTIONS = (PROJECT, SUBJECT, SESSION, *CONTAINERS)


@dataclass
class Place:
    """The parsed path. ``names`` has the name after each collection, ``listing`` the last."""

    names: dict[str, str] = field(default_factory=dict)
    listing: str = ""
    side: str = ""
    resource: str | None = None
    file: str | None = None
    """A file's path as in the URL; "" if the URL ends in ``files``."""
    slash: bool = False
    """The path of the file, or of the list, ends in a slash."""

    @property
    def container(self) -> str:
        """scans, reconstructions or assessors, if the path goes through one of them."""
        return next((kind for kind in CONTAINERS if kind in self.names), "")

    @property
    def last(self) -> str:
        return next((kind for kind in reversed(COLLECTIONS) if kind in self.names), "")


def parse(segments: list[str]) -> Place | None:
    """``segments`` follow /data or /REST; None if not in the archive's part of the API."""
    place = Place()
    rest = segments[1:] if segments[:1] == ["archive"] else list(segments)
    if not rest or rest[0] not in (PROJECT, SUBJECT, SESSION):
        return None
    while rest:
        word = rest.pop(0)
        if word == "files":
            place.slash = bool(rest) and rest[-1] == ""
            place.file = "/".join(rest)
            return place
        if word in COLLECTIONS and place.resource is None:
            if rest and rest[0]:
                place.names[word] = label(rest.pop(0))
            else:
                place.listing, rest = word, rest[1:]
        elif word == "resources":
            place.listing = "" if rest and rest[0] else "resources"
            place.resource = label(rest.pop(0)) if rest and rest[0] else ""
        elif word in ("in", "out") and place.container:
            place.side = word
        elif word or rest:
            return None
    return place


@dataclass
class Found:
    """The path's target. ``missing`` is the first collection without that name."""

    project: Node | None = None
    subject: Node | None = None
    nodes: list[Node] = field(default_factory=list)
    missing: str = ""


class Resolver:
    """Finds nodes as ``user`` sees them."""

    def __init__(self, archive: Archive, user: User) -> None:
        self._archive = archive
        self._user = user

    def may(self, right: str, node: Node | None) -> bool:
        if node is None:
            return False
        project = node.project
        if right == "read" and project.public:
            return True
        return self._user.name != GUEST and self._user.may(right, project.id)

    def find(self, place: Place, by_type: bool) -> Found:
        """Follow the path as far as possible. ``by_type`` also finds a scan by its type. A project that is
        missing or not readable is a 404.
        """
        found = Found()
        if PROJECT in place.names:
            found.project = self._archive.project(place.names[PROJECT])
            if not self.may("read", found.project):
                raise Failed(404, "Unable to identify project.")
            assert found.project
            found.nodes = [found.project]
        for kind in COLLECTIONS[1:]:
            if kind not in place.names:
                continue
            nodes = self._in(kind, place.names[kind], found, by_type)
            nodes = [one for one in nodes if self.may("read", one)]
            if not nodes:
                found.missing = kind
                return found
            found.nodes = nodes
            found.project = found.project or nodes[0].project
            if kind == SUBJECT:
                found.subject = nodes[0]
        return found

    def _in(self, kind: str, name: str, found: Found, by_type: bool) -> list[Node]:
        if kind == SUBJECT:
            one = self._archive.subject(found.project, name)
            return [one] if one else []
        if kind == SESSION:
            one = self._archive.session(found.project, name)
            return [one] if one else []
        wanted = name.split(",")
        every = [one for node in found.nodes for one in node.of_kind(kind)]
        if by_type and ("*" in wanted or "ALL" in wanted):
            return every
        if kind == ASSESSOR:
            return [one for one in every if one.id in wanted or one.label in wanted]
        by_id = [one for one in every if one.id in wanted]
        if kind == SCAN and by_type:
            return by_id + [one for one in every if one.fields.get("type") in wanted and one not in by_id]
        return by_id

    def to_read(self, place: Place, head: bool) -> list[Node]:
        """The nodes whose resources and files a GET means.

        An unknown session or container is not an error: XNAT falls back to the subject (or the project, if
        the path has no subject). HEAD does not.
        """
        found = self.find(place, by_type=True)
        if not found.missing:
            return found.nodes
        if found.missing == SUBJECT or head:
            raise Failed(404, f"Unable to find the specified {found.missing[:-1]}.")
        back = found.subject or found.project
        if not back:
            raise Failed(404, f"Unable to find the specified {found.missing[:-1]}.")
        return [back]

    def to_write(self, place: Place) -> Node:
        """The node of a PUT, POST or DELETE: it must exist."""
        found = self.find(place, by_type=True)
        if found.missing or not found.nodes:
            raise Failed(404, f"Unable to find the specified {found.missing[:-1] or 'resource'}.")
        return found.nodes[0]

    def resources(self, nodes: list[Node], place: Place) -> list[Resource]:
        """The resources that the path names in these nodes, or all if it names none."""
        if not place.resource or place.resource in ("*", "ALL"):
            return [one for node in nodes for one in node.resources if one.side == side_of(node, place)]
        found: list[Resource] = []
        for name in place.resource.split(","):
            for node in nodes:
                one = self._archive.resource(node, name, side_of(node, place))
                if one and one not in found and self.may("read", one.owner):
                    found.append(one)
        return found


def side_of(node: Node, place: Place) -> str:
    """Reconstructions and assessors have separate inputs and outputs; out is the default."""
    return place.side or "out" if node.kind in (RECONSTRUCTION, ASSESSOR) else ""


def allowed(name: str) -> bool:
    """Whether a session or an assessor may have this ID."""
    return bool(re.fullmatch(r"[A-Za-z0-9_-]+", name))
