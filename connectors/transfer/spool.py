"""Entries on disk, in an SQLite file that is unlinked as soon as it is open, so nothing is left behind."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from connectors import checksum as checksums
from connectors.errors import LocalIOError
from connectors.local.files import creating
from connectors.local.names import hidden_name
from connectors.model import Checksum, Entry, Version

CACHE_KIB = 4096
MOST_INTEGER = (1 << 63) - 1  # SQLite's largest integer
SETTINGS = ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY", f"cache_size = -{CACHE_KIB}")
TABLE = """
    CREATE TABLE entries (
        key BLOB, path BLOB, is_dir, size, checksum,
        validator BLOB, whole_size, checksums, executable,
        PRIMARY KEY (key, path, is_dir)
    ) WITHOUT ROWID
"""


class Spool:
    """Entries sorted by key; of several with the same path and kind, the first is kept."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        path = os.path.join(folder, hidden_name(f"entries-{os.urandom(8).hex()}", "part"))
        with creating(path):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with self._on_disk():  # without locks: some file systems lack them, and no other process uses it
                self._database = sqlite3.connect(
                    f"file:{quote(os.fsencode(os.path.abspath(path)))}?mode=rw&nolock=1",
                    uri=True,
                    isolation_level=None,
                    check_same_thread=False,
                )
                for setting in SETTINGS:
                    self._database.execute(f"PRAGMA {setting}")
                self._database.execute(TABLE)
        finally:
            os.unlink(path)

    def add(self, entries: Iterable[tuple[str, Entry]]) -> None:
        """Entries with their keys."""
        with self._on_disk():
            self._database.execute("BEGIN")
            self._database.executemany(
                "INSERT OR IGNORE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (_as_row(key, entry) for key, entry in entries),
            )
            self._database.execute("COMMIT")

    def chunks(self, size: int) -> Iterator[Sequence[tuple[str, Entry]]]:
        """Keys and entries, ``size`` at a time."""
        with self._on_disk():
            rows = self._database.execute("SELECT * FROM entries ORDER BY key, path, is_dir")
        while True:
            with self._on_disk():
                some = rows.fetchmany(size)
            if not some:
                return
            yield [(_text(key), _as_entry(*row)) for key, *row in some]

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            what = f"cannot write {self._folder}: {error}"
            raise LocalIOError(what, hint="the names of a large directory need disk space there") from error


def _as_row(key: str, entry: Entry) -> tuple[Any, ...]:
    path, is_dir, size, checksum, version = entry
    known: tuple[Any, ...] = (None, None, None, None)
    if version:
        stated = " ".join(map(str, version.checksums))
        known = _bytes(version.validator), _integer(version.size), stated, version.executable
    return _bytes(key), _bytes(path), is_dir, _integer(size), str(checksum) if checksum else None, *known


def _as_entry(path: bytes, is_dir: int, size: Any, checksum: str | None, *known: Any) -> Entry:
    validator, whole_size, stated, executable = known
    version = None
    if validator is not None:
        given = tuple(map(checksums.parse, stated.split()))
        version = Version(_text(validator), _number(whole_size), given, bool(executable))
    return Entry(_text(path), bool(is_dir), _number(size), _checksum(checksum), version)


def _checksum(text: str | None) -> Checksum | None:
    return checksums.parse(text) if text else None


def _bytes(text: str) -> bytes:
    """UTF-8; lone surrogates are kept."""
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogatepass")


def _integer(number: int | None) -> int | str | None:
    return str(number) if number is not None and number > MOST_INTEGER else number


def _number(stored: int | str | None) -> int | None:
    return int(stored) if isinstance(stored, str) else stored
