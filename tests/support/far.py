"""A folder on an SSH server for one test: its contents, and the connector's access to it."""

import contextlib
import os
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.program import Result, run

SSH = "red-connector-ssh"
Snapshot = dict[bytes, bytes | None]


class Far:
    """``root`` is the folder as the test sees it; paths are relative to it."""

    def __init__(self, server: Sshd, folder: str) -> None:
        self.server = server
        self.folder = folder
        self.root = server.make_dir(folder)

    def place(self, path: str | bytes, content: bytes, mode: int = 0o644, age: float = 3600) -> Path:
        """A file, ``age`` seconds old: SFTP has whole seconds, so a new file has no version."""
        file = self.server.place(os.path.join(self.folder, os.fsdecode(path)), content, mode)
        modified = time.time() - age
        os.utime(file, (modified, modified))
        return file

    def make_dir(self, path: str | bytes) -> Path:
        return self.server.make_dir(os.path.join(self.folder, os.fsdecode(path)))

    def link(self, path: str, target: str) -> None:
        """A symbolic link to ``target``, used verbatim."""
        (self.root / path).symlink_to(target)
        self.server.own(self.root / path)

    def directory(self, path: str = "", port: int = 0) -> dict[str, Any]:
        """The document for a directory."""
        return self._access("dirPath", path, port)

    def file(self, path: str, port: int = 0) -> dict[str, Any]:
        """The document for a file."""
        return self._access("filePath", path, port)

    def _access(self, key: str, path: str, port: int) -> dict[str, Any]:
        return {
            "host": self.server.host,
            "port": port or self.server.port,
            "hostKey": self.server.fingerprints["ed25519"],
            "auth": {"username": self.server.username, "password": self.server.password},
            key: self.server.remote(f"{self.folder}/{path}"),
        }

    def receive_dir(self, path: str, target: Path, *extra: object, port: int = 0, **env: str) -> Result:
        return run(SSH, "receive-dir", self.directory(path, port), target, *extra, env=env)

    def send_dir(self, source: Path, path: str, *extra: object, port: int = 0, **env: str) -> Result:
        return run(SSH, "send-dir", self.directory(path, port), source, *extra, env=env)

    def receive_file(self, path: str, target: Path, *, port: int = 0, **env: str) -> Result:
        return run(SSH, "receive-file", self.file(path, port), target, env=env)

    def send_file(self, source: Path, path: str, *, port: int = 0, **env: str) -> Result:
        return run(SSH, "send-file", self.file(path, port), source, env=env)


def snapshot(folder: Path) -> Snapshot:
    """Everything below a folder, including hidden names: each file's content, None for a directory."""
    found: Snapshot = {}
    root = os.fsencode(folder)
    for place, folders, files in os.walk(root):
        for name in folders:
            found[os.path.relpath(os.path.join(place, name), root)] = None
        for name in files:
            path = os.path.join(place, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = file.read()
    return found


def build(folder: Path, tree: Snapshot) -> Path:
    """The opposite of ``snapshot``."""
    for path, content in tree.items():
        place = folder / os.fsdecode(path)
        if content is None:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    return folder


def hidden(folder: Path) -> list[str]:
    """The names of current or abandoned transfers below a folder."""
    return sorted(one.name for one in folder.rglob(".*.red-*"))


@contextlib.contextmanager
def small_disk(folder: Path, size: str = "1m") -> Iterator[Path]:
    """Mount a file system of exactly that size at ``folder``."""
    words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=777", "red-test", str(folder)]
    mounted = subprocess.run(words, capture_output=True, text=True)
    if mounted.returncode:
        require.missing("mount", mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def with_parents(tree: Snapshot) -> Snapshot:
    """``tree`` with an entry for each non-empty directory."""
    whole = dict(tree)
    for path in tree:
        while path := os.path.dirname(path):
            whole[path] = None
    return whole


def modes(folder: Path) -> dict[str, int]:
    """The permission bits of all files below a folder."""
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): stat.S_IMODE(one.stat().st_mode) for one in files}


def many(count: int) -> Snapshot:
    """That many small files in seven folders."""
    return {b"%d/f%d" % (number % 7, number): b"%d" % number * (number % 50) for number in range(count)}


def place(far: Far, tree: Snapshot) -> None:
    """Create them; None is a directory."""
    for path, content in tree.items():
        if content is None:
            far.make_dir(path)
        else:
            far.place(path, content)
