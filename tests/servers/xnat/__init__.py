"""A fake XNAT that behaves like XNAT 1.8, surprises included (docs/xnat-rest-api.md).

    with xnat.start() as site:
        site.place("P/S/E/scans/1", "NIFTI", "sub/a.nii.gz", b"…")
        … a client works with site.url, site.username, site.password …
        assert site.tree("P/S/E/scans/1", "NIFTI") == {"sub/a.nii.gz": b"…"}
        assert site.open_sessions() == 0

A node is named ``project[/subject[/session[/scans|reconstructions|assessors/name]]]``; ``make``, ``place``
and ``resource`` create missing parents. File names are those of the client, whatever XNAT stores
(``archive.stored_as``). ``site.switches`` changes the site's behaviour, ``site.fail`` single requests.
``python -m tests.servers.xnat`` serves one with a sample project.

Not here: the web pages, DICOM, the prearchive, searches, pipelines, sharing between projects.
"""

import contextlib
import io
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.servers import PASSWORD, USERNAME, folder
from tests.servers.xnat.accounts import User
from tests.servers.xnat.archive import (
    CONTAINERS,
    PROJECT,
    SESSION,
    SUBJECT,
    Archive,
    Entry,
    Node,
    Resource,
    meant_by,
    quoted,
    stored_as,
)
from tests.servers.xnat.resolve import Place, side_of
from tests.servers.xnat.server import Asked, Handler, Server, Service
from tests.servers.xnat.switches import Fault, Switches

__all__ = ["Asked", "Entry", "Fault", "Node", "Resource", "Switches", "User", "Xnat", "start"]


class Xnat:
    """A running site. ``url`` is its base URL; ``seen`` every request so far.

    Users: ``username`` owns everything; ``member`` cannot delete; ``reader`` can only read; ``stranger``
    sees no project. All have the same ``password``.
    """

    def __init__(self, service: Service, port: int, scheme: str) -> None:
        self._service = service
        self.port = port
        self.context = service.context
        self.url = f"{scheme}://127.0.0.1:{port}{service.context}"
        self.username, self.password = USERNAME, PASSWORD
        self.users = service.accounts.users
        self.archive = service.archive
        self.switches = service.switches
        self.seen = service.seen
        for name, role in (
            (USERNAME, "owner"),
            ("member", "member"),
            ("reader", "collaborator"),
            ("stranger", "none"),
        ):
            self.users[name] = User(name, PASSWORD, role)

    # --- what was asked ---

    def requests(self, path: str = "", method: str = "") -> list[Asked]:
        """The requests so far, filtered by ``path`` (a substring) and method if given."""
        return [one for one in self.seen if path in one.path and method in ("", one.method)]

    @property
    def log_ins(self) -> int:
        """How many sessions were opened with a password or a token."""
        return self._service.accounts.log_ins

    @property
    def refused(self) -> int:
        """Number of failed log-ins."""
        return self._service.accounts.refused

    def open_sessions(self, user: str = "") -> int:
        """Number of open sessions of ``user``, or of all except the guest."""
        return self._service.accounts.open_sessions(user)

    # --- what goes wrong ---

    def fail(self, method: str, path: str, fault: Fault) -> None:
        """Let the next requests fail with this method ("": any) and this pattern in their path."""
        self._service.fail(method, path, fault)

    def pass_time(self, seconds: float) -> None:
        """Age sessions and tokens."""
        self._service.accounts.pass_time(seconds)

    # --- what is in the archive ---

    def find(self, path: str) -> Node | None:
        """The node of that name."""
        node: Node | None = None
        for kind, name in _steps(path)[0]:
            siblings = node.of_kind(kind) if node else self.archive.projects
            node = next((one for one in siblings if name in (one.label, one.id)), None)
            if node is None:
                return None
        return node

    def make(self, path: str, xsi_type: str = "", /, **fields: str) -> Node:
        """The node of that name, created with its parents if missing."""
        node: Node | None = None
        steps = _steps(path)[0]
        for number, (kind, name) in enumerate(steps, 1):
            siblings = node.of_kind(kind) if node else self.archive.projects
            old = next((one for one in siblings if name in (one.label, one.id)), None)
            facts = (xsi_type, fields) if number == len(steps) else ("", {})
            node = old or self.archive.add(kind, node, name, facts[0], **facts[1])
        assert node
        return node

    def resource(self, path: str, label: str) -> Resource:
        """The resource of that label in a node, created if missing."""
        node = self.make(path)
        side = side_of(node, Place(side=_steps(path)[1]))
        return self.archive.resource(node, label, side) or self.archive.add_resource(node, label, side)

    def place(self, path: str, label: str, file: str, content: bytes) -> Entry:
        """Put a file into the resource ``label`` of a node, like a client that quotes its path."""
        resource = self.resource(path, label)
        entry = self.archive.keep(io.BytesIO(content))
        with self.archive.lock:
            name = stored_as(quoted(file), self.switches.legacy_names)
            resource.catalogue[name] = resource.disk[name] = entry
        return entry

    def tree(self, path: str, label: str) -> dict[str, bytes]:
        """All files in a resource by the client's names; empty if there is no such resource."""
        node = self.find(path)
        resource = (
            self.archive.resource(node, label, side_of(node, Place(side=_steps(path)[1]))) if node else None
        )
        with self.archive.lock:
            files = resource.catalogue.items() if resource else ()
            return {meant_by(name): entry.data for name, entry in files}

    def sample(self) -> None:
        """Fill the archive with sample data."""
        self.make("demo", "", name="Demonstration")
        self.make("demo/sub-01/sub-01_mr/scans/1", type="T1")
        self.make("demo/sub-01/sub-01_mr/scans/2", type="T2")
        self.make("demo/sub-01/sub-01_mr/assessors/sub-01_qc", "xnat:qcAssessmentData")
        self.place("demo", "DOCS", "protocol.txt", b"Scan everybody twice.\n")
        self.place("demo/sub-01", "NOTES", "notes.txt", b"Left-handed.\n")
        self.place("demo/sub-01/sub-01_mr", "LOGS", "scanner/console.log", b"started\nended\n")
        self.place("demo/sub-01/sub-01_mr/scans/1", "NIFTI", "t1.nii.gz", bytes(range(256)) * 64)
        self.place("demo/sub-01/sub-01_mr/scans/1", "NIFTI", "bids/t1.json", b'{"Modality": "MR"}\n')
        self.place("demo/sub-01/sub-01_mr/assessors/sub-01_qc", "DATA", "qc.csv", b"score\n0.93\n")


def _steps(path: str) -> tuple[list[tuple[str, str]], str]:
    """A node's path as kinds and names, and ``in`` or ``out`` if it ends with one."""
    words = path.split("/")
    side = words.pop() if len(words) > 5 and words[-1] in ("in", "out") else ""
    steps = list(zip((PROJECT, SUBJECT, SESSION), words, strict=False))
    if len(words) > 3:
        kind, name = words[3:]
        assert kind in CONTAINERS
        steps.append((kind, name))
    return steps, side


@contextlib.contextmanager
def start(context: str = "", certificate: tuple[Path, Path] | None = None, port: int = 0) -> Iterator[Xnat]:
    """The server; with the paths of a certificate and its key it uses TLS. ``port`` 0 means a free one."""
    with folder() as place:
        service = Service(Archive(place), Switches(secure_cookie=certificate is not None), context)
        handler = type("Handler", (Handler,), {"service": service})
        with Server(("127.0.0.1", port), handler) as listener:
            if certificate:
                tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                tls.load_cert_chain(*certificate)
                listener.socket = tls.wrap_socket(
                    listener.socket, server_side=True, do_handshake_on_connect=False
                )
            thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield Xnat(service, listener.server_address[1], "https" if certificate else "http")
            finally:
                listener.shutdown()
                thread.join()
