"""SFTP's message format: version 3, draft-ietf-secsh-filexfer-02, and OpenSSH's extensions."""

import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from connectors.errors import (
    CannotCreate,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)

INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(3, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK = range(13, 20)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, NO_CONNECTION, CONNECTION_LOST = range(8)
UNSUPPORTED, FILE_ALREADY_EXISTS = 8, 11  # the second is from a later version, but ProFTPD sends it in 3
REFUSALS = (PERMISSION_DENIED, UNSUPPORTED)
NOT_A_DIRECTORY = FAILURE, "Not a directory"
"""ProFTPD's answer if a file is where a folder is expected. Others answer NO_SUCH_FILE."""
ANSWERS = {
    OPEN: HANDLE,
    OPENDIR: HANDLE,
    READDIR: NAME,
    REALPATH: NAME,
    **dict.fromkeys((STAT, LSTAT, FSTAT), ATTRS),
}
"""The answer to each request; all others get a status."""

FOR_READING, FOR_WRITING, CREATING, TRUNCATING = 1, 2, 8, 16

NO_ATTRIBUTES = b"\0\0\0\0"

FOR_READING_ONLY = struct.pack(">I", FOR_READING) + NO_ATTRIBUTES
FOR_REPLACING = struct.pack(">I", FOR_WRITING | CREATING | TRUNCATING)

POSIX_RENAME = "posix-rename@openssh.com"
LIMITS = "limits@openssh.com"
SAFE_BLOCK = 32768  # bytes that every server supports in one request (draft, section 3)
LONGEST_BLOCK = 261120  # bytes: OpenSSH's limit; more is never requested
LONGEST_MESSAGE = 1 << 20  # bytes; a server that announces more is not speaking SFTP


class Attributes(NamedTuple):
    """A file's attributes; None for those the server did not send. ``modified`` is in seconds since 1970."""

    size: int | None = None
    owner: int | None = None
    mode: int | None = None
    modified: int | None = None


class Status(RedError):
    """A request was answered with a status other than OK; ``failure`` translates it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.status = code


def failure(status: Status, place: str) -> RedError:
    """The error for ``status``, the answer to a request about ``place`` (a name for messages)."""
    code, text = status.status, status.message
    if code == NO_SUCH_FILE:
        return NotFound(f"{place}: no such file or directory")
    if code == PERMISSION_DENIED:
        return NotPermitted(f"{place}: permission denied")
    if code == FILE_ALREADY_EXISTS:
        return CannotCreate(f"cannot make {place}: it already exists")
    if code in (UNSUPPORTED, BAD_MESSAGE):
        return ProtocolViolation(f"{place}: the server does not support this: {text}")
    if code == FAILURE:
        return TemporaryFailure(
            f"{place}: the server reported a failure: {text}", hint="is the disk there full?"
        )
    return TemporaryFailure(f"{place}: {text or f'status {code}'}")


class Fields:
    """Reads the fields of a message in order; ProtocolViolation if it ends too early."""

    def __init__(self, payload: bytes, position: int = 0) -> None:
        self._payload = payload
        self._position = position

    def left(self) -> int:
        return len(self._payload) - self._position

    def take(self, count: int) -> bytes:
        if count > self.left():
            raise ProtocolViolation("the server sent an incomplete answer")
        self._position += count
        return self._payload[self._position - count : self._position]

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> Attributes:
        size = owner = mode = modified = None
        flags = self.number()
        if flags & 1:
            size = int.from_bytes(self.take(8), "big")
        if flags & 2:
            owner = self.number()
            self.take(4)
        if flags & 4:
            mode = self.number()
        if flags & 8:
            self.take(4)
            modified = self.number()
        if flags & 0x80000000:
            for _ in range(self.number()):
                self.string()
                self.string()
        return Attributes(size, owner, mode, modified)


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def with_mode(mode: int | None) -> bytes:
    """Attributes that set the permission bits, or nothing."""
    return struct.pack(">II", 4, mode & 0o7777) if mode is not None else NO_ATTRIBUTES


def checked(kind: int, payload: bytes, wanted: int = STATUS) -> bytes:
    """The payload of an answer, which must be of kind ``wanted``; Status for a status other than OK."""
    if kind == STATUS:
        fields = Fields(payload)
        code = fields.number()
        if code != OK:
            text = fields.string().decode("utf-8", "replace") if fields.left() >= 4 else ""
            raise Status(NO_SUCH_FILE if (code, text) == NOT_A_DIRECTORY else code, text)
    if kind != wanted:
        raise ProtocolViolation("the server answered a request that was not made")
    return payload


def attributes(payload: bytes) -> Attributes:
    return Fields(payload).attributes()


def names(payload: bytes) -> Iterator[tuple[bytes, Attributes]]:
    """The names in an answer to READDIR or REALPATH."""
    fields = Fields(payload)
    for _ in range(fields.number()):
        name = fields.string()
        fields.string()
        yield name, fields.attributes()


class Frames:
    """Splits a stream of bytes into messages; ``take`` gets each, without its length; valid in that call."""

    def __init__(self, take: Callable[[memoryview], None]) -> None:
        self._take = take
        self._partial = bytearray()
        self._needed = 4

    @property
    def kind(self) -> int:
        """The kind of the incomplete message; 0 if there is none, or its kind is unknown."""
        return self._partial[4] if len(self._partial) > 4 else 0

    def feed(self, view: memoryview) -> None:
        """Take the next bytes; ProtocolViolation if they are not SFTP. Copies only split messages."""
        partial = self._partial
        position = 0
        while True:
            if partial:
                missing = self._needed - len(partial)
                partial += view[position : position + missing]
                position += missing
                if len(partial) < self._needed:
                    return
                if self._needed == 4:
                    self._needed = 4 + _length(partial, 0)
                    continue
                self._take(memoryview(partial)[4:])
                partial = self._partial = bytearray()
                self._needed = 4
            elif len(view) - position < 4:
                partial += view[position:]
                return
            else:
                end = position + 4 + _length(view, position)
                if end > len(view):
                    self._needed = end - position
                    partial += view[position:]
                    return
                self._take(view[position + 4 : end])
                position = end


def _length(data: memoryview | bytearray, position: int) -> int:
    (length,) = struct.unpack_from(">I", data, position)
    if not 1 <= length <= LONGEST_MESSAGE:
        raise ProtocolViolation("the server sent data that is not SFTP")
    return int(length)
