"""What a directory page of any kind shows, as far as it has been read."""

from typing import NamedTuple, NoReturn

from connectors import log
from connectors.errors import ProtocolViolation

HINT = "give a listing (--listing), or let the server offer WebDAV or directory pages"
NOT_LEFT_OUT = "a listing (--listing) moves what it names"
USE_RECEIVE_FILE = "receive-file is for files"
MOST_LEFT_OUT = 100_000
LATEST = 1000  # names
MOST_NAMED = 3


class Child(NamedTuple):
    """One entry of a directory; ``name`` as the server sent it, ``size`` in bytes if known."""

    name: str
    is_dir: bool
    size: int | None


class NoDirectoryPage(Exception):
    """The page is not a directory page."""


class Found:
    """The entries of a directory page. Only the latest are kept: the page may be endless."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.is_empty = True  # no entry so far that can be received
        self.seen = 0  # entries, including those left out
        self._new: list[Child] = []
        self._directories: set[str] = set()
        self._latest: set[str] = set()  # files
        self._before: set[str] = set()
        self._left_out: list[str] = []
        self._count_left_out = 0

    def add(self, name: str, is_dir: bool, size: int | None = None) -> None:
        """Add an entry: a directory only once, since it will be listed; a file may repeat if far apart."""
        written = f"{name}/" if is_dir else name
        if written in self._directories or written in self._latest or written in self._before:
            return
        (self._directories if is_dir else self._latest).add(written)
        if len(self._latest) > LATEST:
            self._before, self._latest = self._latest, set()
        self.seen += 1
        self.is_empty = False
        self._new.append(Child(name, is_dir, size))

    def has_lately(self, name: str) -> bool:
        """Whether ``name`` is a known directory or one of the latest files."""
        return name in self._latest or name in self._before or f"{name}/" in self._directories

    def leave_out(self, what: str) -> None:
        """Record an entry that cannot be received; ``what`` says which, and why."""
        self.seen += 1
        self._count_left_out += 1
        if self._count_left_out > MOST_LEFT_OUT:
            self._refuse()
        if len(self._left_out) < MOST_NAMED and what not in self._left_out:
            self._left_out.append(what)

    @property
    def has_left_out(self) -> bool:
        return bool(self._left_out)

    def check(self) -> None:
        """ProtocolViolation if there are entries and none can be received; a warning if some cannot."""
        if self._left_out and self.is_empty:
            self._refuse()
        if self._left_out:
            log.warning(f"{self.place}: left out: {self._which()}")

    def taken(self) -> list[Child]:
        """The entries added since the last call."""
        new, self._new = self._new, []
        return new

    def _refuse(self) -> NoReturn:
        raise ProtocolViolation(
            f"{self.place}: its entries cannot be received: {self._which()}", hint=NOT_LEFT_OUT
        )

    def _which(self) -> str:
        more = self._count_left_out - len(self._left_out)
        return "; ".join(self._left_out) + (f"; and {more} more" if more > 0 else "")
