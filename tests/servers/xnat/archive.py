"""The archive: projects, subjects, sessions, their containers, resources, catalogues and files."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, unquote_plus

BLOCK = 1 << 18

PROJECT, SUBJECT, SESSION = "projects", "subjects", "experiments"
SCAN, RECONSTRUCTION, ASSESSOR = "scans", "reconstructions", "assessors"
CONTAINERS = (SCAN, RECONSTRUCTION, ASSESSOR)

DEFAULT_TYPES = {
    PROJECT: "xnat:projectData",
    SUBJECT: "xnat:subjectData",
    SESSION: "xnat:mrSessionData",
    SCAN: "xnat:mrScanData",
    RECONSTRUCTION: "xnat:reconstructedImageData",
    ASSESSOR: "xnat:qcAssessmentData",
}
# XNAT's default types, as far as needed here.
TYPES = {
    PROJECT: {"xnat:projectData"},
    SUBJECT: {"xnat:subjectData"},
    SESSION: {f"xnat:{kind}SessionData" for kind in ("mr", "pet", "ct", "us", "eeg", "petmr", "otherDicom")},
    SCAN: {f"xnat:{kind}ScanData" for kind in ("mr", "pet", "ct", "us", "eeg", "otherDicom", "sc", "seg")},
    RECONSTRUCTION: {"xnat:reconstructedImageData"},
    ASSESSOR: {
        "xnat:imageAssessorData",
        "xnat:qcAssessmentData",
        "xnat:qcManualAssessorData",
        "xnat:mrAssessorData",
        "xnat:petAssessorData",
        "icr:roiCollectionData",
    },
}


class Readable(Protocol):
    """What bytes are taken from."""

    def read(self, size: int = ..., /) -> bytes: ...


@dataclass
class Entry:
    """A file: where its bytes are, and its catalogue entry."""

    file: Path
    size: int
    digest: str
    at: float
    format: str = ""
    content: str = ""
    tags: str = ""

    @property
    def data(self) -> bytes:
        return self.file.read_bytes()


@dataclass
class Resource:
    """``catalogue`` is what can be listed and fetched; ``disk`` is the folder's contents."""

    id: int
    label: str
    owner: "Node"
    side: str = ""
    format: str = ""
    content: str = ""
    tags: str = ""
    catalogue: dict[str, Entry] = field(default_factory=dict)
    disk: dict[str, Entry] = field(default_factory=dict)
    revision: int = 0

    @property
    def uri(self) -> str:
        return f"{self.owner.uri}{'/' + self.side if self.side else ''}/resources/{self.id}"

    def find(self, path: str) -> Entry | None:
        """The file of that name, verbatim or else decoded (CatalogUtils.getEntryByURI)."""
        return self.catalogue.get(path) or self.catalogue.get(unquote_plus(path))


@dataclass
class Node:
    """A project, subject, session, scan, reconstruction or assessor."""

    kind: str
    id: str
    label: str
    xsi_type: str
    parent: "Node | None" = None
    public: bool = False
    fields: dict[str, str] = field(default_factory=dict)
    children: list["Node"] = field(default_factory=list)
    resources: list[Resource] = field(default_factory=list)

    @property
    def project(self) -> "Node":
        return self.parent.project if self.parent else self

    @property
    def uri(self) -> str:
        """With IDs, as in listings; a session's starts at its own ID."""
        if self.kind in CONTAINERS:
            assert self.parent
            return f"{self.parent.uri}/{self.kind}/{self.id}"
        return f"/data/{self.kind}/{self.id}"

    def of_kind(self, kind: str) -> list["Node"]:
        return [one for one in self.children if one.kind == kind]

    def below(self) -> Iterator["Node"]:
        """This node and its descendants."""
        yield self
        for one in self.children:
            yield from one.below()


class Archive:
    """All nodes, and a folder with all bytes. Hold ``lock`` for changes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.projects: list[Node] = []
        self._numbers = count(1)

    def nodes(self) -> Iterator[Node]:
        for project in self.projects:
            yield from project.below()

    def project(self, name: str) -> Node | None:
        """By ID or alias."""
        return next((one for one in self.projects if name in (one.id, one.fields.get("alias"))), None)

    def subject(self, project: Node | None, name: str) -> Node | None:
        """By label in the project, then by ID anywhere."""
        mine = project.of_kind(SUBJECT) if project else []
        everywhere = [one for one in self.nodes() if one.kind == SUBJECT]
        return next((one for one in mine if one.label == name), _by_id(everywhere, name))

    def session(self, project: Node | None, name: str) -> Node | None:
        """By ID anywhere, then by label in the project: the subject does not matter."""
        everywhere = [one for one in self.nodes() if one.kind in (SESSION, ASSESSOR)]
        mine = [one for one in project.below() if one.kind == SESSION] if project else []
        found = _by_id(everywhere, name)
        return found or next((one for one in mine if one.label == name), None)

    def add(self, kind: str, parent: Node | None, name: str, xsi_type: str = "", /, **fields: str) -> Node:
        """A new node. Subjects, sessions and assessors get an ID; the others use their name."""
        number = next(self._numbers)
        made = {SUBJECT: f"XNAT_S{number:05}", SESSION: f"XNAT_E{number:05}", ASSESSOR: f"XNAT_E{number:05}"}
        node = Node(
            kind, fields.pop("ID", made.get(kind, name)), name, xsi_type or DEFAULT_TYPES[kind], parent
        )
        node.fields.update(fields)
        with self.lock:
            (parent.children if parent else self.projects).append(node)
        return node

    def remove(self, node: Node) -> None:
        with self.lock:
            (node.parent.children if node.parent else self.projects).remove(node)

    def resource(self, node: Node, name: str, side: str = "") -> Resource | None:
        """By label, or by number in the whole site: digits are never a label."""
        if name.isdigit():
            everywhere = (one for other in self.nodes() for one in other.resources)
            return next((one for one in everywhere if one.id == int(name)), None)
        return next((one for one in node.resources if (one.label, one.side) == (name, side)), None)

    def add_resource(self, node: Node, label: str, side: str = "", **facts: str) -> Resource:
        with self.lock:
            resource = Resource(next(self._numbers), label, node, side)
            for key, value in facts.items():
                setattr(resource, key, value)
            node.resources.append(resource)
        return resource

    def keep(self, stream: Readable, **facts: str) -> Entry:
        """Store a stream; the file is in no resource yet."""
        file = self.folder / f"{next(self._numbers)}"
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        with open(file, "wb") as output:
            while block := stream.read(BLOCK):
                output.write(block)
                digest.update(block)
                size += len(block)
        return Entry(file, size, digest.hexdigest(), time.time(), **facts)


def _by_id(nodes: list[Node], name: str) -> Node | None:
    return next((one for one in nodes if one.id == name), None)


def stored_as(path: str, legacy: bool = False) -> str:
    """The name under which XNAT stores a file with this path in the URL. The whole path is decoded if it
    contains a quoted blank or plus, otherwise none of it.
    """
    decode = not legacy and re.search("%20|%2B", path, re.IGNORECASE)
    return unquote_plus(path) if decode else path


def quoted(path: str) -> str:
    """A path as a correct client quotes it in a URL."""
    return quote(path, safe="/")


def meant_by(name: str) -> str:
    """The name that a correct client sent for the file that XNAT stores under this name."""
    return name if re.search("[ +]", name) else unquote(name)
