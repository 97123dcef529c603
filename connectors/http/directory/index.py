"""Lists a directory on a web server, by WebDAV or from its directory page.

Responses are read while they arrive, and entries are passed on at once: there may be millions.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from connectors.errors import ConfigError, ProtocolViolation, TemporaryFailure
from connectors.http.directory.found import HINT, Child, Found, NoDirectoryPage
from connectors.http.transport.pulled import pulled
from connectors.http.transport.reply import Reply

DEPTH_1 = {"Depth": "1", "Content-Type": "application/xml"}
PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>'
)
LONGEST_GAP = 16 << 20  # bytes of a directory page without any entry; the page may be endless


class Ask(Protocol):
    """Sends a request for a directory; ``begin`` gets the response before ``take`` gets its body.

    Returns a response that refuses the method; raises an error for any other failure.
    """

    def __call__(
        self,
        method: str,
        headers: Mapping[str, str],
        body: bytes | None,
        begin: Callable[[Reply], None],
        take: Callable[[bytes], None],
    ) -> Reply: ...


class Page(Protocol):
    """A kind of directory page, read as it arrives into a Found."""

    @property
    def is_sure(self) -> bool:
        """Whether it is certain by now that this is a directory page."""

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises NoDirectoryPage, or the errors of connectors.errors."""

    def close(self) -> bool:
        """End the page. Returns whether it is complete. Raises the errors of ``feed``."""


class _Reading:
    """The response to one request, while it arrives."""

    def __init__(self, place: str) -> None:
        self._found = Found(place)
        self._page: Page
        self._is_framed = False
        self._gap = 0
        self._seen = 0

    def begin(self, reply: Reply) -> None:
        if reply.status == 206:
            raise ProtocolViolation(f"{self._found.place}: sent a partial response, which was not requested")
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
        """The children found in ``data``."""
        if self._found.seen != self._seen:
            self._seen, self._gap = self._found.seen, 0
        self._gap += len(data)
        if self._gap > LONGEST_GAP:
            raise ProtocolViolation(
                f"{self._found.place}: {LONGEST_GAP >> 20} MiB of its directory page contain no entry"
            )
        self._page.feed(data)
        return self._found.taken() if self._page.is_sure else []

    def end(self) -> list[Child]:
        """The children found only at the end."""
        has_ended = self._page.close()
        if not has_ended and not self._is_framed:
            raise TemporaryFailure(f"{self._found.place}: its directory page ended too early")
        if not has_ended and self._found.is_empty:
            raise NoDirectoryPage  # such as an unclosed comment around its entries
        self._found.check()
        return self._found.taken()


def children(ask: Ask, place: str) -> Iterator[Child]:
    """The direct children of a directory, while they arrive; ``place`` is its name in messages. Duplicates in
    the server's list may be repeated.

    ConfigError if the server has no list; otherwise what ``ask`` raises. Both may come after some children.
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
