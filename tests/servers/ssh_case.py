"""red-connector-ssh's cases: each generation of its document with one kind of server."""

import os
import time
from collections.abc import Callable

import pytest

from connectors.model import Verb
from tests.conformance.promises import Access, Case
from tests.servers.sshd import Sshd


class SshCase(Case):
    """The later generation: ``auth``, ``filePath``, ``dirPath``; with the server's key."""

    executable = "red-connector-ssh"
    deepest = 60  # a tree's folders are opened one inside the other

    def __init__(self, server: Sshd, folder: str) -> None:
        self.server = server
        self.folder = folder
        self.port = server.port
        self.make_dir("")

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        key = "dirPath" if verb.of_directory else "filePath"
        return {
            "host": host or self.server.host,
            "port": port or self.port,
            "hostKey": self.server.fingerprints["ed25519"],
            "auth": {"username": self.server.username, "password": self.server.password},
            key: self.server.remote(f"{self.folder}/{path}"),
        }

    def place(self, path: str, content: bytes) -> None:
        file = self.server.place(f"{self.folder}/{path}", content)
        an_hour_ago = time.time() - 3600  # SFTP has seconds: only an older file has a version
        os.utime(file, (an_hour_ago, an_hour_ago))

    def make_dir(self, path: str) -> None:
        self.server.make_dir(f"{self.folder}/{path}")

    def tree(self, path: str) -> dict[str, bytes]:
        root = self.server.root / self.folder / path
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    def refusals(self, path: str) -> int:
        # The log has no paths, but each test has its own server.
        return self.server.refusals()


class FlatCase(SshCase):
    """The seed's flat form, with names relative to the log-in directory."""

    def access(self, verb: Verb, path: str, port: int = 0, host: str = "") -> Access:
        folder, name = os.path.split(f"{self.folder}/{path}")
        if verb.of_directory:
            where = {"dirName": f"{self.folder}/{path}"}
        else:
            where = {"fileDir": folder, "fileName": name}
        return {
            "host": host or self.server.host,
            "port": port or self.port,
            "username": self.server.username,
            "password": self.server.password,
            **where,
        }


def served(fixture: str, kind: type[SshCase] = SshCase) -> Callable[[pytest.FixtureRequest, str], SshCase]:
    """Returns a factory for cases with that fixture's server."""
    return lambda request, folder: kind(request.getfixturevalue(fixture), folder)
