"""Archives that are unpacked as they arrive are what the standard library says that they are."""

import io
import os
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.archives import unzip
from connectors.errors import DataError, TemporaryFailure
from connectors.xnat.bodies import Archive

MOST = 10 << 20  # bytes
TREES = st.dictionaries(st.text("abcü/", min_size=1, max_size=5), st.binary(max_size=100_000), max_size=5)


class Unseekable(io.RawIOBase):
    """As the output of a server: sizes then stand behind the files."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.written += data  # type: ignore[operator]
        return len(data)  # type: ignore[arg-type]


def packed(
    tree: dict[str, bytes], *, streamed: bool = True, wide: bool = False, stored: bool = False
) -> bytes:
    target = Unseekable() if streamed else io.BytesIO()
    method = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(target, "w", method) as files:
        for name, content in tree.items():
            with files.open(name, "w", force_zip64=wide) as file:
                file.write(content)
    return bytes(target.written if isinstance(target, Unseekable) else target.getvalue())


def unpacked(data: bytes, step: int = 1000) -> dict[str, bytes]:
    blocks: Iterator[bytes] = (data[at : at + step] for at in range(0, len(data), step))
    return {name: b"".join(content) for name, content in unzip.members(blocks, MOST)}


@given(tree=TREES, streamed=st.booleans(), wide=st.booleans(), step=st.integers(50, 70_000))
def test_whatever_is_packed_comes_out(tree: dict[str, bytes], streamed: bool, wide: bool, step: int) -> None:
    assert unpacked(packed(tree, streamed=streamed, wide=wide), step) == tree


@given(tree=TREES)
def test_our_own_archives_can_be_read_from_a_stream_and_by_others(tree: dict[str, bytes]) -> None:
    archive = Archive()
    for name, content in tree.items():
        archive.add(name, content)
    data = archive.finished()
    assert unpacked(data) == tree
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        assert {name: files.read(name) for name in files.namelist()} == tree


def test_contents_need_not_be_read() -> None:
    data = packed({"a": bytes(300_000), "b": b"1", "c": b"2"})
    names = [name for name, _ in unzip.members(iter([data]), MOST)]
    assert names == ["a", "b", "c"]


def test_a_cut_archive_is_temporary_wherever_it_is_cut() -> None:
    data = packed({"a": b"1" * 1000, "b": b"2"})
    for end in range(0, data.index(b"PK\x01\x02") + 3, 7):
        with pytest.raises(TemporaryFailure):
            unpacked(data[:end])


@pytest.mark.parametrize("streamed", [True, False])
def test_a_damaged_archive_is_found_out(streamed: bool) -> None:
    content = bytes(range(256)) * 4
    data = bytearray(packed({"a": content}, streamed=streamed))
    data[200] ^= 0xFF
    with pytest.raises(DataError):
        unpacked(bytes(data))


def test_what_is_longer_than_it_may_be_is_an_error_packed_or_not() -> None:
    for content in (bytes(100_000), os.urandom(100_000)):
        data = packed({"a": content})
        with pytest.raises(DataError, match="far"):
            list(unzip.members(iter([data]), 50_000))
        assert [name for name, _ in unzip.members(iter([data]), 110_000)] == ["a"]


def test_what_is_no_archive_or_of_another_kind_is_an_error() -> None:
    for data in (b"<html>" * 20, packed({"a": b"1"}, stored=True)):
        with pytest.raises(DataError):
            unpacked(data)
