"""Local files that are sent: what they hold is what their size says, or they do not leave."""

import os
from functools import partial
from pathlib import Path

import pytest

from connectors.errors import DataError, NotFound, RedError
from connectors.settings import Settings
from connectors.transfer.departure import Departure, open_file
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts

JOB = Job(Settings(), Progress(), Receipts(""))


def leaving(source: Path, size: int | None = None) -> Departure:
    return Departure(str(source), JOB, partial(open_file, str(source)), promised_size=size)


def sent(source: Path) -> bytes:
    with leaving(source) as departure:
        departure.rewind()
        blocks = []
        while block := departure.read(4):
            blocks.append(block)
        return b"".join(blocks)


def test_a_file_is_sent_unchanged(tmp_path: Path) -> None:
    for content in (b"", b"x", b"12345678", b"123456789"):
        (tmp_path / "f").write_bytes(content)
        assert sent(tmp_path / "f") == content


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("/proc/version", "its size is 0 bytes, but it contains more"),
        ("/sys/kernel/mm/transparent_hugepage/enabled", r"its size is 4096 bytes, but it ends after \d+"),
    ],
)
def test_a_file_without_a_usable_size_is_refused(source: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        sent(Path(source))


def test_bytes_beyond_the_size_are_found_even_if_no_time_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f").write_bytes(b"12345678")
    with leaving(tmp_path / "f") as departure:
        departure.rewind()
        assert departure.read(4) == b"1234"
        before = os.stat(tmp_path / "f")
        with open(tmp_path / "f", "ab") as file:
            file.write(b"9")
        monkeypatch.setattr(os, "fstat", lambda _: before)
        with pytest.raises(DataError, match="it contains more"):
            departure.read(4)


@pytest.mark.parametrize("kind", ["fifo", "folder", "/dev/zero", "link to a folder"])
def test_anything_but_a_regular_file_is_refused_without_blocking(tmp_path: Path, kind: str) -> None:
    source = tmp_path / "f"
    if kind == "fifo":
        os.mkfifo(source)
    elif kind == "folder":
        source.mkdir()
    else:
        source.symlink_to(tmp_path if kind.startswith("link") else kind)
    with pytest.raises(NotFound, match="cannot send"):
        sent(source)


def test_a_fifo_that_replaced_a_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    opener = partial(os.open, tmp_path / "f", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(NotFound, match="not a regular file"), Departure("f", JOB, opener):
        pass


def test_a_file_that_is_refused_does_not_stay_open(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"12345678")
    before = os.listdir("/proc/self/fd")
    with pytest.raises(DataError, match="expected 9 bytes"), leaving(tmp_path / "f", size=9):
        pass
    assert os.listdir("/proc/self/fd") == before


def test_a_folder_moved_before_the_part_file_is_named_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "f").write_bytes(b"x")
    with leaving(tmp_path / "d" / "f") as departure:
        (tmp_path / "d").rename(tmp_path / "away")
        with pytest.raises(RedError, match="cannot read"):
            departure.staging_name("f")
