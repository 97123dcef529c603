"""Directories of unusual size and depth, and what is left when nothing arrives."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from connectors.errors import Exit, NotFound, ProtocolViolation, RedError, SeveralFailures, TemporaryFailure
from connectors.model import Entry
from connectors.remote import Arrived, Sink, Source
from connectors.transfer import engine, inventory
from tests.support.fake_remote import FakeRemote, TogetherRemote, files, receive, send
from tests.support.program import CHECKOUT
from tests.support.trees import read

DEEP = 1000
REMOTES = pytest.mark.parametrize("remote", [FakeRemote, TogetherRemote])


def endless() -> Iterator[Entry]:
    number = 0
    while True:
        number += 1
        yield Entry(f"f{number}", is_dir=False)


def deep(levels: int) -> list[Entry]:
    """Folders inside each other, a file in each."""
    paths = ["d/" * level for level in range(levels + 1)]
    return [*(Entry(path[:-1], True) for path in paths[1:]), *files(*(f"{path}f" for path in paths))]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "place").mkdir()
    yield tmp_path / "place"
    subprocess.run(
        ["rm", "-rf", tmp_path / "place"], check=True
    )  # shutil.rmtree calls itself for each folder


# --- without end ---


def test_an_endless_directory_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ProtocolViolation, match="more than 1,000 files") as caught:
        receive(FakeRemote(endless()), tmp_path / "x", max_entries=1000)
    assert "RED_MAX_ENTRIES" in caught.value.hint
    assert os.listdir(tmp_path) == []


def test_endless_names_of_part_files_are_an_error_too(tmp_path: Path) -> None:
    parts = (Entry(f".{number}.red-part", False) for number in range(10**9))
    with pytest.raises(ProtocolViolation, match="more than 1,000 files"):
        receive(FakeRemote(parts), tmp_path, max_entries=1000)


def test_as_many_as_are_allowed_are_received(tmp_path: Path) -> None:
    receive(TogetherRemote(files(*(f"f{number}" for number in range(1000)))), tmp_path, max_entries=1000)
    assert len(os.listdir(tmp_path)) == 1000


MEASURE = """
import sys
from pathlib import Path
from connectors.remote import Entry
from connectors.transfer import engine, inventory
from tests.support import fake_remote
class Forgetful(fake_remote.TogetherRemote):
    def write_small(self, files, load):
        for left in load(files):
            yield left._replace(content=b"")
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) >> 10
verb, target = sys.argv[1], Path(sys.argv[2])
shown = (Entry(f"{n // 500:03}/{n:09}-with-a-name-of-usual-length.csv", False) for n in range(30_000))
inventory.IN_MEMORY = inventory.MOST_TOGETHER = engine.MOST_TOGETHER = Forgetful.most_together = 1000
base = peak()
getattr(fake_remote, verb)(Forgetful(shown), target)
print(peak() - base)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    for verb in ("receive", "send"):
        command = [sys.executable, "-c", MEASURE, verb, tmp_path]
        result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=300)
        assert result.returncode == 0, result.stderr
        assert int(result.stdout) <= 11, f"MiB, {verb}"


# --- more than fit into memory ---


@pytest.fixture
def chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few entries are dealt with at once."""
    monkeypatch.setattr(inventory, "IN_MEMORY", 4)
    for module in (inventory, engine):
        monkeypatch.setattr(module, "MOST_TOGETHER", 3)
    monkeypatch.setattr(TogetherRemote, "most_together", 3)


@REMOTES
@pytest.mark.usefixtures("chunked")
def test_a_large_directory_arrives_whole_and_is_sent_whole(tmp_path: Path, remote: type[FakeRemote]) -> None:
    paths = [f"{number % 4}/{number % 3}/f{number}" for number in range(40)]
    shown = [Entry("empty", True), Entry("0/e", True), *files(*paths)]
    tree = {path: path.encode() for path in paths}
    for _ in range(2):
        receive(remote(shown), tmp_path / "x")
        assert read(tmp_path / "x") == tree
        assert (tmp_path / "x" / "0" / "e").is_dir()
    far = remote()
    send(far, tmp_path / "x")
    assert far.sent == tree
    assert sorted(far.made) == ["0/e", "empty"]


@pytest.mark.usefixtures("chunked")
def test_a_remote_sets_how_many_files_are_transferred_together(tmp_path: Path) -> None:
    calls = []

    class Counting(TogetherRemote):
        def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
            calls.append(len(files))
            return super().read_small(files)

    remote = Counting(files(*(f"f{number:02}" for number in range(10))))
    receive(remote, tmp_path / "x")
    remote.most_together = 100
    receive(remote, tmp_path / "y")
    assert calls == [3, 3, 3, 10]


@pytest.mark.usefixtures("chunked")
def test_all_failures_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    class Failing(FakeRemote):
        def read(self, path: str, sink: Sink) -> None:
            if path.endswith("0"):
                return super().read(path, sink)
            raise NotFound(f"no {path}")

    with pytest.raises(SeveralFailures) as caught:
        receive(Failing(files(*(f"f{number:02}" for number in range(50)))), tmp_path)
    assert caught.value.summary == "45 of 50 files were not received"
    assert caught.value.parts[0] == "no f01"
    assert len(caught.value.parts) == 21
    assert caught.value.parts[-1] == "and 25 more"
    assert len(os.listdir(tmp_path)) == 5


def test_a_late_permanent_failure_sets_the_exit_code(tmp_path: Path) -> None:
    class Failing(FakeRemote):
        def read(self, path: str, sink: Sink) -> None:
            raise NotFound("gone") if path == "f60" else TemporaryFailure(f"busy: {path}")

    with pytest.raises(SeveralFailures) as caught:
        receive(Failing(files(*(f"f{number}" for number in range(10, 70)))), tmp_path, parallel=256)
    assert caught.value.code == Exit.NOINPUT
    assert "gone" in caught.value.parts


@pytest.mark.usefixtures("chunked")
def test_the_rest_of_a_large_directory_is_not_tried_when_every_file_fails(tmp_path: Path) -> None:
    tried = []

    class Down(FakeRemote):
        def read(self, path: str, sink: Sink) -> None:
            tried.append(path)
            raise TemporaryFailure("down")

        def write(self, path: str, source: Source) -> None:
            tried.append(path)
            raise TemporaryFailure("down")

    with pytest.raises(SeveralFailures, match="not tried") as caught:
        receive(Down(files(*(f"f{number}" for number in range(1000)))), tmp_path, parallel=1)
    assert caught.value.code == Exit.TEMPFAIL
    assert "and 992 not tried" in caught.value.summary
    assert len(tried) == 8
    for number in range(50):
        (tmp_path / f"f{number}").write_bytes(b"")
    with pytest.raises(SeveralFailures, match="and 42 not tried"):
        send(Down(), tmp_path, parallel=1)


# --- deep ---


@pytest.mark.slow
@REMOTES
def test_folders_1000_levels_deep_arrive_and_are_sent(place: Path, remote: type[FakeRemote]) -> None:
    shown = deep(DEEP)
    for _ in range(2):
        receive(remote(shown), place)
    far = remote()
    send(far, place)
    assert far.sent == {entry.path: entry.path.encode() for entry in shown if not entry.is_dir}


@pytest.mark.slow
def test_a_listing_1000_levels_deep_is_received_and_sent(place: Path) -> None:
    listing = deep(DEEP)
    receive(FakeRemote(), place, listing)
    far = FakeRemote()
    send(far, place, listing)
    assert len(far.sent) == DEEP + 1


# --- nothing arrives ---


def test_a_directory_that_cannot_be_listed_is_never_an_empty_one(tmp_path: Path) -> None:
    class Broken(FakeRemote):
        def entries(self) -> Iterator[Entry]:
            yield Entry("a", False)
            raise TemporaryFailure("cut short")

    (tmp_path / "there").mkdir()
    for folder in ("there", "new"):
        with pytest.raises(RedError, match="cut short"):
            receive(Broken(), tmp_path / folder)
    assert os.listdir(tmp_path) == ["there"]
    assert os.listdir(tmp_path / "there") == []


def test_a_listing_that_is_cut_short_is_read_again_from_its_start(tmp_path: Path) -> None:
    class Cut(FakeRemote):
        times = 0

        def entries(self) -> Iterator[Entry]:
            self.times += 1
            yield Entry("a", False)
            yield Entry("gone" if self.times == 1 else "b", False)
            if self.times == 1:
                raise TemporaryFailure("cut short", retry_after=0)

    receive(Cut(), tmp_path, retries=1)
    assert read(tmp_path) == {"a": b"a", "b": b"b"}


@REMOTES
def test_no_new_folder_stays_if_nothing_arrives(tmp_path: Path, remote: type[FakeRemote]) -> None:
    class Failing(remote):  # type: ignore[misc, valid-type]
        def read(self, path: str, sink: Sink) -> None:
            raise NotFound(f"no {path}")

        def read_small(self, files: object) -> Iterator[object]:
            yield from ()

    (tmp_path / "there" / "a").mkdir(parents=True)
    shown = [Entry("a", True), *files("a/b/c", "d/e/f", "g")]
    for folder in ("there", "new"):
        with pytest.raises(RedError):
            receive(Failing(shown), tmp_path / folder)
    assert sorted(str(one.relative_to(tmp_path)) for one in tmp_path.rglob("*")) == ["there", "there/a"]


def test_requested_folders_stay_if_something_arrived(tmp_path: Path) -> None:
    class Failing(FakeRemote):
        def read(self, path: str, sink: Sink) -> None:
            if path != "good":
                raise NotFound(f"no {path}")
            super().read(path, sink)

    with pytest.raises(RedError):
        receive(Failing([Entry("empty", True), *files("bad", "good")]), tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["empty", "good"]
