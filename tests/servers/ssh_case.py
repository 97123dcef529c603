"""red-connector-ssh's cases: each generation of its document with one kind of server."""

import os
import time
from collections.abc import Callable

import pytest

from connectors.model import Verb
from tests.conformance.promises import Access, Case
from tests.servers.sshd import Sshd


class SshCase(Case):
    """The later generation: ``auth``, ``filePath``, ``dirPath``; and the server's key is known."""

    executable = "red-connector-ssh"
    deepest = 60  # folders of a tree that is sent or received are opened one inside the other

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
        an_hour_ago = time.time() - 3600  # SFTP tells seconds: only a file that is older has a version
        os.utime(file, (an_hour_ago, an_hour_ago))

    def make_dir(self, path: str) -> None:
        self.server.make_dir(f"{self.folder}/{path}")

    def tree(self, path: str) -> dict[str, bytes]:
        root = self.server.root / self.folder / path
        return {str(one.relative_to(root)): one.read_bytes() for one in root.rglob("*") if one.is_file()}

    def refusals(self, path: str) -> int:
        # The log names no paths; but a test has the server to itself.
        return self.server.refusals()


class FlatCase(SshCase):
    """The seed's flat form, with names that are relative to the log-in directory."""

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
    """How to make a case of this kind with the server of that fixture."""
    return lambda request, folder: kind(request.getfixturevalue(fixture), folder)
