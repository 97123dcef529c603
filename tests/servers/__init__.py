"""Real servers for the tests. Each module has ``start()``: a context manager that yields a running server.
They listen on free ports of 127.0.0.1, write to a temporary folder, and remove everything at exit.
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
# Must be quoted in URLs, shells and YAML, to expose careless code.
PASSWORD = "s3cret pa:ss/w%rd&ü"


_marks = count(1)


class Missing(Exception):
    """The server is not installed; tests/install-servers.sh installs it."""


class Seen(NamedTuple):
    """A request that reached a server. Header names are in lower case; ``at`` is in seconds, monotonic."""

    method: str
    path: str
    headers: dict[str, str]
    at: float = 0.0
    status: int = 0
    body: bytes = b""
    connection: str = ""


class Web:
    """A web server whose document root the tests can access."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def place(self, path: str, content: bytes) -> Path:
        """Put a file under the document root, also writable for the server's user."""
        file = self.root / path
        self.folder(file.parent)
        file.write_bytes(content)
        file.chmod(0o666)
        # Apache's ETag is weak, so useless for resuming, while the file is younger than a second.
        an_hour_ago = time.time() - 3600
        os.utime(file, (an_hour_ago, an_hour_ago))
        return file

    def folder(self, folder: Path) -> Path:
        """Make a folder and its parents under the document root, also writable for the server's user."""
        for one in make_dirs(folder):
            one.chmod(0o777)
        return folder


def make_dirs(folder: Path) -> list[Path]:
    """Create it and missing parents, and return these. (pathlib recurses, and a tree may be deep.)"""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir(exist_ok=True)
    return missing


def remove(folder: Path) -> None:
    """Remove it and its contents, at any depth."""
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False)


def free_port() -> int:
    """A currently unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepted(listener: socket.socket) -> Iterator[socket.socket]:
    """Each client connection, until ``listener`` is closed."""
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        yield client


def hang_up(connections: Iterable[socket.socket]) -> None:
    """Close them; shutdown wakes waiting threads."""
    for one in connections:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


def settled(log: Path, url: str, timeout: float = 10) -> list[str]:
    """The lines of a server's access log, including all requests answered so far. A server writes the line
    after responding. So request a missing file, and wait until it is in the log: then all earlier requests
    are too. ``url`` is the server's, without a password.
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
    """The path of ``program``, also in Debian's folders for daemons; Missing if there is none."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        raise Missing(f"{program} is not installed: run tests/install-servers.sh")
    return path


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that a server's unprivileged user can enter (unlike pytest's)."""
    path = Path(tempfile.mkdtemp(prefix="red-server-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        remove(path)


@contextlib.contextmanager
def daemon(command: Sequence[str], ports: Sequence[int], log: Path) -> Iterator[None]:
    """Run ``command`` in the foreground during the block; it is up when all ports answer."""
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
    """Wait until the port accepts connections; RuntimeError with the server's log if it does not."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
            return
        time.sleep(0.01)
    logs = sorted(log.parent.glob("*.log"))
    text = "".join(f"--- {one.name}\n{one.read_text(errors='replace')[-2000:]}" for one in logs)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}\n{text}")
