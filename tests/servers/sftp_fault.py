"""An in-memory SFTP server whose responses a test can replace, delay or drop. Requests that no fault handles
get the correct response, so a test defines only the error.
"""

import contextlib
import posixpath
import stat
import struct
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import paramiko

from tests.servers import PASSWORD, USERNAME
from tests.servers.ssh_faults import Door, guarded

# The draft's numbers, independent of wire.py: otherwise an error in wire.py would go unnoticed.
INIT, VERSION = 1, 2
OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(3, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME, READLINK = range(13, 20)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
OK, EOF, NO_SUCH_FILE, PERMISSION_DENIED, FAILURE, BAD_MESSAGE, NO_CONNECTION, CONNECTION_LOST = range(8)
UNSUPPORTED = 8
OLD = 1_600_000_000  # modification time of all files, in seconds since 1970


class Request(NamedTuple):
    """``number`` is the client's, ``count`` the number of earlier requests. ``name`` and ``rest`` are its
    fields."""

    kind: int
    number: int
    count: int
    name: bytes
    rest: bytes


class HangUp(Exception):
    """Raised by a fault: close the connection."""


class Silence(Exception):
    """Raised by a fault: do not answer this or later requests."""


Answers = Iterable[bytes] | None
Fault = Callable[[Request], Answers]


def packet(kind: int, number: int, body: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(body) + 5, kind, number) + body


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def status(request: Request, code: int, text: bytes = b"as told") -> bytes:
    return packet(STATUS, request.number, struct.pack(">I", code) + string(text) + string(b"en"))


def data(request: Request, content: bytes) -> bytes:
    return packet(DATA, request.number, string(content))


def attributes(size: int, mode: int, modified: int = OLD) -> bytes:
    return struct.pack(">IQIIIII", 1 | 2 | 4 | 8, size, 1000, 1000, mode, modified, modified)


def names(request: Request, found: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A response to READDIR or REALPATH: names with attributes."""
    entries = [string(name) + string(b"long " + name) + attrs for name, attrs in found]
    return packet(NAME, request.number, struct.pack(">I", len(entries)) + b"".join(entries))


class SftpFault(Door):
    """``files`` and ``folders`` are the contents; ``asked`` the requests so far."""

    def __init__(self) -> None:
        super().__init__()
        self.port = 0
        self.files: dict[bytes, bytearray] = {}
        self.folders: set[bytes] = {b"/", b"/data"}
        self.fault: Fault = lambda request: None
        self.extensions: dict[bytes, bytes] = {b"posix-rename@openssh.com": b"1"}
        self.version = struct.pack(">I", 3)
        self.asked: list[Request] = []
        self.conversations = 0
        self.sent = 0
        self.before_sftp: Callable[[], object] = lambda: None
        """Called before the subsystem request is answered."""
        self.command: Callable[[bytes, bytes], Iterable[bytes]] | None = None
        """The output of a command, given its standard input; None: no shell."""
        self.heedless = False
        """Whether a command ignores the client's window."""
        self._handles: dict[bytes, bytes] = {}
        self._lock = threading.Lock()

    def access(self, **path: str) -> dict[str, Any]:
        """A document, with ``filePath`` or ``dirPath``."""
        auth = {"username": USERNAME, "password": PASSWORD}
        return {"host": "127.0.0.1", "port": self.port, "auth": auth, **path}

    def kinds(self) -> list[int]:
        """The requests, in order."""
        return [request.kind for request in self.asked]

    # -- the door --------------------------------------------------------------------------------------

    def check_auth_password(self, username: str, password: str) -> int:
        return paramiko.common.AUTH_SUCCESSFUL

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        self.before_sftp()
        threading.Thread(target=self._serve, args=(channel,), daemon=True).start()
        return name == "sftp"

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        if self.command:
            threading.Thread(target=self._execute, args=(channel, command), daemon=True).start()
        return self.command is not None

    def _execute(self, channel: paramiko.Channel, command: bytes) -> None:
        assert self.command
        with contextlib.suppress(OSError, EOFError):
            said = channel.makefile("rb").read()
            for output in self.command(command, said):
                self._say(channel, output)
            channel.send_exit_status(0)
            channel.close()

    def _say(self, channel: paramiko.Channel, output: bytes) -> None:
        if not self.heedless:
            channel.sendall(output)
            return
        message = paramiko.Message()
        message.add_byte(paramiko.common.cMSG_CHANNEL_DATA)
        message.add_int(channel.remote_chanid)
        message.add_string(output)
        channel.transport._send_user_message(message)

    def _serve(self, channel: paramiko.Channel) -> None:
        self.conversations += 1
        incoming = channel.makefile("rb")
        with contextlib.suppress(OSError, EOFError, struct.error):
            try:
                while True:
                    (length,) = struct.unpack(">I", incoming.read(4))
                    self._exchange(channel, incoming.read(length))
            except Silence:
                while channel.recv(1 << 16):
                    pass
            except HangUp:
                pass
            channel.close()

    def _exchange(self, channel: paramiko.Channel, message: bytes) -> None:
        for answer in self._answers(message):
            channel.sendall(answer)
            self.sent += len(answer)

    def _answers(self, message: bytes) -> Iterator[bytes]:
        kind = message[0]
        name = rest = b""
        number = 0
        if kind != INIT:
            (number,) = struct.unpack_from(">I", message, 1)
            (length,) = struct.unpack_from(">I", message, 5)
            name, rest = message[9 : 9 + length], message[9 + length :]
        request = Request(kind, number, len(self.asked), name, rest)
        self.asked.append(request)
        told = self.fault(request)
        if told is not None:
            yield from told
        elif kind == INIT:
            body = self.version + b"".join(string(key) + string(one) for key, one in self.extensions.items())
            yield struct.pack(">IB", len(body) + 1, VERSION) + body
        else:
            with self._lock:
                answer = self.right(request)
            yield answer

    # -- what is right ---------------------------------------------------------------------------------

    def right(self, request: Request) -> bytes:
        """The correct response."""
        kind, name, rest = request.kind, request.name, request.rest
        if kind in (READ, WRITE, FSTAT, FSETSTAT, CLOSE, READDIR):
            opened = self._handles.get(name)
            return status(request, FAILURE) if opened is None else self._of_handle(request, opened)
        if kind == REALPATH:
            return names(request, [(posixpath.normpath(posixpath.join(b"/data", name)), attributes(0, 0))])
        if kind in (STAT, LSTAT):
            return self._of_path(request, name)
        if kind == OPEN:
            (flags,) = struct.unpack_from(">I", rest)
            if name not in self.files and not flags & 8:
                return status(request, NO_SUCH_FILE)
            if flags & 8 and posixpath.dirname(name) not in self.folders:
                return status(request, NO_SUCH_FILE)
            if flags & 16:
                self.files[name] = bytearray()
            return self._opened(request, name)
        if kind == OPENDIR:
            return self._opened(request, name) if name in self.folders else status(request, NO_SUCH_FILE)
        if kind == MKDIR:
            self.folders.add(name)
            return status(request, OK)
        if kind == REMOVE:
            return status(request, NO_SUCH_FILE if self.files.pop(name, None) is None else OK)
        if kind == RENAME:
            (length,) = struct.unpack_from(">I", rest)
            return self._rename(request, name, rest[4 : 4 + length], replace=False)
        if kind == EXTENDED and name == b"posix-rename@openssh.com" and name in self.extensions:
            (first,) = struct.unpack_from(">I", rest)
            return self._rename(request, rest[4 : 4 + first], rest[8 + first :], replace=True)
        return status(request, UNSUPPORTED)

    def _opened(self, request: Request, name: bytes) -> bytes:
        handle = b"%d" % request.count
        self._handles[handle] = name
        return packet(HANDLE, request.number, string(handle))

    def _of_handle(self, request: Request, name: bytes) -> bytes:
        if request.kind == CLOSE:
            del self._handles[request.name]
            return status(request, OK)
        if request.kind == READDIR:
            if self._handles[request.name] == b"read":
                return status(request, EOF)
            self._handles[request.name] = b"read"
            return names(request, self._inside(name))
        if request.kind == FSETSTAT:
            return status(request, OK)
        if request.kind == FSTAT:
            return self._of_path(request, name)
        (offset,) = struct.unpack_from(">Q", request.rest)
        content = self.files.get(name)
        if content is None:  # removed: as on systems where that ends an open file
            return status(request, FAILURE)
        if request.kind == WRITE:
            block = request.rest[12:]
            content.extend(bytes(max(0, offset - len(content))))
            content[offset : offset + len(block)] = block
            return status(request, OK)
        (length,) = struct.unpack_from(">I", request.rest, 8)
        block = bytes(content[offset : offset + length])
        return data(request, block) if block else status(request, EOF)

    def _of_path(self, request: Request, name: bytes) -> bytes:
        name = posixpath.normpath(name)
        if name in self.folders:
            return packet(ATTRS, request.number, attributes(0, stat.S_IFDIR | 0o755))
        if name in self.files:
            here = attributes(len(self.files[name]), stat.S_IFREG | 0o644)
            return packet(ATTRS, request.number, here)
        return status(request, NO_SUCH_FILE)

    def _inside(self, folder: bytes) -> list[tuple[bytes, bytes]]:
        found = []
        for name in sorted({*self.files, *self.folders} - {b"/"}):
            if posixpath.dirname(name) == folder:
                directory = name in self.folders
                mode = stat.S_IFDIR | 0o755 if directory else stat.S_IFREG | 0o644
                size = 0 if directory else len(self.files[name])
                found.append((posixpath.basename(name), attributes(size, mode)))
        return found

    def _rename(self, request: Request, old: bytes, new: bytes, *, replace: bool) -> bytes:
        if new in self.folders or (new in self.files and not replace):
            return status(request, FAILURE)
        self.files[new] = self.files.pop(old)
        return status(request, OK)


@contextlib.contextmanager
def start(host_key: Path) -> Iterator[SftpFault]:
    """The server; ``host_key`` is a private key (ed25519)."""
    server = SftpFault()
    with guarded(server, host_key) as listener:
        server.port = listener.port
        yield server
