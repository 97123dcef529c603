"""Decorated connectors, each run in its own process.

The command is ``python -m tests.support.decorated DECORATION RECORD EXECUTABLE ARGUMENT…``.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from connectors import cli, registry
from connectors.model import Access, Verb, Version
from connectors.remote import Decorated, Opened, Remote, Sink, Source
from connectors.transfer.job import Job
from connectors.variants.json_only import JsonOnly
from connectors.variants.mock_send import MockSend
from tests.support.program import CHECKOUT, Result, check, command, environment


def sha1(content: bytes = b"") -> Any:
    return hashlib.sha1(content, usedforsecurity=False)


class Record(NamedTuple):
    """The SHA-1 of each recorded file, by remote path, or by local path for inspected files."""

    read: dict[str, str]
    written: dict[str, str]
    inspected: dict[str, str]


class Passing:
    """A Sink or Source that passes everything on; ``seen`` is the SHA-1 of the bytes."""

    def __init__(self, inner: Sink | Source) -> None:
        self.inner: Any = inner
        self.seen = sha1()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class PassingSink(Passing):
    def begin(self, version: Version, offset: int = 0) -> None:
        assert offset == 0, "nothing is here before"
        self.inner.begin(version, offset)
        self.seen = sha1()

    def write(self, data: bytes | memoryview) -> None:
        self.inner.write(data)
        self.seen.update(data)


class PassingSource(Passing):
    def rewind(self) -> None:
        self.inner.rewind()
        self.seen = sha1()

    def read(self, count: int) -> bytes:
        data: bytes = self.inner.read(count)
        self.seen.update(data)
        return data


class Recording(Decorated):
    """Changes nothing; records the bytes."""

    def __init__(self, remote: Remote, record: Record) -> None:
        super().__init__(remote)
        self.record = record

    def read(self, path: str, sink: Sink) -> None:
        passing: Any = PassingSink(sink)
        self.remote.read(path, passing)
        self.record.read[path] = passing.seen.hexdigest()

    def write(self, path: str, source: Source) -> None:
        passing: Any = PassingSource(source)
        self.remote.write(path, passing)
        self.record.written[path] = passing.seen.hexdigest()

    def inspect(self, opened: Opened, name: str) -> None:
        with opened() as file:
            self.record.inspected[name] = sha1(file.read()).hexdigest()
        self.remote.inspect(opened, name)


DECORATIONS: dict[str, Callable[[Remote, Verb, Record], Remote]] = {
    "recording": lambda remote, verb, record: Recording(remote, record),
    "json-only": lambda remote, verb, record: JsonOnly(remote),
    "mock-send": lambda remote, verb, record: MockSend(remote, sends=verb.sends),
}


def run_decorated(decoration: str, executable: str, *arguments: object) -> tuple[Result, Record]:
    """Run to the end: ``decoration`` is one of DECORATIONS, ``arguments`` as for program.command."""
    with tempfile.NamedTemporaryFile("r", prefix="red-test-", suffix=".json") as file:
        words = command(executable, *arguments)[1:]
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-m", __name__, decoration, file.name, executable, *words],
            cwd=CHECKOUT,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        result = Result(done.returncode, done.stdout, done.stderr, time.monotonic() - begun)
        check(result)
        return result, Record(*json.load(file))


def _main(decoration: str, place: str, executable: str, *arguments: str) -> int:
    module: Any = registry.load(executable)
    connect, record = module.connect, Record({}, {}, {})

    @contextmanager
    def decorated(access: Access, verb: Verb, job: Job) -> Iterator[Remote]:
        with connect(access, verb, job) as remote:
            yield DECORATIONS[decoration](remote, verb, record)

    module.connect = decorated
    code = cli.main([executable, *arguments])
    Path(place).write_text(json.dumps(record))
    return code


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
