"""An HTTP/1.1 server that misbehaves on request, one path at a time.

    with fault.start() as server:
        server.on("/a", Reply(b"x" * 100, cut=40), Reply(b"x" * 100))

The first request for /a gets forty bytes and a closed connection, later ones everything. For paths without a
script GET returns 404; PUT and POST store the body, GET returns it, and DELETE removes it.
"""

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import urlsplit

from tests.servers import Seen, accepted, hang_up


@dataclass(frozen=True)
class Reply:
    """One response. By default that of a correct server with ranges and If-Range."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    etag: str = ""
    last_modified: str = ""
    ranges: bool = True
    """Answer a Range with 206; else ignore it."""
    content_range: str = ""
    """Sent instead of the true Content-Range."""
    length: int | None = None
    """Sent instead of the true Content-Length; -1 omits it, so that closing ends the body."""
    chunked: bool = False
    trailer: Mapping[str, str] = field(default_factory=dict)
    """Trailers of a chunked body."""
    cut: int | None = None
    """Close the connection after that many bytes of the body."""
    reset: bool = False
    """Close with RST instead of FIN."""
    notify: bool = False
    """Over TLS, say close_notify before closing."""
    stall: int | None = None
    """After that many bytes of the body, stall until the client disconnects; -1: not even headers."""
    pause: float = 0.0
    """Seconds to wait before responding."""
    raw: bytes | None = None
    """Send just this, then close."""
    endless: bool = False
    """Headers without end."""
    accept: int | None = None
    """Read only that many bytes of an upload before responding. None reads all."""
    silent: bool = False
    """Close without a response, once the upload has been read up to ``accept``."""
    wants_cookie: str = ""
    """Without this cookie in the request, redirect (302) to the same URL and set it, with its attributes."""
    store: bool = True
    """Store uploads (only with a success status)."""


class Limit:
    """A server's limits: ``most`` concurrent requests, ``rate`` per second; otherwise ``status``."""

    def __init__(self, status: int, *, rate: float = 0.0, most: int = 1 << 30) -> None:
        self.refused = 0
        self._status = status
        self._gap = 1 / rate if rate else 0.0
        self._most = most
        self._next = 0.0
        self._under_way = 0
        self._lock = threading.Lock()

    def enter(self) -> Reply | None:
        """None, or the refusal; call ``leave`` after either."""
        with self._lock:
            self._under_way += 1
            now = time.monotonic()
            if self._under_way > self._most or now < self._next:
                self.refused += 1
                return Reply(b"too many", self._status)
            self._next = now + self._gap
            return None

    def leave(self) -> None:
        with self._lock:
            self._under_way -= 1


class FaultServer:
    """``url`` is the base URL; ``seen`` every request with headers, body and time; ``stored`` the uploads."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.seen: list[Seen] = []
        self.stored: dict[str, bytes] = {}
        self.connections = 0
        self.limit = Limit(503)
        self._scripts: dict[tuple[str, str], list[Reply]] = {}
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = int(self._listener.getsockname()[1])
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def on(self, path: str, *replies: Reply, method: str = "GET") -> str:
        """Script ``path`` (as sent, quoted, without its query); the last reply repeats. Returns its URL.
        Without its own script, HEAD gets the next GET's reply.
        """
        self._scripts[method, path] = list(replies)
        return self.url + path

    def requests(self, path: str = "", method: str = "") -> list[Seen]:
        """The requests so far, filtered by path and method if given."""
        return [
            one
            for one in self.seen
            if (not path or urlsplit(one.path).path == path) and (not method or one.method == method)
        ]

    def close(self) -> None:
        hang_up([self._listener, *self._open])

    def _accept(self) -> None:
        for client in accepted(self._listener):
            self.connections += 1
            threading.Thread(target=self._serve, args=(client, str(self.connections)), daemon=True).start()

    def _serve(self, client: socket.socket, connection: str) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError):
            if self._context:
                client = self._context.wrap_socket(client, server_side=True)
            self._open.add(client)
            with client, client.makefile("rb") as stream:
                while self._exchange(client, stream, connection):
                    pass
        self._open.discard(client)

    def _exchange(self, client: socket.socket, stream: BinaryIO, connection: str) -> bool:
        """One request and response; False at the end of the connection."""
        line = stream.readline(65537)
        if not line.strip():
            return False
        method, path, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (header := stream.readline(65537)) not in (b"\r\n", b"\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        at = time.monotonic()
        reply = self.limit.enter() or self._next(method, urlsplit(path).path)
        try:
            return self._answered(client, stream, (method, path, headers, at, connection), reply)
        finally:
            self.limit.leave()

    def _answered(
        self,
        client: socket.socket,
        stream: BinaryIO,
        request: tuple[str, str, dict[str, str], float, str],
        reply: Reply,
    ) -> bool:
        method, path, headers, at, connection = request
        if reply.accept is None and "100-continue" in headers.get("expect", "").lower():
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body, whole = self._body(stream, headers, reply.accept)
        self.seen.append(Seen(method, path, headers, at, reply.status, body, connection))
        if method in ("PUT", "POST") and reply.store and reply.status in (200, 201, 204) and whole:
            self.stored[urlsplit(path).path] = body
        if method == "DELETE" and reply.status == 204:
            self.stored.pop(urlsplit(path).path, None)
        alive = self._answer(client, method, headers, reply)
        return alive and whole

    def _next(self, method: str, path: str) -> Reply:
        with self._lock:
            script = self._scripts.get((method, path))
            if script is not None:
                return script.pop(0) if len(script) > 1 else script[0]
            if method == "HEAD" and ("GET", path) in self._scripts:
                return self._scripts["GET", path][0]
        if method in ("GET", "HEAD"):
            known = self.stored.get(path)
            return Reply(b"not here", 404) if known is None else Reply(known)
        if method in ("PUT", "POST"):
            return Reply(status=201)
        if method == "DELETE" and path in self.stored:
            return Reply(status=204)
        if method == "OPTIONS":
            return Reply(headers={"Allow": "GET, HEAD, PUT, POST, OPTIONS"})
        return Reply(b"no such method", 405, {"Allow": "GET, HEAD, PUT, POST, OPTIONS"})

    @staticmethod
    def _body(stream: BinaryIO, headers: Mapping[str, str], accept: int | None) -> tuple[bytes, bool]:
        """The request's body, and whether it is complete."""
        if "chunked" in headers.get("transfer-encoding", "").lower():
            parts = []
            while size := int(stream.readline().split(b";")[0] or b"0", 16):
                parts.append(stream.read(size))
                stream.readline()
            stream.readline()
            return b"".join(parts), True
        length = int(headers.get("content-length") or 0)
        wanted = length if accept is None else min(accept, length)
        body = stream.read(wanted) if wanted else b""
        return body, len(body) == length

    def _answer(self, client: socket.socket, method: str, headers: Mapping[str, str], reply: Reply) -> bool:
        time.sleep(reply.pause)
        if reply.silent:
            return self._hang_up(client, reply.reset)
        if reply.raw is not None:
            client.sendall(reply.raw)
            if reply.notify and isinstance(client, ssl.SSLSocket):
                client.unwrap()
            return self._hang_up(client, reply.reset)
        if reply.stall == -1:
            return self._stall(client)
        if reply.endless:
            client.sendall(b"HTTP/1.1 200 OK\r\n")
            while True:
                client.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")
        if reply.wants_cookie.partition(";")[0] not in headers.get("cookie", ""):
            reply = Reply(status=302, headers={"Location": "", "Set-Cookie": reply.wants_cookie})
        status, fields, body = _shape(reply, headers)
        head = _lines(fields)
        client.sendall(f"HTTP/1.1 {status} {_phrase(status)}\r\n{head}\r\n".encode("latin-1"))
        if method == "HEAD" or status in (204, 304):
            return True
        for limit, then in (
            (reply.stall, self._stall),
            (reply.cut, lambda one: self._hang_up(one, reply.reset)),
        ):
            if limit is not None and limit <= len(body):
                part = body[:limit]
                client.sendall(b"%x\r\n%s" % (len(body), part) if reply.chunked else part)
                return then(client)
        if reply.chunked:
            chunks = [body[at : at + 65536] for at in range(0, len(body), 65536)]
            behind = "".join(f"{name}: {value}\r\n" for name, value in reply.trailer.items()).encode(
                "latin-1"
            )
            body = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in chunks) + b"0\r\n%s\r\n" % behind
        client.sendall(body)
        if reply.length is not None:
            return self._hang_up(client, reply.reset)
        return True

    @staticmethod
    def _stall(client: socket.socket) -> bool:
        client.settimeout(60)
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass
        return False

    @staticmethod
    def _hang_up(client: socket.socket, reset: bool) -> bool:
        if reset:
            time.sleep(0.05)  # let sent bytes arrive: RST discards unread ones
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_WR)
        return False


def _lines(fields: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items())


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Strange"


def _shape(reply: Reply, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the response: the requested range, if the reply supports ranges."""
    status, body, fields = reply.status, reply.body, dict(reply.headers)
    if reply.etag:
        fields["ETag"] = reply.etag
    if reply.last_modified:
        fields["Last-Modified"] = reply.last_modified
    asked = headers.get("range", "")
    if status == 200 and reply.ranges:
        fields["Accept-Ranges"] = "bytes"
        same = headers.get("if-range", "") in ("", reply.etag, reply.last_modified)
        weak = headers.get("if-range", "").startswith("W/")  # RFC 9110, 13.1.5: strong comparison
        if asked.startswith("bytes=") and same and not weak:
            begin, _, end = asked[6:].partition("-")
            first, last = int(begin or 0), min(int(end), len(body) - 1) if end else len(body) - 1
            if first >= len(body):
                status, fields["Content-Range"], body = 416, f"bytes */{len(body)}", b""
            else:
                status, fields["Content-Range"] = 206, f"bytes {first}-{last}/{len(body)}"
                body = body[first : last + 1]
    if reply.content_range and asked:
        status, fields["Content-Range"] = 206, reply.content_range
    if reply.chunked:
        fields["Transfer-Encoding"] = "chunked"
    elif reply.length is None and status not in (204, 304):
        fields["Content-Length"] = str(len(body))
    elif reply.length is not None and reply.length >= 0:
        fields["Content-Length"] = str(reply.length)
    if reply.length == -1:
        fields["Connection"] = "close"
    return status, fields, body


@contextlib.contextmanager
def start(certificate: tuple[str, str] | None = None) -> Iterator[FaultServer]:
    """The server; with the paths of a certificate and its key it speaks TLS."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    server = FaultServer(context)
    try:
        yield server
    finally:
        server.close()
