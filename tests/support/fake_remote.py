"""A data store in memory, to test the engine."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from connectors.model import Entry, Promise, Verb, Version
from connectors.remote import MOST_TOGETHER, SMALL, Arrived, Leaving, Load, ManyAtOnce, Sink, Source
from connectors.settings import Settings
from connectors.transfer import engine
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts

AT_ONCE = Settings(retries=0)


class FakeRemote:
    """Lists ``shown``. Each file's content is its path; ``sent`` and ``made`` record what arrived."""

    presents_password = False
    many: ManyAtOnce | None = None
    file_system = None

    def __init__(self, shown: Iterable[Entry] = ()) -> None:
        self.shown = shown
        self.sent: dict[str, bytes] = {}
        self.made: list[str] = []

    def describe(self, path: str = "") -> str:
        return f"fake://store/{path}"

    def identity(self, path: str) -> str:
        return f"fake://store/{path}"

    def open(self) -> None:
        pass

    def check(self, verb: Verb, path: str) -> None:
        pass

    def inspect(self, *_: object) -> None:
        pass

    def entries(self) -> Iterator[Entry]:
        yield from self.shown

    def read(self, path: str, sink: Sink) -> None:
        sink.begin(Version())
        sink.write(path.encode())

    def write(self, path: str, source: Source) -> None:
        content = b""
        while block := source.read(1 << 16):
            content += block
        self.sent[path] = content

    def make_dir(self, path: str) -> None:
        self.made.append(path)


class TogetherRemote(FakeRemote):
    """The same, moving small files together."""

    most_together = MOST_TOGETHER
    most_packed = SMALL

    def __init__(self, shown: Iterable[Entry] = ()) -> None:
        super().__init__(shown)
        self.many = self

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        yield from files

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        for file in files:
            yield Arrived(file, Version(), file.path.encode())

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        for left in load(files):
            self.sent[left.entry.path] = left.content
            yield left


def files(*paths: str) -> list[Entry]:
    return [Entry(path, is_dir=False) for path in paths]


def receive(remote: Any, target: Path, listing: list[Entry] | None = None, **settings: Any) -> None:
    """receive-dir of everything it lists, or of ``listing``."""
    engine.receive_dir(remote, _job(settings), str(target), Promise(listing))


def send(remote: Any, source: Path, listing: list[Entry] | None = None, **settings: Any) -> None:
    engine.send_dir(remote, _job(settings), str(source), Promise(listing))


def _job(settings: dict[str, Any]) -> Job:
    return Job(AT_ONCE._replace(**settings), Progress(), Receipts(""))
