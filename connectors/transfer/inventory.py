"""What a tree holds: its entries, however many there are.

Up to IN_MEMORY of them are kept in memory. More go to a file on disk, so a directory of a million files takes
no more memory than one of twenty thousand.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Self

from connectors.model import Entry
from connectors.remote import MOST_TOGETHER
from connectors.transfer.spelling import in_order

if TYPE_CHECKING:
    from connectors.transfer.spool import Spool

IN_MEMORY = 20_000


class Inventory:
    """Entries are added in any order, and returned sorted and unique: a folder's content directly follows it.

    ``key`` maps a path to its sort key. ``folder`` is where the file is created, without a name; with None
    everything stays in memory.
    """

    def __init__(self, folder: str | None, key: Callable[[str], str] = in_order) -> None:
        self._folder = folder
        self._key = key
        self._entries: list[Entry] = []
        self._keys: list[str] = []
        self._spool: Spool | None = None
        self.files = 0
        self.bytes = 0
        """As far as sizes are known."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)
        if not entry.is_dir:
            self.files += 1
            self.bytes += entry.size or 0
        if len(self._entries) > (MOST_TOGETHER if self._spool else IN_MEMORY):
            self._put_away()

    def extend(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self.add(entry)

    def clear(self) -> None:
        """Forget all entries."""
        self._entries, self._keys = [], []
        self.files = self.bytes = 0
        if self._spool:
            self._spool.close()
            self._spool = None

    def chunks(self, most: int) -> Iterator[Sequence[Entry]]:
        """All entries, ``most`` at a time."""
        if self._spool:
            self._put_away()
            for rows in self._spool.chunks(most):
                yield [entry for _, entry in rows]
        else:
            self._sort()
            most = max(most, IN_MEMORY)
            for start in range(0, len(self._entries), most):
                yield self._entries[start : start + most]

    def __iter__(self) -> Iterator[Entry]:
        return (entry for _, entry in self.with_keys())

    def with_keys(self) -> Iterator[tuple[str, Entry]]:
        """All entries with their sort keys."""
        if self._spool:
            self._put_away()
            return chain.from_iterable(self._spool.chunks(MOST_TOGETHER))
        self._sort()
        return zip(self._keys, self._entries, strict=True)

    def _sort(self) -> None:
        if len(self._keys) == len(self._entries):
            return
        key = self._key
        rows = [(key(entry.path), entry) for entry in self._entries]
        rows.sort(key=itemgetter(0))
        if len({name for name, _ in rows}) < len(rows):  # rarely
            each_once = {(name, entry.path, entry.is_dir): entry for name, entry in reversed(rows)}
            rows = [(where[0], each_once[where]) for where in sorted(each_once)]
        self._keys = [name for name, _ in rows]
        self._entries = [entry for _, entry in rows]

    def _put_away(self) -> None:
        if not self._folder:
            return
        if not self._spool:
            from connectors.transfer.spool import Spool  # SQLite: only for large trees

            self._spool = Spool(self._folder)
        self._spool.add((self._key(entry.path), entry) for entry in self._entries)
        self._entries = []


def empty_folders(entries: Iterable[Entry]) -> Iterator[str]:
    """The paths of the empty folders; "" if there are no entries at all.

    The entries are sorted by ``in_order``.
    """
    last = Entry("", is_dir=True)
    for entry in entries:
        if last.is_dir and last.path and not entry.path.startswith(f"{last.path}/"):
            yield last.path
        last = entry
    if last.is_dir:
        yield last.path
