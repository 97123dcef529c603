"""Both ways with a fake XNAT 25 ms away, compared with the existing connector and xnatpy."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Contender, Result, side_by_side
from bench.place import (
    DELAY,
    EXISTING,
    FAR_FILES,
    FILE_SIZE,
    Goal,
    Place,
    Scenario,
    emptied,
    existing,
    is_directory,
    is_file,
    ours,
    theirs,
)
from tests.servers import delay
from tests.servers.xnat import User, Xnat

OURS, XNATPY = "red-connector-xnat-http", "xnatpy"
SCAN = "P/S/E/scans/1"
# The existing connector and xnatpy encode passwords in Latin 1.
NAME, PASSWORD = "client", "correct-horse"

# A typical script, following xnatpy's documentation.
SCRIPT = """
import sys
import xnat

url, verb, local = sys.argv[1:]
with xnat.connect(url, user="client", password="correct-horse", loglevel="ERROR") as site:
    scan = site.projects["P"].subjects["S"].experiments["E"].scans["1"]
    if verb == "send-file":
        scan.create_resource("R").upload(local, "0", verbose=False)
    elif verb == "send-dir":
        scan.create_resource("R").upload_dir(local)
    elif verb == "receive-file":
        scan.resources["R"].files["0"].download(local, verbose=False)
    else:
        scan.resources["R"].download_dir(local, verbose=False)
"""


class Door:
    """The site, seen from a distance."""

    def __init__(self, here: Place, site: Xnat, port: int) -> None:
        self.here = here
        self.site = site
        self.url = f"http://127.0.0.1:{port}"

    def document(self, name: str, **fields: Any) -> Path:
        project, subject, session, kind, container = SCAN.split("/")
        where = {"project": project, "subject": subject, "session": session, "containerType": kind}
        auth = {"username": NAME, "password": PASSWORD}
        rest = {"container": container, "resource": "R", "auth": auth, **fields}
        return self.here.document(name, {"baseUrl": self.url, **where, **rest})

    def asked(self) -> int:
        """Number of requests so far."""
        return len(self.site.seen)

    def one_by_one(self, verb: str, local: str, count: int) -> Contender:
        """The existing connector, which moves one file per call."""
        program = existing(OURS)
        calls = [
            shlex.join([str(program), verb, str(self.document(f"{number}.json", file=str(number)))])
            + f' "$0/{number}"'
            for number in range(count)
        ]
        return theirs(EXISTING, "sh", "-ec", "\n".join(calls), local, most=0 if count == 1 else 1)

    def xnatpy(self, verb: str, local: str) -> Contender:
        from tests.support import venvs  # it imports pytest, and thus 7 MiB: see measure.once

        python = venvs.installed("xnat") / "python"
        return theirs(XNATPY, python, "-c", SCRIPT, self.url, verb, local)


@contextmanager
def opened(here: Place) -> Iterator[Door]:
    site = here.xnat
    site.users[NAME] = User(NAME, PASSWORD)
    site.make(SCAN)
    with delay.start(site.port, DELAY, handshake=True) as relay:
        yield Door(here, site, relay.port)


def _receive(count: int) -> Callable[[Place, int], list[Result]]:
    """All files of the resource; a single one by receive-file."""

    def run(here: Place, rounds: int) -> list[Result]:
        with opened(here) as door:
            empty(door.site)
            for number in range(count):
                door.site.place(SCAN, "R", str(number), os.urandom(FILE_SIZE))
            if count == 1:
                verb, local, document = "receive-file", "{target}/0", door.document("in.json", file="0")
            else:
                verb, local, document = "receive-dir", "{target}", door.document("in.json")
            contenders = [
                ours(OURS, verb, document, local),
                door.one_by_one("receive-file", "{target}", count),
                door.xnatpy(verb, local),
            ]
            return side_by_side(contenders, rounds, here.fresh, _has(count), door.asked)

    return run


def _has(count: int) -> Callable[[Path], None]:
    """Checks that all files have arrived; xnatpy puts them into a subfolder."""

    def check(folder: Path) -> None:
        if count == 1:
            is_file(FILE_SIZE, "0")(folder)
            return
        deepest = next(Path(one) for one, _, names in os.walk(folder) if names)
        is_directory(count)(deepest)

    return check


def _send(count: int) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with opened(here) as door:
            near = emptied(here.folder / "near")
            for number in range(count):
                (near / str(number)).write_bytes(os.urandom(FILE_SIZE))
            if count == 1:
                verb, local, document = "send-file", str(near / "0"), door.document("out.json", file="0")
            else:
                verb, local, document = "send-dir", str(near), door.document("out.json")
            contenders = [
                ours(OURS, verb, document, local),
                door.one_by_one("send-file", str(near), count),
                door.xnatpy(verb, local),
            ]

            def fresh() -> Path:
                empty(door.site)
                return here.fresh()

            def check(_: Path) -> None:
                found = len(door.site.tree(SCAN, "R"))
                if found != count:
                    raise RuntimeError(f"{found} files instead of {count}")

            return side_by_side(contenders, rounds, fresh, check, door.asked)

    return run


def empty(site: Xnat) -> None:
    node = site.make(SCAN)
    node.resources.clear()


def _scenario(
    name: str, title: str, rounds: int, run: Callable[[Place, int], list[Result]], limit: float = 0
) -> Scenario:
    goals = [Goal(EXISTING, limit)] if limit else []
    return Scenario(OURS, f"xnat-{name}", f"{title}, XNAT, 25 ms", rounds, run, goals)


SCENARIOS: Sequence[Scenario] = (
    _scenario("receive", "4 KiB", 5, _receive(1)),
    _scenario("send", "4 KiB, sent", 5, _send(1), 0.65),
    _scenario("receive-files", f"{FAR_FILES} × 4 KiB", 1, _receive(FAR_FILES), 0.2),
    _scenario("send-files", f"{FAR_FILES} × 4 KiB, sent", 1, _send(FAR_FILES), 0.2),
)
