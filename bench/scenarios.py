"""What is measured, and with what it is compared."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.measure import Contender, Result, side_by_side
from tests.servers import delay, nginx

CHECKOUT = Path(__file__).resolve().parents[1]
CACHE = CHECKOUT / ".cache" / "bench"
OURS, EXISTING, CURL = "red-connector-http", "existing connector", "curl"
MIB = 1 << 20
GIB = 1 << 30
FILES, FAR_FILES, FILE_SIZE = 1000, 200, 4096
DELAY = 0.025


class Goal(NamedTuple):
    """At most ``limit`` times what ``reference`` takes."""

    reference: str
    limit: float


class Scenario(NamedTuple):
    """``run`` gives the results of all contenders, for a number of rounds; ``rounds`` is the usual one."""

    name: str
    title: str
    rounds: int
    run: Callable[["Place", int], list[Result]]
    goal: Goal | None = None


class Place(NamedTuple):
    """Where everything happens: in memory if possible, so that no disk is measured."""

    folder: Path
    server: nginx.Nginx
    existing: Path
    """The executable of the existing connector, in a virtual environment of its own."""

    def fresh(self) -> Path:
        target = self.folder / "target"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        return target

    def document(self, name: str, content: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(content))
        return path


@contextmanager
def place() -> Iterator[Place]:
    """The server with its files, and the existing connector."""
    with ExitStack() as stack:
        memory = Path("/dev/shm")
        if memory.is_dir() and shutil.disk_usage(memory).free > 4 * GIB:
            tempfile.tempdir = str(memory)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="red-bench-")))
        server = stack.enter_context(nginx.start())
        server.place("small", os.urandom(1024))
        with open(server.place("large", b""), "wb") as file:
            block = os.urandom(MIB)
            for _ in range(GIB // MIB):
                file.write(block)
        for number in range(FILES):
            server.place(f"files/{number}", os.urandom(FILE_SIZE))
        yield Place(folder, server, _existing())


def _existing() -> Path:
    """The existing connector from PyPI; installed once, then kept in .cache."""
    program = CACHE / "existing" / "bin" / "red-connector-http"
    if not program.exists():
        shutil.rmtree(CACHE / "existing", ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", CACHE / "existing"], check=True)
        python = CACHE / "existing" / "bin" / "python"
        # setuptools: its jsonschema wants pkg_resources, which Python no longer brings.
        packages = ["red-connector-http==1.0", "setuptools<81"]
        subprocess.run(
            [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check", *packages], check=True
        )
    return program


def _env(**extra: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "LANG": "C.UTF-8", "HOME": "/nonexistent", **extra}


def _ours(*arguments: object, **extra: str) -> Contender:
    line = [CHECKOUT / "bin" / OURS, *arguments]
    return Contender(OURS, lambda target: [_in(word, target) for word in line], _env(**extra))


def _theirs(name: str, *line: object, **extra: str) -> Contender:
    return Contender(name, lambda target: [_in(word, target) for word in line], _env(**extra))


def _in(word: object, target: Path) -> str:
    """A word of the command line, with the target folder filled in."""
    return str(word).replace("{target}", str(target))


def _file(size: int) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        found = (folder / "file").stat().st_size
        if found != size:
            raise RuntimeError(f"{found} bytes instead of {size}")

    return check


def _directory(count: int) -> Callable[[Path], None]:
    def check(folder: Path) -> None:
        sizes = [one.stat().st_size for one in folder.iterdir() if one.is_file()]
        if sizes != [FILE_SIZE] * count:
            raise RuntimeError(f"{len(sizes)} files instead of {count}")

    return check


def _nothing(folder: Path) -> None:
    """There is nothing to be received."""


def _startup(here: Place, rounds: int) -> list[Result]:
    contenders = [
        _ours("cli-version"),
        _theirs(EXISTING, here.existing, "cli-version"),
        _theirs("python3 -I -c pass", sys.executable, "-I", "-c", "pass"),
    ]
    return side_by_side(contenders, rounds, here.fresh, _nothing)


def _validate(here: Place, rounds: int) -> list[Result]:
    access = here.document("access.json", {"url": f"{here.server.plain}/small", "method": "GET"})
    contenders = [
        _ours("receive-file-validate", "--offline", access),
        _theirs(EXISTING, here.existing, "receive-file-validate", access),
    ]
    return side_by_side(contenders, rounds, here.fresh, _nothing)


def _single(name: str, size: int, tls: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        url = f"{here.server.tls if tls else here.server.plain}/{name}"
        ca = here.server.pki.ca
        access = here.document("access.json", {"url": url, "method": "GET"})
        contenders = [
            _ours("receive-file", access, "{target}/file", RED_CA_BUNDLE=str(ca)),
            _theirs(
                EXISTING, here.existing, "receive-file", access, "{target}/file", REQUESTS_CA_BUNDLE=str(ca)
            ),
            _theirs(CURL, "curl", "-sS", "--fail", "--cacert", ca, "-o", "{target}/file", url),
            _theirs("wget", "wget", "-q", "--ca-certificate", ca, "-O", "{target}/file", url),
            _theirs(
                "aria2c", "aria2c", "-q", "--no-conf", f"--ca-certificate={ca}", "--file-allocation=none",
                "-d", "{target}", "-o", "file", url,
            ),
            _theirs("rclone", "rclone", "--config", "", "--ca-cert", ca, "copyurl", url, "{target}/file"),
        ]  # fmt: skip
        return side_by_side(contenders, rounds, here.fresh, _file(size))

    return run


def _many(count: int, delayed: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with delay.start(here.server.ports["plain"], DELAY, handshake=True) as relay:
            port = relay.port if delayed else here.server.ports["plain"]
            return _many_from(here, f"http://127.0.0.1:{port}/files", count, rounds)

    return run


def _many_from(here: Place, url: str, count: int, rounds: int) -> list[Result]:
    names = [str(number) for number in range(count)]
    access = here.document("access.json", {"url": url, "method": "GET"})
    listing = here.document("listing.json", [{"class": "File", "basename": name} for name in names])
    urls = here.folder / "urls"
    urls.write_text("".join(f"{url}/{name}\n" for name in names))
    chosen = here.folder / "names"
    chosen.write_text("".join(f"{name}\n" for name in names))
    parallel = 8  # what RED_PARALLEL is unless it is set
    contenders = [
        _ours("receive-dir", access, "{target}", "--listing", listing),
        _theirs(EXISTING, here.existing, "receive-dir", access, "{target}", "--listing", listing),
        _theirs(
            "curl -Z", "sh", "-c",
            'cd "$1" && sed "s/.*/url=&\\nremote-name/" "$2" | curl -sSZK - --parallel-max "$3"',
            "sh", "{target}", urls, parallel,
        ),
        _theirs("wget", "wget", "-q", "-P", "{target}", "-i", urls),
        _theirs(
            "aria2c", "aria2c", "-q", "--no-conf", "--file-allocation=none", f"-j{parallel}",
            "-d", "{target}", "-i", urls,
        ),
        _theirs(
            "rclone", "rclone", "--config", "", "copy", "--transfers", parallel, "--checkers", parallel,
            "--no-traverse", "--files-from-raw", chosen, f":http,url='{url}/':", "{target}",
        ),
    ]  # fmt: skip
    return side_by_side(contenders, rounds, here.fresh, _directory(count))


SCENARIOS: Sequence[Scenario] = (
    Scenario("startup", "cli-version", 20, _startup, Goal(EXISTING, 0.25)),
    Scenario("validate", "receive-file-validate --offline", 15, _validate, Goal(EXISTING, 0.6)),
    Scenario("small", "1 KiB", 10, _single("small", 1024)),
    Scenario("http", "1 GiB, http", 5, _single("large", GIB), Goal(CURL, 1.1)),
    Scenario("https", "1 GiB, https", 5, _single("large", GIB, tls=True), Goal(CURL, 1.1)),
    Scenario("files", "1000 × 4 KiB by listing", 7, _many(FILES), Goal(EXISTING, 0.35)),
    Scenario("distant", "200 × 4 KiB, 25 ms away", 3, _many(FAR_FILES, delayed=True), Goal(EXISTING, 0.12)),
)
MEMORY_LIMIT = 60 * MIB  # bytes, of the scenario http


def tools() -> Mapping[str, str]:
    """The versions of what is compared."""
    commands = {
        "Python": [sys.executable, "--version"],
        "nginx": [shutil.which("nginx", path="/usr/sbin:/usr/bin") or "nginx", "-v"],
        "curl": ["curl", "--version"],
        "wget": ["wget", "--version"],
        "aria2c": ["aria2c", "--version"],
        "rclone": ["rclone", "--config", "", "version"],
    }
    versions = {}
    for name, command in commands.items():
        text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        words = text.splitlines()[0].replace("/", " ").split()
        versions[name] = next((word.lstrip("v") for word in words if word.lstrip("v")[:1].isdigit()), "?")
    return versions
