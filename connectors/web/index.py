"""What a directory holds, asked from a web server: by WebDAV, or from the page that it makes for people.

Answers are read while they arrive, and what they name is kept in little memory: there may be millions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, Protocol

from connectors import log
from connectors.errors import ConfigError, ProtocolViolation, TemporaryFailure
from connectors.web.reply import Reply

DEPTH_1 = {"Depth": "1", "Content-Type": "application/xml"}
PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>'
)
HINT = "give a listing (--listing), or let the server offer WebDAV or directory pages"
NOT_LEFT_OUT = "a listing (--listing) moves what it names"
USE_RECEIVE_FILE = "receive-file is for files"
MOST_ENTRIES = 10_000_000
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
    """What a directory page has shown so far, in the order of the page."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.seen = 0  # entries, those that were left out and those that were said twice among them
        self._sizes: dict[str, int | None] = {}  # a directory's name ends in a slash
        self._left_out: list[str] = []
        self._count_left_out = 0

    def add(self, name: str, is_dir: bool, size: int | None = None) -> None:
        self.count()
        self._sizes[name + "/" if is_dir else name] = size

    def leave_out(self, what: str) -> None:
        """Take note of an entry that cannot be received; ``what`` says which, and why."""
        self.count()
        self._count_left_out += 1
        if len(self._left_out) < MOST_NAMED and what not in self._left_out:
            self._left_out.append(what)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that can be received."""
        return not self._sizes

    def __contains__(self, name: str) -> bool:
        return name in self._sizes or f"{name}/" in self._sizes

    def check(self) -> None:
        """ProtocolViolation if there are entries, and none that can be received; a warning if some cannot."""
        if not self._count_left_out:
            return
        more = self._count_left_out - len(self._left_out)
        which = "; ".join(self._left_out) + (f"; and {more} more" if more > 0 else "")
        if self.is_empty:
            raise ProtocolViolation(
                f"{self.place}: what it holds cannot be received: {which}", hint=NOT_LEFT_OUT
            )
        log.warning(f"{self.place}: left out: {which}")

    def children(self) -> Iterator[Child]:
        for name, size in self._sizes.items():
            is_dir = name.endswith("/")
            yield Child(name[:-1] if is_dir else name, is_dir, size)

    def count(self) -> None:
        """One more was shown, of whatever kind. ProtocolViolation if there is no end to it."""
        self.seen += 1
        if self.seen > MOST_ENTRIES:
            raise ProtocolViolation(f"{self.place}: more than {MOST_ENTRIES} entries", hint=HINT)


class Page(Protocol):
    """A kind of directory page, read as it arrives into a Found."""

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises NoDirectoryPage, or the errors of connectors.errors."""

    def close(self) -> bool:
        """There is no more: whether the page ends as a whole one does. Raises what ``feed`` does."""


class _Ignored:
    """What comes with an answer that refuses a method."""

    def feed(self, data: bytes) -> None:
        pass

    def close(self) -> bool:
        return True


class _Reading:
    """The answer to one request, while it arrives."""

    def __init__(self, place: str) -> None:
        self.found = Found(place)
        self._page: Page = _Ignored()
        self._is_framed = False
        self._gap = 0
        self._seen = 0

    def begin(self, reply: Reply) -> None:
        self._is_framed = reply.is_framed
        if reply.status == 207:
            from connectors.web.multistatus import Multistatus

            self._page = Multistatus(reply, self.found)
        elif "json" in reply.headers.get("content-type", ""):
            from connectors.web.jsonindex import JsonIndex

            self._page = JsonIndex(reply, self.found)
        else:
            from connectors.web.page import HtmlPage

            self._page = HtmlPage(reply, self.found)

    def take(self, data: bytes) -> None:
        if self.found.seen != self._seen:
            self._seen, self._gap = self.found.seen, 0
        self._gap += len(data)
        if self._gap > LONGEST_GAP:
            raise ProtocolViolation(
                f"{self.found.place}: {self._gap} bytes of its directory page show nothing"
            )
        self._page.feed(data)

    def end(self) -> Found:
        if not self._page.close() and not self._is_framed:
            raise TemporaryFailure(f"{self.found.place}: its directory page ended too early")
        self.found.check()
        return self.found


def children(ask: Ask, place: str) -> Iterator[Child]:
    """The direct children of a directory; ``place`` is its name in messages.

    ConfigError if the server shows none; what ``ask`` raises.
    """
    found = _by_webdav(ask, place)
    if found is None:
        found = _by_page(ask, place)
    if found is None:
        raise ConfigError(f"{place} does not show what it holds", hint=HINT)
    yield from found.children()


def _by_webdav(ask: Ask, place: str) -> Found | None:
    reading = _Reading(place)

    def begin(reply: Reply) -> None:
        if reply.status == 207:
            reading.begin(reply)

    reply = ask("PROPFIND", DEPTH_1, PROPFIND, begin, reading.take)
    return reading.end() if reply.status == 207 else None


def _by_page(ask: Ask, place: str) -> Found | None:
    reading = _Reading(place)
    try:
        ask("GET", {}, None, reading.begin, reading.take)
        return reading.end()
    except NoDirectoryPage:
        return None
