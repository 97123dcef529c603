"""Many small files through SFTP: hundreds of them concurrently, in one thread.

Each file takes three or four requests, each a round trip. Here the requests of different files share the
round trips.
"""

import stat
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby, islice
from typing import Any, NamedTuple

from connectors.errors import ProtocolViolation, RedError
from connectors.remote import SMALL
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.flow import Flow
from connectors.ssh.sftp.wire import (
    ATTRS,
    CLOSE,
    DATA,
    EOF,
    FOR_READING_ONLY,
    FOR_REPLACING,
    FSETSTAT,
    FSTAT,
    HANDLE,
    LSTAT,
    MKDIR,
    NAME,
    NO_ATTRIBUTES,
    OK,
    OPEN,
    OPENDIR,
    READ,
    READDIR,
    REFUSALS,
    REMOVE,
    SAFE_BLOCK,
    STAT,
    STATUS,
    WRITE,
    Attributes,
    attributes,
    names,
    string,
    with_mode,
)

UNDER_WAY = 256  # files
BYTES_UNDER_WAY = 4 << 20

_KNOWN, _OPENED, _READ, _ENDED, _WRITTEN, _MODED, _SIZED, _CLOSED, _RENAMED, _SEEN, _REMOVED = range(11)
_START = struct.pack(">Q", 0)
_OK = struct.pack(">I", OK)
_EOF = struct.pack(">I", EOF)
_REFUSED = [struct.pack(">I", code) for code in REFUSALS]
_NONE = struct.pack(">I", 0)
ENDS = ((STATUS, _EOF), (NAME, _NONE))  # of a directory


class Wanted(NamedTuple):
    """A file to read: the caller's ``key``, its name as a string of SFTP, and its size.

    If its size is known, it is known to be a regular file.
    """

    key: Any
    name: bytes
    size: int | None


class Read(NamedTuple):
    """A file that was read completely; ``here`` is None if its size was known before."""

    key: Any
    here: Attributes | None
    content: bytes


class _Reading:
    """One file being read."""

    __slots__ = ("content", "here", "size", "wanted")

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.size = wanted.size
        self.here: Attributes | None = None
        self.content: bytes | None = None


def read(sftp: Sftp, files: Iterable[Wanted]) -> Iterator[Read]:
    """Read those of ``files`` that are regular and not larger than SMALL; skip others, and incomplete ones.

    Only regular files are opened: others could hang (a FIFO) or never end (a device).
    """
    flow = Flow(sftp)
    todo = iter(files)
    under_way = 0
    while True:
        for wanted in islice(todo, UNDER_WAY - under_way):
            file = _Reading(wanted)
            under_way += 1
            if file.size is None:
                flow.ask((_KNOWN, file), STAT, wanted.name)
            else:
                flow.ask((_OPENED, file), OPEN, wanted.name, FOR_READING_ONLY)
        if not flow.pending:
            return
        flow.flush()
        for (stage, file), kind, payload in flow.some():
            if stage == _READ:  # the answer to CLOSE ends it
                content = _content(kind, payload)
                if content is not None and len(content) == file.size:
                    if file.size < SAFE_BLOCK:
                        yield Read(file.wanted.key, file.here, content)
                    file.content = content
            elif stage == _ENDED:
                if file.content is not None and _content(kind, payload) == b"":
                    yield Read(file.wanted.key, file.here, file.content)
            elif stage == _OPENED and kind == HANDLE:
                # One byte more than expected: all servers return SAFE_BLOCK bytes at once if there are as
                # many (draft, 6.4), so less means the end. For a larger file, that takes another request.
                flow.ask((_READ, file), READ, payload, struct.pack(">QI", 0, file.size + 1))
                if file.size >= SAFE_BLOCK:
                    flow.ask((_ENDED, file), READ, payload, struct.pack(">QI", file.size, 1))
                flow.ask((_CLOSED, file), CLOSE, payload)
            elif stage == _KNOWN and kind == ATTRS and (here := attributes(payload)) and _is_small(here):
                file.here, file.size = here, here.size
                flow.ask((_OPENED, file), OPEN, file.wanted.name, FOR_READING_ONLY)
            else:
                under_way -= 1


def _content(kind: int, payload: bytes) -> bytes | None:
    """The data in an answer to READ, empty at the end of the file; None for any other answer."""
    if kind == STATUS and payload[:4] == _EOF:
        return b""
    if kind == DATA and int.from_bytes(payload[:4], "big") == len(payload) - 4:
        return payload[4:]
    return None


def _is_small(here: Attributes) -> bool:
    return stat.S_ISREG(here.mode or 0) and here.size is not None and here.size <= SMALL


def readable(sftp: Sftp, files: Iterable[tuple[Any, bytes]]) -> Iterator[Any]:
    """The keys of those ``files`` (key, and name as an SFTP string) that are regular and readable."""
    flow = Flow(sftp)
    todo = iter(files)
    under_way = 0
    while True:
        for key, name in islice(todo, UNDER_WAY - under_way):
            under_way += 1
            flow.ask((_KNOWN, key, name), STAT, name)
        if not flow.pending:
            return
        flow.flush()
        for (stage, key, name), kind, payload in flow.some():
            if stage == _KNOWN and kind == ATTRS and stat.S_ISREG(attributes(payload).mode or 0):
                flow.ask((_OPENED, key, name), OPEN, name, FOR_READING_ONLY)
            elif stage == _OPENED and kind == HANDLE:
                flow.ask((_CLOSED, key, name), CLOSE, payload)
                yield key
            else:
                under_way -= 1


class Outgoing(NamedTuple):
    """A small file to write: the caller's ``key``, its name and that of its temporary, its content.

    ``mode`` is set as given if ``exactly``, otherwise the server's umask applies.
    """

    key: Any
    name: bytes
    staging: bytes
    content: bytes
    mode: int
    exactly: bool


def write(sftp: Sftp, files: Iterable[Outgoing]) -> Iterator[Any]:
    """Write each file under its temporary name, check its size, rename it. Yields the keys of those that
    succeeded; the others leave nothing behind.
    """
    writing = _Writing(sftp)
    todo = iter(files)
    try:
        while True:
            while writing.has_room() and (file := next(todo, None)):
                writing.begin(file)
            if not writing.flow.pending:
                return
            writing.flow.flush()
            for (stage, file), kind, payload in writing.flow.some():
                if writing.go_on(stage, file, kind, payload):
                    yield file.key
    finally:
        if writing.under_way:
            sftp.remove([file.staging for file in writing.under_way.values()])


class _Writing:
    """The files being written, by their temporary names."""

    def __init__(self, sftp: Sftp) -> None:
        self.flow = Flow(sftp)
        self.under_way: dict[bytes, Outgoing] = {}
        self._bytes = 0
        self._failed: set[bytes] = set()

    def has_room(self) -> bool:
        return len(self.under_way) < UNDER_WAY and self._bytes < BYTES_UNDER_WAY

    def begin(self, file: Outgoing) -> None:
        self.under_way[file.staging] = file
        self._bytes += len(file.content)
        self.flow.ask((_OPENED, file), OPEN, file.staging, FOR_REPLACING, with_mode(file.mode))

    def go_on(self, stage: int, file: Outgoing, kind: int, payload: bytes) -> bool:
        """Handle an answer and send the next request. Returns whether the file is complete."""
        good = kind == STATUS and payload[:4] == _OK
        if stage == _OPENED and kind == HANDLE:
            self._fill(file, payload)
        elif stage == _MODED:
            self._note(file, good or (kind == STATUS and payload[:4] in _REFUSED))
        elif stage == _WRITTEN or (stage == _SIZED and kind != ATTRS):
            self._note(file, good)
        elif stage == _SIZED:
            self._note(file, _is_whole(file, kind, payload))
        elif stage == _CLOSED and good and file.staging not in self._failed:
            self.flow.ask((_RENAMED, file), *self.flow.sftp.renaming(file.staging, file.name))
        elif stage == _RENAMED and good:  # or so the server says
            self.flow.ask((_SEEN, file), STAT, file.name)
        elif stage in (_CLOSED, _RENAMED) or (stage == _SEEN and not _is_whole(file, kind, payload)):
            self.flow.ask((_REMOVED, file), REMOVE, file.staging)
        else:
            del self.under_way[file.staging]
            self._bytes -= len(file.content)
            return stage == _SEEN
        return False

    def _note(self, file: Outgoing, good: bool) -> None:
        """Remember the result until the answer to CLOSE, which follows."""
        if not good:
            self._failed.add(file.staging)

    def _fill(self, file: Outgoing, handle: bytes) -> None:
        """Send all requests for the open file."""
        if file.content:
            self.flow.ask((_WRITTEN, file), WRITE, handle, _START, string(file.content))
        if file.exactly:
            self.flow.ask((_MODED, file), FSETSTAT, handle, with_mode(file.mode))
        self.flow.ask((_SIZED, file), FSTAT, handle)
        self.flow.ask((_CLOSED, file), CLOSE, handle)


def _is_whole(file: Outgoing, kind: int, payload: bytes) -> bool:
    return kind == ATTRS and attributes(payload).size == len(file.content)


Names = dict[bytes, Attributes]


def make_dirs(sftp: Sftp, folders: Mapping[str, bytes]) -> set[str]:
    """Create the missing ``folders`` (paths, parents first, with their names as SFTP strings).

    Returns those that are new. Folders of the same depth are created together.
    """
    made: set[str] = set()
    for _, level in groupby(folders, key=lambda path: path.count("/") + bool(path)):
        flow = Flow(sftp)
        for path in level:
            flow.ask(path, MKDIR, folders[path], NO_ATTRIBUTES)
        flow.flush()
        while flow.pending:
            path, kind, payload = flow.next()
            if kind == STATUS and payload[:4] == _OK:
                made.add(path)
    return made


def found(sftp: Sftp, files: Mapping[Any, bytes]) -> dict[Any, Attributes]:
    """Those of ``files`` (any key, and the name as an SFTP string) that exist; links are not followed."""
    there: dict[Any, Attributes] = {}
    flow = Flow(sftp)
    todo = iter(files.items())
    while True:
        for key, name in islice(todo, UNDER_WAY - flow.pending):
            flow.ask(key, LSTAT, name)
        if not flow.pending:
            return there
        flow.flush()
        for key, kind, payload in flow.some():
            if kind == ATTRS:
                there[key] = attributes(payload)


class Page(NamedTuple):
    """Some of the names in a folder; the last page has none, and says whether the listing is complete."""

    folder: Any
    names: Names
    is_last: bool = False
    is_whole: bool = True


class _Listing:
    """A folder being listed."""

    __slots__ = ("empty", "folder", "handle", "seen")

    def __init__(self, folder: Any) -> None:
        self.folder = folder
        self.handle = b""
        self.seen: set[int] = set()
        self.empty = 0


def listings(sftp: Sftp, folders: list[Any], name_of: Callable[[Any], bytes]) -> Iterator[Page]:
    """The content of each of ``folders``, page by page, many of them concurrently.

    They are taken from the end of the list, and more may be added during the listing. ``name_of`` returns a
    folder's name as an SFTP string.
    """
    flow = Flow(sftp)
    under_way: set[_Listing] = set()
    try:
        while True:
            while folders and len(under_way) < UNDER_WAY:
                under_way.add(listing := _Listing(folders.pop()))
                flow.ask((_OPENED, listing), OPENDIR, name_of(listing.folder))
            if not flow.pending:
                return
            flow.flush()
            for (stage, listing), kind, payload in flow.some():
                if stage == _OPENED and kind == HANDLE:
                    listing.handle = payload
                    flow.ask((_READ, listing), READDIR, payload)
                elif (
                    stage == _READ
                    and kind == NAME
                    and not _has_ended(sftp, listing, shown := dict(names(payload)))
                ):
                    if shown:
                        yield Page(listing.folder, shown)
                    flow.ask((_READ, listing), READDIR, listing.handle)
                elif stage != _CLOSED:
                    is_whole = stage == _READ and (kind, payload[:4]) in ENDS
                    yield Page(listing.folder, {}, is_last=True, is_whole=is_whole)
                    under_way.discard(listing)
                    if listing.handle:
                        flow.ask((_CLOSED, listing), CLOSE, listing.handle)
    finally:
        with suppress(RedError):  # nothing depends on the answers
            for listing in under_way:
                if listing.handle:
                    flow.ask((_CLOSED, listing), CLOSE, listing.handle)
            flow.flush()


def _has_ended(sftp: Sftp, listing: _Listing, shown: Names) -> bool:
    """Whether an answer without names is the end: the second in a row is, as some servers send no other.

    If the same names are repeated, the listing is endless: ProtocolViolation.
    """
    if not shown:
        listing.empty += 1
        return listing.empty == 2
    listing.empty = 0
    page = hash(tuple(shown))
    if page in listing.seen:
        raise ProtocolViolation(f"{sftp.host}: its directory listing is endless")
    listing.seen.add(page)
    return False
