"""Connector calls to a misbehaving server: each must end in time, and leave nothing partial."""

import gc
import json
import os
import random
import signal
import stat
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from connectors import cli
from connectors.errors import Exit
from tests.servers.sftp_fault import Answers, HangUp, Request, SftpFault, Silence
from tests.support.far import SSH, build, snapshot
from tests.support.program import Result, check

BODY = random.Random(1).randbytes(1 << 20)
MIB = 1 << 20
FILE = stat.S_IFREG | 0o644
FOLDER = stat.S_IFDIR | 0o755
WHOLE = {b"f%d" % number: b"content %d" % number for number in range(3)}
PATIENCE = 0.5  # seconds
IN_TIME = 6 * PATIENCE
SENSIBLE = {Exit.DATAERR, Exit.NOINPUT, Exit.CANTCREAT, Exit.TEMPFAIL, Exit.PROTOCOL, Exit.NOPERM}
Answer = Callable[[Request], Answers]


class Caller:
    """Calls the connector in this process, for speed; each call must end in time, with a message."""

    def __init__(self, server: SftpFault, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.server = server
        self.folder = folder
        self.target = folder / "target"
        self.source = folder / "source"
        self.said = ""
        self._capture = capture

    def call(self, verb: str, path: dict[str, str], *local: Path, retries: int = 0) -> int:
        (self.folder / "access.json").write_text(json.dumps(self.server.access(**path)))
        self._capture.readouterr()
        before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
        begun = time.monotonic()
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("RED_TIMEOUT", str(PATIENCE))
                patch.setenv("RED_RETRIES", str(retries))
                words = [SSH, verb, str(self.folder / "access.json"), *map(str, local)]
                code = cli.main(words)
        finally:
            gc.unfreeze()
            for one, handler in before.items():
                signal.signal(one, handler)
        seconds = time.monotonic() - begun
        out, self.said = self._capture.readouterr()
        check(Result(code, out, self.said, seconds), [])
        assert "\x1b" not in self.said
        assert seconds < IN_TIME + 3 * retries
        return code

    def receive(self, retries: int = 0) -> int:
        """Receive a file; if it exists afterwards, it is whole."""
        code = self.call("receive-file", {"filePath": "/data/file"}, self.target, retries=retries)
        there = self.target.read_bytes() if self.target.exists() else b""
        assert there == (bytes(self.server.files[b"/data/file"]) if code == 0 else b"")
        return code

    def receive_dir(self, retries: int = 0) -> int:
        """Receive a directory; all files are whole, and nothing else was created."""
        code = self.call("receive-dir", {"dirPath": "/data/d"}, self.target, retries=retries)
        visible = {path for path in snapshot(self.folder) if b"/." not in path and path[:1] != b"."}
        assert visible <= {b"access.json", b"target", *(b"target/" + name for name in WHOLE)}
        assert all((self.target / os.fsdecode(path[7:])).read_bytes() for path in visible if b"/" in path)
        return code

    def send(self, content: bytes = BODY[:100_000], retries: int = 0) -> int:
        """Send a new file; if it exists afterwards, it is whole."""
        self.source.write_bytes(content)
        code = self.call("send-file", {"filePath": "/data/new"}, self.source, retries=retries)
        assert self.server.files.get(b"/data/new") == (content if code == 0 else None)
        return code

    def send_dir(self, retries: int = 0) -> int:
        source = build(self.folder / "tree", dict(WHOLE))
        code = self.call("send-dir", {"dirPath": "/data/to"}, source, retries=retries)
        there = {
            name[9:]: bytes(here) for name, here in self.server.files.items() if name.startswith(b"/data/to/")
        }
        visible = {name: here for name, here in there.items() if not name.startswith(b".")}
        assert visible == WHOLE if code == 0 else visible.items() <= WHOLE.items()
        return code


def to(kind: int, answer: Answer, after: int = 0, times: int = 1 << 30) -> Answer:
    """A fault: give ``answer`` to requests of that kind, after the first ``after``, ``times`` times."""
    seen = count()

    def fault(request: Request) -> Answers:
        return answer(request) if request.kind == kind and after <= next(seen) < after + times else None

    return fault


def hang_up(request: Request) -> Answers:
    raise HangUp


def fall_silent(request: Request) -> Answers:
    raise Silence
