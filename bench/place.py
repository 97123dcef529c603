"""The setup: servers with their files, and the compared programs."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench.measure import Contender, Result
from tests.servers.nginx import Nginx
from tests.servers.nginx import start as start_nginx
from tests.servers.sshd import Sshd
from tests.servers.sshd import start as start_sshd
from tests.servers.xnat import Xnat
from tests.servers.xnat import start as start_xnat

CHECKOUT = Path(__file__).resolve().parents[1]
CACHE = CHECKOUT / ".cache" / "existing"  # not "bench": that environment draws the figures
EXISTING = "existing connector"
# The existing connectors: package versions, and package names that differ from the program's.
VERSIONS = {"red-connector-http": "1.0", "red-connector-ssh": "1.3", "red-connector-xnat": "1.0"}
PACKAGES = {"red-connector-xnat-http": "red-connector-xnat"}
MIB = 1 << 20
GIB = 1 << 30
FILES, FAR_FILES, FILE_SIZE = 1000, 200, 4096
DELAY = 0.025  # seconds each way
PARALLEL = 8  # the default of RED_PARALLEL

Server = TypeVar("Server")


class Goal(NamedTuple):
    """At most ``limit`` times the time of ``reference``."""

    reference: str
    limit: float


class Scenario(NamedTuple):
    """``run`` returns all contenders' results for a number of rounds, by default ``rounds``. ``ours`` is the
    measured connector, ``memory`` its limit for peak memory, in bytes.
    """

    ours: str
    name: str
    title: str
    rounds: int
    run: Callable[["Place", int], list[Result]]
    goals: Sequence[Goal] = ()
    memory: int = 0


class Place:
    """A folder in memory if possible, to exclude the disk. Servers start on first use."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack

    @cached_property
    def nginx(self) -> Nginx:
        server = self._start(start_nginx())
        server.place("small", os.urandom(1024))
        _fill(server.place("large", b""))
        for number in range(FILES):
            server.place(f"files/{number}", os.urandom(FILE_SIZE))
        return server

    @cached_property
    def sshd(self) -> Sshd:
        """With ``large`` (1 GiB) in its log-in directory."""
        server = self._start(start_sshd())
        _fill(server.place("large", b""))
        return server

    @cached_property
    def sftp_only(self) -> Sshd:
        return self._start(start_sshd(sftp_only=True))

    @cached_property
    def xnat(self) -> Xnat:
        return self._start(start_xnat())

    def _start(self, server: AbstractContextManager[Server]) -> Server:
        return self._stack.enter_context(server)

    def fresh(self) -> Path:
        return emptied(self.folder / "target")

    def document(self, name: str, content: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path


@contextmanager
def place() -> Iterator[Place]:
    with ExitStack() as stack:
        memory = Path("/dev/shm")
        if memory.is_dir() and shutil.disk_usage(memory).free > 5 * GIB:
            tempfile.tempdir = str(memory)
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="red-bench-"))
        yield Place(Path(folder), stack)


def _fill(path: Path) -> None:
    with open(path, "wb") as file:
        block = os.urandom(MIB)
        for _ in range(GIB // MIB):
            file.write(block)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def existing(executable: str) -> Path:
    """The existing connector from PyPI, in its own virtual environment; installed once and kept."""
    environment = CACHE / executable
    program = environment / "bin" / executable
    if not program.exists():
        shutil.rmtree(environment, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        # setuptools: its jsonschema needs pkg_resources, which Python no longer includes.
        package = PACKAGES.get(executable, executable)
        packages = [f"{package}=={VERSIONS[package]}", "setuptools<81"]
        python = str(environment / "bin" / "python")
        subprocess.run(
            [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *packages], check=True
        )
    return program


def ours(executable: str, *arguments: object, env: Mapping[str, str] | None = None) -> Contender:
    return theirs(executable, CHECKOUT / "bin" / executable, *arguments, env=env)


def theirs(name: str, *line: object, most: int = 0, env: Mapping[str, str] | None = None) -> Contender:
    """A contender that runs ``line``; ``{target}`` is the folder, ``env`` is added to a clean one."""
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    clean = {"PATH": path, "LANG": "C.UTF-8", "HOME": "/nonexistent"}
    words = [str(word) for word in line]
    return Contender(
        name,
        lambda target: [word.replace("{target}", str(target)) for word in words],
        clean | dict(env or {}),
        most,
    )


def is_file(size: int, name: str = "file") -> Callable[[Path], None]:
    """Checks for side_by_side that it is complete."""

    def check(folder: Path) -> None:
        found = (folder / name).stat().st_size
        if found != size:
            raise RuntimeError(f"{found} bytes instead of {size}")

    return check


def is_directory(count: int, name: str = "") -> Callable[[Path], None]:
    """Checks for side_by_side that there are that many files of FILE_SIZE."""

    def check(folder: Path) -> None:
        sizes = [one.stat().st_size for one in (folder / name).iterdir() if one.is_file()]
        if sizes != [FILE_SIZE] * count:
            raise RuntimeError(f"{len(sizes)} files instead of {count}")

    return check
