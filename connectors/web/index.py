"""What a directory holds, asked from a web server: by WebDAV, or from the page that it makes for people."""

import json
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import NamedTuple

from connectors.errors import ConfigError, ProtocolViolation
from connectors.web import url as urls
from connectors.web.reply import Reply, whole_number

PROPFIND = (
    b'<?xml version="1.0" encoding="utf-8"?>'
    b'<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/></prop></propfind>'
)
TITLE = re.compile(r"\s*(Index of|Directory listing for)\b", re.IGNORECASE)  # nginx, Apache; http.server
HINT = "give a listing (--listing), or let the server offer WebDAV or directory pages"


class Child(NamedTuple):
    """One entry of a directory; ``name`` is as the server said it, ``size`` in bytes if it said that too."""

    name: str
    is_dir: bool
    size: int | None


def children(ask: Callable[[str, dict[str, str], bytes | None], Reply], place: str) -> Iterator[Child]:
    """The direct children of a directory, of which ``ask(method, headers, body)`` gets an answer.

    ConfigError if the server shows none; what ``ask`` raises. ``place`` is for messages.
    """
    reply = ask("PROPFIND", {"Depth": "1", "Content-Type": "application/xml"}, PROPFIND)
    if reply.status == 207:
        yield from dict.fromkeys(_of_multistatus(reply, place))
        return
    reply = ask("GET", {}, None)
    read = _of_json if "json" in reply.headers.get("content-type", "") else _of_page
    found = read(reply)
    if found is None:
        raise ConfigError(f"{place} does not show what it holds", hint=HINT)
    yield from dict.fromkeys(found)


def _of_multistatus(reply: Reply, place: str) -> Iterator[Child]:
    """RFC 4918, 14.16. The directory itself is among the answers and is left out."""
    from xml.etree import ElementTree

    try:
        if b"<!DOCTYPE" in reply.body:
            raise ElementTree.ParseError("a document type has no place in it")
        root = ElementTree.fromstring(reply.body)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # an encoding that is none, too
        raise ProtocolViolation(f"{place}: its WebDAV answer is not XML: {error}") from None
    for response in root.iter("{DAV:}response"):
        child = urls.child_name(reply.url, response.findtext("{DAV:}href", ""))
        if child:
            is_dir = response.find(".//{DAV:}resourcetype/{DAV:}collection") is not None
            size = response.findtext(".//{DAV:}getcontentlength", "")
            yield Child(child[0], is_dir or child[1], _size(size) if not is_dir else None)


def _of_json(reply: Reply) -> list[Child] | None:
    """nginx with ``autoindex_format json``; None if it is some other JSON."""
    try:
        entries = json.loads(reply.body)
        return [
            Child(str(entry["name"]), entry["type"] == "directory", _size(str(entry.get("size"))))
            for entry in entries
        ]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _of_page(reply: Reply) -> list[Child] | None:
    """A directory page in HTML; None if the page is anything else."""
    page = _Page()
    try:
        page.feed(reply.body.decode("utf-8", "replace"))
    except (AssertionError, ValueError):  # what HTMLParser makes of markup that is none
        return None
    if not TITLE.match(page.title):
        return None
    found = dict.fromkeys(child for link in page.links if (child := urls.child_name(reply.url, link)))
    return [Child(name, is_dir, None) for name, is_dir in found]


class _Page(HTMLParser):
    """Title and links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.links: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title"
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


def _size(text: str | None) -> int | None:
    return whole_number(text or "")
