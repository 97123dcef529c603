"""What each speed trick gains: the same connector with the trick on and off, in turn."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import ssh, xnat
from bench.measure import Contender, Result, side_by_side
from bench.place import (
    CHECKOUT,
    DELAY,
    FAR_FILES,
    FILE_SIZE,
    FILES,
    GIB,
    Place,
    Scenario,
    emptied,
    is_directory,
    is_file,
    theirs,
)
from tests.servers import delay

ON, OFF = "on", "off"
LEAST = 1.3
"""The gain that justifies a trick, in at least one scenario."""

Line = Sequence[object]


def _both(
    trick: str, executable: str, *line: object, env: Mapping[str, str] | None = None
) -> list[Contender]:
    with_path = {"PYTHONPATH": str(CHECKOUT), **(env or {})}
    return [
        theirs(
            state, sys.executable, "-P", "-m", "bench.without", trick, state, executable, *line, env=with_path
        )
        for state in (ON, OFF)
    ]


def _check_offline(here: Place, rounds: int) -> list[Result]:
    access = here.document("access.json", {"url": f"{here.nginx.plain}/small", "method": "GET"})
    line = ["receive-file-validate", "--offline", access]
    return side_by_side(_both("imports", "red-connector-http", *line), rounds, here.fresh, lambda _: None)


def _receive_http(here: Place, rounds: int) -> list[Result]:
    with delay.start(here.nginx.ports["plain"], DELAY, handshake=True) as relay:
        access = here.document("access.json", {"url": f"http://127.0.0.1:{relay.port}/files"})
        names = [{"class": "File", "basename": str(number)} for number in range(FAR_FILES)]
        line = ["receive-dir", access, "{target}", "--listing", here.document("listing.json", names)]
        return side_by_side(
            _both("reuse", "red-connector-http", *line), rounds, here.fresh, is_directory(FAR_FILES)
        )


def _receive_large(here: Place, rounds: int) -> list[Result]:
    with ssh.entered(here, here.sshd) as entrance:
        line = ["receive-file", entrance.document(filePath=here.sshd.remote("large")), "{target}/large"]
        contenders = _both("packets", ssh.OURS, *line, env=entrance.known())
        return side_by_side(contenders, rounds, here.fresh, is_file(GIB, "large"))


def _receive_files(trick: str, count: int, delayed: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with ssh.entered(here, here.sshd, delayed) as entrance:
            name = f"files-{count}"
            for number in range(count):
                here.sshd.place(f"{name}/{number}", os.urandom(FILE_SIZE))
            line = ["receive-dir", entrance.document(dirPath=here.sshd.remote(name)), f"{{target}}/{name}"]
            contenders = _both(trick, ssh.OURS, *line, env=entrance.known())
            return side_by_side(contenders, rounds, here.fresh, is_directory(count, name))

    return run


def _send_files(trick: str, count: int) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with ssh.entered(here, here.sshd) as entrance:
            near, far = ssh.source(here, count), here.sshd.remote("target")
            line = ["send-dir", entrance.document(dirPath=f"{far}/{near.name}"), near]
            contenders = _both(trick, ssh.OURS, *line, env=entrance.known())
            check = is_directory(count, near.name)
            return side_by_side(contenders, rounds, lambda: ssh.far_target(here.sshd), check)

    return run


def _send_to_xnat(here: Place, rounds: int) -> list[Result]:
    with xnat.opened(here) as door:
        near = emptied(here.folder / "near")
        for number in range(FAR_FILES):
            (near / str(number)).write_bytes(os.urandom(FILE_SIZE))

        def fresh() -> Path:
            xnat.empty(door.site)
            return here.fresh()

        def check(_: Path) -> None:
            if len(door.site.tree(xnat.SCAN, "R")) != FAR_FILES:
                raise RuntimeError("not all files are there")

        line = ["send-dir", door.document("out.json"), near]
        return side_by_side(_both("together-xnat", xnat.OURS, *line), rounds, fresh, check)


def _scenario(
    trick: str, name: str, title: str, rounds: int, run: Callable[[Place, int], list[Result]]
) -> Scenario:
    return Scenario(ON, f"without-{name}", f"{trick} | {title}", rounds, run)


SCENARIOS: Sequence[Scenario] = (
    _scenario("lean imports", "imports", "receive-file-validate --offline", 9, _check_offline),
    _scenario("connection reuse", "reuse", f"{FAR_FILES} × 4 KiB, http, 25 ms away", 3, _receive_http),
    _scenario("fast packets", "packets", "1 GiB, ssh", 3, _receive_large),
    _scenario(
        "pipelined SFTP", "pipelining", f"{FAR_FILES} × 4 KiB, ssh, 25 ms away", 2,
        _receive_files("pipelining", FAR_FILES, delayed=True),
    ),
    _scenario(
        "find and tar, receiving", "shell-receiving", "10,000 × 4 KiB, ssh", 3,
        _receive_files("shell-receiving", ssh.MANY),
    ),
    _scenario(
        "tar, sending", "shell-sending", "10,000 × 4 KiB, ssh, sent", 3,
        _send_files("shell-sending", ssh.MANY),
    ),
    _scenario(
        "small files together", "together-ssh", f"{FILES} × 4 KiB, ssh", 3,
        _receive_files("together-ssh", FILES),
    ),
    _scenario(
        "small files in one archive", "together-xnat", f"{FAR_FILES} × 4 KiB, sent, XNAT, 25 ms", 2,
        _send_to_xnat,
    ),
)  # fmt: skip
