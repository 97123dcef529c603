"""Real servers for the tests. Each module has ``start()``: a context manager that yields a running server.

All of them listen on free ports of 127.0.0.1, keep what they write in a temporary folder, and take
everything away with them when they end.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

USERNAME = "alice"
# One that must be quoted in URLs, in shells and in YAML, so that careless code is found out.
PASSWORD = "s3cret pa:ss/w%rd&ü"


_marks = count(1)


class Missing(Exception):
    """What a server needs is not installed; tests/install-servers.sh installs it."""


class Seen(NamedTuple):
    """One request that reached a server. Header names are in lower case; ``at`` is in seconds, monotonic."""

    method: str
    path: str
    headers: dict[str, str]
    at: float = 0.0
    status: int = 0
    body: bytes = b""
    connection: str = ""


class Web:
    """A web server whose document root is a folder that the tests can look into."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, path: str, content: bytes) -> Path:
        """Put a file under the document root, writable for the server's user too."""
        file = self.root / path
        self.folder(file.parent)
        file.write_bytes(content)
        file.chmod(0o666)
        # Apache calls an ETag weak, and so useless for going on, while the file is younger than a second.
        an_hour_ago = time.time() - 3600
        os.utime(file, (an_hour_ago, an_hour_ago))
        return file

    def folder(self, folder: Path) -> Path:
        """Make a folder under the document root, and its parents, writable for the server's user too."""
        for one in make_dirs(folder):
            one.chmod(0o777)
        return folder


def make_dirs(folder: Path) -> list[Path]:
    """Make it and its parents, those that are missing: these. (pathlib recurses, and a tree may be deep.)"""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
    return missing


def remove(folder: Path) -> None:
    """Remove it and what is in it, however deep it is."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Each client that comes, until ``listener`` is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        yield client


def hang_up(connections: Iterable[socket.socket]) -> None:
    """Close them; shutdown wakes a thread that waits for one."""
    for one in connections:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def settled(log: Path, url: str, timeout: float = 10) -> list[str]:
    """The lines of a server's access log, once what has been answered so far is in it.

    A server writes a line after the client has its answer. So it is asked for something that is not there,
    and when that is in the log, what came before is too. ``url`` is the server's, without a password.
    """
    mark = f"/settled-{next(_marks)}-{os.getpid()}"
    with contextlib.suppress(urllib.error.HTTPError):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(url + mark, timeout=timeout).close()
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        lines = log.read_text().splitlines()
        if any(mark in line for line in lines):
            return [line for line in lines if "/settled-" not in line]
        time.sleep(0.002)
    raise AssertionError(f"{url}{mark} does not appear in {log}")


def needs(program: str) -> str:
    """The path of ``program``, also looked for where Debian keeps daemons; Missing if it is not there."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing(f"{program} is not installed: run tests/install-servers.sh")
    return path


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that a server's unprivileged user can enter (pytest's own cannot be)."""
    path = Path(tempfile.mkdtemp(prefix="red-server-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        remove(path)


@contextlib.contextmanager
def daemon(command: Sequence[str], ports: Sequence[int], log: Path) -> Iterator[None]:
    """Run ``command`` in the foreground until the block ends; it is up when all ports answer."""
    with open(log, "ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        for port in ports:
            wait_for(port, process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path, timeout: float = 10) -> None:
    """Return when the port takes connections; RuntimeError with the server's log when it does not."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.01)
    logs = sorted(log.parent.glob("*.log"))
    text = "".join(f"--- {one.name}\n{one.read_text(errors='replace')[-2000:]}" for one in logs)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}\n{text}")
