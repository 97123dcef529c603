"""Calls of red-connector-xnat-http against the fake XNAT."""

from pathlib import Path
from typing import Any

from tests.servers.xnat import Xnat
from tests.support.program import Result, run

SCAN = "P/S/E/scans/1"
SCAN_URL = "/data/projects/P/subjects/S/experiments/E/scans/1"
FILES = f"{SCAN_URL}/resources/R/files"
INBODY = "?inbody=true"
KEYS = ("project", "subject", "session")


class Archive:
    """A site, an empty folder, and a user. ``node`` is the documents' default."""

    def __init__(self, site: Xnat, here: Path) -> None:
        self.site = site
        self.here = here
        self.env = {"RED_RETRIES": "0"}

    def access(self, file: str | None = "x", node: str = SCAN, **fields: Any) -> dict[str, Any]:
        """Access data for a file in resource R of a node; None fields are omitted."""
        words = node.split("/")
        access: dict[str, Any] = {"baseUrl": self.site.url, **dict(zip(KEYS, words, strict=False))}
        if len(words) > 3:
            access |= {"containerType": words[3], "container": "/".join(words[4:])}
        access |= {"resource": "R", "file": file}
        access["auth"] = {"username": self.site.username, "password": self.site.password}
        access |= fields
        return {key: value for key, value in access.items() if value is not None}

    def call(self, verb: str, access: dict[str, Any], *rest: object, **env: str) -> Result:
        return run("red-connector-xnat-http", verb, access, *rest, env={**self.env, **env})

    def receive(self, *arguments: Any, **fields: Any) -> Result:
        """Receive to the file ``x`` in the folder."""
        return self.call("receive-file", self.access(*arguments, **fields), self.here / "x")

    def send(self, body: bytes, *arguments: Any, **fields: Any) -> Result:
        (self.here / "out").write_bytes(body)
        return self.call("send-file", self.access(*arguments, **fields), self.here / "out")

    def send_dir(self, tree: dict[str, bytes], *arguments: Any, **fields: Any) -> Result:
        for name, content in tree.items():
            (self.here / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
            (self.here / "tree" / name).write_bytes(content)
        access = self.access(*(arguments or (None,)), **fields)
        return self.call("send-dir", access, self.here / "tree")

    def receive_dir(self, *arguments: Any, **fields: Any) -> Result:
        return self.call("receive-dir", self.access(*(arguments or (None,)), **fields), self.here / "got")

    @property
    def got(self) -> dict[str, bytes]:
        """The files from receive-dir."""
        files = (one for one in (self.here / "got").rglob("*") if one.is_file())
        return {str(one.relative_to(self.here / "got")): one.read_bytes() for one in files}

    def stored(self, node: str = SCAN, resource: str = "R") -> dict[str, bytes]:
        """A resource's contents."""
        return self.site.tree(node, resource)

    def as_user(self, name: str) -> dict[str, Any]:
        return {"auth": {"username": name, "password": self.site.password}}
