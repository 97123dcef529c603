"""Reads a WebDAV listing: a 207 response to PROPFIND (RFC 4918, 14.16), while it arrives.

It includes the directory itself, recognised by its address or, behind a proxy that rewrites addresses, as
the parent of all others.
"""

import os
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit
from xml.parsers import expat

from connectors import secrets
from connectors.errors import NotFound, ProtocolViolation
from connectors.http import url as urls
from connectors.http.directory.found import HINT, USE_RECEIVE_FILE, Found
from connectors.http.transport import http_failures
from connectors.http.transport.reply import Reply, whole_number

STATUS = re.compile(r"HTTP/\S+\s+(\d{3})\b\s*(.*)", re.DOTALL)
DEEPEST = 100  # nested elements
LONGEST_TEXT = 1 << 16  # characters of one element
MOST_ASTRAY = 100_000  # responses kept until the directory itself is known
GONE = {404, 410}
TEXTS = {"href", "status", "getcontentlength"}


class Status(NamedTuple):
    code: int
    reason: str

    @property
    def is_ok(self) -> bool:
        return self.code // 100 == 2


OK = Status(200, "")


class Member(NamedTuple):
    """One response: the segments of its path, and its properties."""

    path: tuple[str, ...]
    is_dir: bool
    is_collection: bool | None  # None if unknown
    size: int | None
    status: Status


class Multistatus:
    """Reads the answer ``reply`` into ``found``."""

    def __init__(self, reply: Reply, found: Found) -> None:
        self._reply = reply
        self._found = found
        self._here = urls.segments(reply.url)
        self._prefix = urlsplit(reply.url).path
        self._itself: Member | None = None
        self._has_below = False  # whether anything is below the requested address
        self._astray: list[Member] = []
        self._guess: Member | None = None  # the directory itself, if all others are in it
        self._is_guessed = False  # whether anything is in it
        self._open: list[str] = []
        self._text: list[str] | None = None
        self._length = 0
        self._begin_response()
        self._begin_propstat()
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    @property
    def is_sure(self) -> bool:
        return True

    # -- XML ---------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        try:
            self._parser.Parse(data, False)
        except (expat.ExpatError, LookupError, ValueError) as error:  # also for an unknown encoding
            raise self._no_xml(error) from None

    def close(self) -> bool:
        try:
            self._parser.Parse(b"", True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if self._reply.is_framed:
                raise self._no_xml(error) from None
            return False
        self._conclude()
        return True

    def _no_xml(self, error: Exception | str) -> ProtocolViolation:
        return ProtocolViolation(f"{self._found.place}: its WebDAV answer is not XML: {error}")

    def _refuse_doctype(self, *_: object) -> None:
        raise self._no_xml("document types are not accepted")  # entity expansion attacks

    def _start(self, name: str, _: object) -> None:
        namespace, _, local = name.rpartition(" ")
        self._open.append(local if namespace == "DAV:" else "")
        if len(self._open) > DEEPEST:
            raise self._no_xml(f"more than {DEEPEST} nested elements")
        if namespace != "DAV:":
            return
        if local in TEXTS:
            self._text, self._length = [], 0
        elif local == "response":
            self._begin_response()
        elif local == "propstat":
            self._begin_propstat()

    def _characters(self, text: str) -> None:
        if self._text is None:
            return
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise self._no_xml(f"more than {LONGEST_TEXT} characters in one element")
        self._text.append(text)

    def _end(self, _: str) -> None:
        local = self._open.pop()
        above = self._open[-1] if self._open else ""
        text, self._text = "".join(self._text or ()).strip(), None
        if above == "prop":
            self._names_any = True
        if local == "href" and above == "response":
            self._hrefs.append(text)
        elif local == "status" and above == "response":
            self._status = text
        elif local == "status" and above == "propstat":
            self._prop_status = text
        elif local == "getcontentlength" and above == "prop":
            self._size = text
        elif local == "resourcetype" and above == "prop":
            self._has_type = True
        elif local == "collection" and above == "resourcetype":
            self._is_collection = True
        elif local == "propstat":
            self._end_propstat()
        elif local == "response":
            self._end_response()

    # -- one response ------------------------------------------------------------------------------

    def _begin_response(self) -> None:
        self._hrefs: list[str] = []
        self._status = ""
        self._kinds: list[Status] = []  # the statuses of its propstats
        self._known_type = self._known_collection = False
        self._known_size = ""

    def _begin_propstat(self) -> None:
        self._prop_status = self._size = ""
        self._has_type = self._is_collection = False
        self._names_any = False

    def _end_propstat(self) -> None:
        """Only the properties of a successful propstat count (14.22)."""
        status = _status(self._prop_status)
        if status.code == 404 and self._names_any:  # only these properties are missing
            status = OK
        elif status.is_ok:
            self._known_type |= self._has_type
            self._known_collection |= self._is_collection
            self._known_size = self._size or self._known_size
        self._kinds.append(status)

    def _end_response(self) -> None:
        status = _status(self._status)
        if status.is_ok and self._kinds and not any(kind.is_ok for kind in self._kinds):
            status = self._kinds[0]
        is_collection = self._known_collection if self._known_type else None
        size = whole_number(self._known_size) if not self._known_collection else None
        for href in self._hrefs or [""]:
            plain = urls.PLAIN_CHILD.fullmatch(href, len(self._prefix)) if self._is_below(href) else None
            name = os.fsdecode(unquote_to_bytes(plain[1])) if plain else ""
            if plain and name not in (".", ".."):  # nearly all are
                self._add(
                    name, Member((), self._known_collection or bool(plain[2]), is_collection, size, status)
                )
                continue
            target = urls.resolve(self._reply.url, href.replace("#", "%23")) if href else None
            if target is None or urlsplit(target).query not in ("", urlsplit(self._reply.url).query):
                shown = secrets.shown_url(href) or "an entry without href"
                self._found.leave_out(f"{shown}: not an address of WebDAV")
                continue
            is_dir = self._known_collection or urls.is_directory(target)
            self._place(Member(urls.segments(target), is_dir, is_collection, size, status))

    def _is_below(self, href: str) -> bool:
        return href.startswith(self._prefix) and self._prefix.endswith("/")

    def _place(self, member: Member) -> None:
        here, path = self._here, member.path
        if path == here:
            if self._itself is None or self._itself.status.is_ok:  # if repeated, the failure counts
                self._itself = member
        elif path[: len(here)] == here:
            self._has_below = True
            if len(path) == len(here) + 1:
                self._add(path[-1], member)
            else:  # the server lists all levels; each directory is requested separately
                self._found.add(path[len(here)], is_dir=True)
        elif self._guess and path[:-1] == self._guess.path:
            self._is_guessed = True
            self._add(path[-1], member)
        elif not (self._guess or self._astray or self._itself) and member.is_dir and member.status.is_ok:
            self._guess = member  # usually the directory itself comes first
        elif len(self._astray) < MOST_ASTRAY:
            self._astray.append(member)
        else:
            raise self._unknown()

    def _add(self, name: str, member: Member) -> None:
        if member.status.code in GONE:
            self._found.leave_out(f"{name}: {member.status.code} {member.status.reason}".rstrip())
        else:  # any other failure shows when it is requested
            self._found.add(name, member.is_dir, member.size)

    # -- all of them -------------------------------------------------------------------------------

    def _conclude(self) -> None:
        itself = self._itself
        if self._is_guessed:
            if itself or self._has_below or self._astray:
                raise self._unknown()
            itself = self._guess
        elif self._guess:
            self._astray.insert(0, self._guess)
        if itself is None and self._astray:
            itself = self._found_astray()
        elif itself:
            for member in self._astray:
                self._found.leave_out(f"/{'/'.join(member.path)}: not in this directory")
        if itself is None:
            if self._found.is_empty and not self._found.has_left_out:
                raise self._unknown()
        elif not itself.status.is_ok:
            failed = self._reply._replace(status=itself.status.code, reason=itself.status.reason)
            raise http_failures.of_reply(failed, sending=False)
        elif not itself.is_collection and self._found.is_empty:
            if itself.is_collection is None:
                raise ProtocolViolation(
                    f"{self._found.place}: its WebDAV answer does not say that it is a directory", hint=HINT
                )
            raise NotFound(f"{self._found.place} is a file, not a directory", hint=USE_RECEIVE_FILE)

    def _found_astray(self) -> Member:
        """The directory itself; it and its children are not below the requested address."""
        itself = min(self._astray, key=lambda member: len(member.path))
        others = [member for member in self._astray if member is not itself]
        depth = len(itself.path)
        is_above = all(len(one.path) == depth + 1 and one.path[:depth] == itself.path for one in others)
        if not itself.status.is_ok:
            is_it = not others
        elif others:
            is_it = itself.is_dir
        else:  # may be a child: the server may not list the directory itself
            is_alike = not itself.path or itself.path[-1:] == self._here[-1:]
            is_it = is_alike and itself.is_collection is not None
        if self._has_below or not (is_above and is_it):
            raise self._unknown()
        for member in others:
            self._add(member.path[-1], member)
        return itself

    def _unknown(self) -> ProtocolViolation:
        return ProtocolViolation(
            f"{self._found.place}: its WebDAV answer does not show which entry is the directory itself",
            hint=HINT,
        )


def _status(line: str) -> Status:
    """Parse a status line; success if there is none."""
    match = STATUS.fullmatch(line)
    if match:
        return Status(int(match[1]), match[2])
    return Status(0, line) if line else OK
