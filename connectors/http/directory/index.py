"""What a directory holds, asked from a web server: by WebDAV, or from the page that it makes for people.

Answers are read while they arrive, and what they name is handed on: there may be millions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, NoReturn, Protocol

from connectors import log
from connectors.errors import ConfigError, ProtocolViolation, TemporaryFailure
from connectors.http.transport.pulled import pulled
from connectors.http.transport.reply import Reply

DEPTH_1 = {"Depth": "1", "Content-Type": "application/xml"}
PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>'
)
HINT = "give a listing (--listing), or let the server offer WebDAV or directory pages"
NOT_LEFT_OUT = "a listing (--listing) moves what it names"
USE_RECEIVE_FILE = "receive-file is for files"
MOST_LEFT_OUT = 100_000
LATEST = 1000  # names
LONGEST_GAP = 16 << 20  # bytes of a directory page without any entry: it would never end
MOST_NAMED = 3


class Child(NamedTuple):
    """One entry of a directory; ``name`` is as the server said it, ``size`` in bytes if it said that too."""

    name: str
    is_dir: bool
    size: int | None


class Ask(Protocol):
    """Gets the answer to a request about a directory; ``begin`` sees it before ``take`` gets its body.

    Returns an answer that refuses the method, and raises what any other failure means.
    """

    def __call__(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None,
        begin: Callable[[Reply], None],
        take: Callable[[bytes], None],
    ) -> Reply: ...


class NoDirectoryPage(Exception):
    """The page is something else."""


class Found:
    """What a directory page shows. Little of it is kept: the page may be without end."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.is_empty = True  # there was nothing yet that can be received
        self.seen = 0  # entries, those that were left out among them
        self._new: list[Child] = []
        self._directories: set[str] = set()
        self._latest: set[str] = set()  # files
        self._before: set[str] = set()
        self._left_out: list[str] = []
        self._count_left_out = 0

    def add(self, name: str, is_dir: bool, size: int | None = None) -> None:
        """A directory is added once, for it is asked for; a file perhaps again, if that is far off."""
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
        """Whether ``name`` is that of a directory, or of one of the latest files."""
        return name in self._latest or name in self._before or f"{name}/" in self._directories

    def leave_out(self, what: str) -> None:
        """Take note of an entry that cannot be received; ``what`` says which, and why."""
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
        """ProtocolViolation if there are entries, and none that can be received; a warning if some cannot."""
        if self._left_out and self.is_empty:
            self._refuse()
        if self._left_out:
            log.warning(f"{self.place}: left out: {self._which()}")

    def taken(self) -> list[Child]:
        """What was added since this was last asked."""
        new, self._new = self._new, []
        return new

    def _refuse(self) -> NoReturn:
        raise ProtocolViolation(
            f"{self.place}: its entries cannot be received: {self._which()}", hint=NOT_LEFT_OUT
        )

    def _which(self) -> str:
        more = self._count_left_out - len(self._left_out)
        return "; ".join(self._left_out) + (f"; and {more} more" if more > 0 else "")


class Page(Protocol):
    """A kind of directory page, read as it arrives into a Found."""

    @property
    def is_sure(self) -> bool:
        """Whether it has shown by now that it is a directory page."""

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises NoDirectoryPage, or the errors of connectors.errors."""

    def close(self) -> bool:
        """There is no more: whether the page ends as a whole one does. Raises what ``feed`` does."""


class _Reading:
    """The answer to one request, while it arrives."""

    def __init__(self, place: str) -> None:
        self._found = Found(place)
        self._page: Page
        self._is_framed = False
        self._gap = 0
        self._seen = 0

    def begin(self, reply: Reply) -> None:
        if reply.status == 206:
            raise ProtocolViolation(f"{self._found.place}: answers with a part, which nobody asked for")
        self._is_framed = reply.is_framed
        if reply.status == 207:
            from connectors.http.directory.multistatus import Multistatus

            self._page = Multistatus(reply, self._found)
        elif "json" in reply.headers.get("content-type", ""):
            from connectors.http.directory.jsonindex import JsonIndex

            self._page = JsonIndex(reply, self._found)
        else:
            from connectors.http.directory.page import HtmlPage

            self._page = HtmlPage(reply, self._found)

    def take(self, data: bytes) -> list[Child]:
        """The children that ``data`` shows."""
        if self._found.seen != self._seen:
            self._seen, self._gap = self._found.seen, 0
        self._gap += len(data)
        if self._gap > LONGEST_GAP:
            raise ProtocolViolation(
                f"{self._found.place}: {LONGEST_GAP >> 20} MiB of its directory page show no entry"
            )
        self._page.feed(data)
        return self._found.taken() if self._page.is_sure else []

    def end(self) -> list[Child]:
        """Those that only the end shows."""
        has_ended = self._page.close()
        if not has_ended and not self._is_framed:
            raise TemporaryFailure(f"{self._found.place}: its directory page ended too early")
        if not has_ended and self._found.is_empty:
            raise NoDirectoryPage  # its entries may be in a comment that is left open, say
        self._found.check()
        return self._found.taken()


def children(ask: Ask, place: str) -> Iterator[Child]:
    """The direct children of a directory, while they arrive; ``place`` is its name in messages. One that the
    server shows several times may come several times.

    ConfigError if the server shows none; what ``ask`` raises. Both may come after some of the children.
    """
    reading = _Reading(place)

    def produce(take: Callable[[bytes], None]) -> None:
        is_multistatus = False

        def begin(reply: Reply) -> None:
            nonlocal is_multistatus
            is_multistatus = reply.status == 207
            if is_multistatus:
                reading.begin(reply)

        def take_multistatus(data: bytes) -> None:
            if is_multistatus:
                take(data)

        reply = ask("PROPFIND", DEPTH_1, PROPFIND, begin, take_multistatus)
        if reply.status != 207:
            ask("GET", {}, None, reading.begin, take)

    try:
        with pulled(produce) as blocks:
            for block in blocks:
                yield from reading.take(block)
        yield from reading.end()
    except NoDirectoryPage:
        raise ConfigError(f"{place} does not list its contents", hint=HINT) from None
