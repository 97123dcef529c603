"""Receiving over HTTP, compared with curl, wget, aria2c, rclone and the existing connector."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measure import Result, side_by_side
from bench.place import (
    DELAY,
    EXISTING,
    FAR_FILES,
    FILES,
    GIB,
    MIB,
    PARALLEL,
    Goal,
    Place,
    Scenario,
    existing,
    is_directory,
    is_file,
    ours,
    theirs,
)
from tests.servers import delay

OURS, CURL = "red-connector-http", "curl"


def _nothing(folder: Path) -> None:
    """There is nothing to be received."""


def _startup(here: Place, rounds: int) -> list[Result]:
    contenders = [
        ours(OURS, "cli-version"),
        theirs(EXISTING, existing(OURS), "cli-version"),
        theirs("python3 -I -c pass", sys.executable, "-I", "-c", "pass"),
    ]
    return side_by_side(contenders, rounds, here.fresh, _nothing)


def _validate(here: Place, rounds: int) -> list[Result]:
    access = here.document("access.json", {"url": f"{here.nginx.plain}/small", "method": "GET"})
    contenders = [
        ours(OURS, "receive-file-validate", "--offline", access),
        theirs(EXISTING, existing(OURS), "receive-file-validate", access),
    ]
    return side_by_side(contenders, rounds, here.fresh, _nothing)


def _single(name: str, size: int, tls: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        url = f"{here.nginx.tls if tls else here.nginx.plain}/{name}"
        ca = here.nginx.pki.ca
        access = here.document("access.json", {"url": url, "method": "GET"})
        line = ["receive-file", access, "{target}/file"]
        few = 0 if size < MIB else 2
        contenders = [
            ours(OURS, *line, env={"RED_CA_BUNDLE": str(ca)}),
            theirs(EXISTING, existing(OURS), *line, most=few, env={"REQUESTS_CA_BUNDLE": str(ca)}),
            theirs(CURL, "curl", "-sS", "--fail", "--cacert", ca, "-o", "{target}/file", url),
            theirs("wget", "wget", "-q", "--ca-certificate", ca, "-O", "{target}/file", url),
            theirs(
                "aria2c", "aria2c", "-q", "--no-conf", f"--ca-certificate={ca}", "--file-allocation=none",
                "-d", "{target}", "-o", "file", url,
            ),
            theirs("rclone", "rclone", "--config", "", "--ca-cert", ca, "copyurl", url, "{target}/file"),
        ]  # fmt: skip
        return side_by_side(contenders, rounds, here.fresh, is_file(size))

    return run


def _many(count: int, delayed: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with delay.start(here.nginx.ports["plain"], DELAY, handshake=True) as relay:
            port = relay.port if delayed else here.nginx.ports["plain"]
            return _many_from(here, f"http://127.0.0.1:{port}/files", count, rounds, delayed)

    return run


def _many_from(here: Place, url: str, count: int, rounds: int, delayed: bool) -> list[Result]:
    names = [str(number) for number in range(count)]
    access = here.document("access.json", {"url": url, "method": "GET"})
    listing = here.document("listing.json", [{"class": "File", "basename": name} for name in names])
    urls = here.folder / "urls"
    urls.write_text("".join(f"{url}/{name}\n" for name in names))
    chosen = here.folder / "names"
    chosen.write_text("".join(f"{name}\n" for name in names))
    line = ["receive-dir", access, "{target}", "--listing", listing]
    contenders = [
        ours(OURS, *line),
        theirs(EXISTING, existing(OURS), *line, most=1 if delayed else 0),
        theirs(
            "curl -Z", "sh", "-c",
            'cd "$1" && sed "s/.*/url=&\\nremote-name/" "$2" | curl -sSZK - --parallel-max "$3"',
            "sh", "{target}", urls, PARALLEL,
        ),
        theirs("wget", "wget", "-q", "-P", "{target}", "-i", urls, most=1 if delayed else 0),
        theirs(
            "aria2c", "aria2c", "-q", "--no-conf", "--file-allocation=none", f"-j{PARALLEL}",
            "-d", "{target}", "-i", urls,
        ),
        theirs(
            "rclone", "rclone", "--config", "", "copy", "--transfers", PARALLEL, "--checkers", PARALLEL,
            "--no-traverse", "--files-from-raw", chosen, f":http,url='{url}/':", "{target}",
        ),
    ]  # fmt: skip
    return side_by_side(contenders, rounds, here.fresh, is_directory(count))


_FAR = _many(FAR_FILES, delayed=True)

SCENARIOS: Sequence[Scenario] = (
    Scenario(OURS, "startup", "cli-version", 20, _startup, [Goal(EXISTING, 0.25)]),
    Scenario(OURS, "validate", "receive-file-validate --offline", 15, _validate, [Goal(EXISTING, 0.6)]),
    Scenario(OURS, "small", "1 KiB", 10, _single("small", 1024)),
    Scenario(OURS, "http", "1 GiB, http", 5, _single("large", GIB), [Goal(CURL, 1.1)], 60 * MIB),
    Scenario(OURS, "https", "1 GiB, https", 5, _single("large", GIB, tls=True), [Goal(CURL, 1.1)]),
    Scenario(OURS, "files", "1000 × 4 KiB by listing", 7, _many(FILES), [Goal(EXISTING, 0.35)]),
    Scenario(OURS, "distant", "200 × 4 KiB, 25 ms away", 3, _FAR, [Goal(EXISTING, 0.12)]),
)
