"""red-connector-xnat-http's case for the conformance suite: one resource of a scan for each test."""

import pytest

from connectors.model import SEND_DIR, SEND_FILE, Verb
from tests.conformance.promises import Access, Case
from tests.servers.xnat import Xnat

SCAN = ("conformance", "subject", "session", "scans", "1")


class XnatCase(Case):
    """The case's folder is a resource; ``file`` is the path in it."""

    executable = "red-connector-xnat-http"
    keeps_empty_folders = False

    def __init__(self, site: Xnat, folder: str) -> None:
        self.site = site
        self.folder = folder
        self.port = site.port
        self.node = "/".join(SCAN)
        self.make_dir("")

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        project, subject, session, kind, container = SCAN
        access: Access = {
            "baseUrl": f"http://{host or '127.0.0.1'}:{port or self.port}{self.site.context}",
            "project": project,
            "subject": subject,
            "session": session,
            "containerType": kind,
            "container": container,
            "resource": self.folder,
            "auth": {"username": self.site.username, "password": self.site.password},
        }
        if path:
            access["file"] = path
        if verb in (SEND_FILE, SEND_DIR):
            access |= {"xsiType": "xnat:mrScanData", "overwriteExistingFile": True}
        return access

    def place(self, path: str, content: bytes) -> None:
        self.site.place(self.node, self.folder, path, content)

    def make_dir(self, path: str) -> None:
        # XNAT has no folders, only paths in file names.
        self.site.resource(self.node, self.folder)

    def tree(self, path: str) -> dict[str, bytes]:
        below = f"{path}/" if path else ""
        files = self.site.tree(self.node, self.folder)
        return {name.removeprefix(below): data for name, data in files.items() if name.startswith(below)}

    def refusals(self, path: str) -> int:
        # The log-in comes before any path, but each test has its own site.
        return sum(one.refused for one in self.site.seen)


def scan(request: pytest.FixtureRequest, folder: str) -> XnatCase:
    return XnatCase(request.getfixturevalue("xnat_site"), folder)
