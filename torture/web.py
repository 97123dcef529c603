"""An in-memory web server that is correct, including WebDAV, except for the requested lie."""

import contextlib
import hashlib
import html
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import BinaryIO
from urllib.parse import quote, unquote, urlsplit

from tests.servers import accepted, hang_up

OLD = "Tue, 15 Nov 1994 12:45:26 GMT"
CHUNK = 9000
WRITING = {"PUT": 201, "POST": 201, "MOVE": 201, "MKCOL": 201, "DELETE": 204}


@dataclass
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")


@dataclass
class Answer:
    """``framing`` delimits the body: length, chunks, or close. ``raw`` replaces everything."""

    status: int = 200
    reason: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    framing: str = "length"
    trailers: dict[str, str] = field(default_factory=dict)
    version: str = "HTTP/1.1"
    before: bytes = b""
    raw: bytes | None = None
    hold: bool = False
    """Whether it stalls afterwards, with the connection open."""

    @property
    def has_body(self) -> bool:
        return self.status >= 200 and self.status not in (204, 304)

    def pieces(self, method: str) -> list[tuple[str, bytes]]:
        """Name and bytes of each part."""
        if self.raw is not None:
            return [("all", self.raw)]
        reason = self.reason or _phrase(self.status)
        line = f"{self.version} {self.status} {reason}\r\n".encode("utf-8", "surrogateescape")
        fields = dict(self.fields)
        if self.has_body and self.framing == "length":
            fields.setdefault("Content-Length", str(len(self.body)))
        elif self.framing == "chunks":
            fields.setdefault("Transfer-Encoding", "chunked")
        elif self.framing == "close":
            fields.setdefault("Connection", "close")
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        found = [("before", self.before), ("status line", line)]
        found += [("header", head.encode("utf-8", "surrogateescape")), ("end of the header", b"\r\n")]
        if method != "HEAD" and self.has_body:
            found += self._chunks() if self.framing == "chunks" else [("body", self.body)]
        return [(name, data) for name, data in found if data]

    def _chunks(self) -> Iterator[tuple[str, bytes]]:
        for at in range(0, len(self.body), CHUNK):
            chunk = self.body[at : at + CHUNK]
            yield from (
                ("chunk's length", b"%x\r\n" % len(chunk)),
                ("chunk", chunk),
                ("end of a chunk", b"\r\n"),
            )
        yield "last chunk", b"0\r\n"
        trailers = "".join(f"{name}: {value}\r\n" for name, value in self.trailers.items())
        yield "trailers", trailers.encode()
        yield "end of the trailers", b"\r\n"


def _phrase(status: int) -> str:
    with contextlib.suppress(ValueError):
        return HTTPStatus(status).phrase
    return "Strange"


@dataclass
class Ending:
    """The response is cut in the piece ``place``, at ``part`` (0 to 1) of it; ``how``: end, reset, stall."""

    place: str
    part: float
    how: str


@dataclass
class Lie:
    """What is wrong: ``twist`` changes the correct response, ``ending`` how it is sent. It applies to
    requests of ``methods`` (all, if empty), after the first ``after``, ``times`` times. ``acts``: the
    request is executed nevertheless. ``told`` counts the lies, ``told_to`` their methods.
    """

    methods: frozenset[str] = frozenset()
    after: int = 0
    times: int = 1 << 30
    acts: bool = True
    twist: Callable[[Request, Answer], object] | None = None
    ending: Ending | None = None
    about: Callable[[Request], bool] = lambda request: True
    told: int = 0
    told_to: set[str] = field(default_factory=set)
    seen: int = 0


class Server:
    """``files`` are contents by path, ``folders`` the folders; both without outer slashes. ``dav`` and
    ``index`` are the features; ``framing`` is how bodies are sent; ``validators`` which of ETag and
    Last-Modified it has. ``allowed`` are the accepted values of Authorization.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: set[str] = {""}
        self.dav = True
        self.index = True
        self.framing = "length"
        self.validators: tuple[str, ...] = ("ETag", "Last-Modified")
        self.fields: dict[str, str] = {}
        self.allowed: set[str] = set()
        self.lies: list[Lie] = []
        self.seen: list[Request] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        hang_up([self._listener, *self._open])

    # -- one conversation --------------------------------------------------------------------------

    def _accept(self) -> None:
        for client in accepted(self._listener):
            self._open.append(client)
            threading.Thread(target=self._converse, args=(client,), daemon=True).start()

    def _converse(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(60)
        with contextlib.suppress(OSError, ValueError), client, client.makefile("rb") as stream:
            while (request := self._request(client, stream)) and self._respond(client, request):
                pass

    def _request(self, client: socket.socket, stream: BinaryIO) -> Request | None:
        line = stream.readline(65537).decode("latin-1").split()
        if len(line) < 2:
            return None
        headers = {}
        while (text := stream.readline(65537)) not in (b"\r\n", b""):
            name, _, value = text.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        if "100-continue" in headers.get("expect", "").lower():
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = int(headers.get("content-length") or 0)
        body = stream.read(length)
        return Request(line[0], line[1], headers, body) if len(body) == length else None

    def _respond(self, client: socket.socket, request: Request) -> bool:
        with self._lock:
            self.seen.append(request)
            lie = self._lie(request)
            if lie and not lie.acts and request.method in WRITING:
                answer = Answer(WRITING[request.method])
            else:
                answer = self.right(request)
            if lie and lie.twist:
                lie.twist(request, answer)
        pieces = answer.pieces(request.method)
        if lie and lie.ending:
            return self._break_off(client, pieces, lie.ending)
        client.sendall(b"".join(data for _, data in pieces))
        if answer.hold:
            while client.recv(65536):
                pass
        return not (answer.framing == "close" or answer.raw is not None or answer.hold)

    def _lie(self, request: Request) -> Lie | None:
        for lie in self.lies:
            if (not lie.methods or request.method in lie.methods) and lie.about(request):
                lie.seen += 1
                if lie.after < lie.seen <= lie.after + lie.times:
                    lie.told += 1
                    lie.told_to.add(request.method)
                    return lie
        return None

    @staticmethod
    def _break_off(client: socket.socket, pieces: list[tuple[str, bytes]], ending: Ending) -> bool:
        """In the named piece, if it exists, otherwise in any other; never after the last byte."""
        names = [name for name, _ in pieces]
        at = names.index(ending.place) if ending.place in names else int(ending.part * len(names))
        inside = pieces[at][1]
        sent = b"".join(data for _, data in pieces[:at]) + inside[: int(ending.part * len(inside))]
        client.sendall(sent)
        if ending.how == "stall":
            while client.recv(65536):
                pass
        elif ending.how == "reset":
            time.sleep(0.01)  # RST discards unread bytes
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    # -- what is right -----------------------------------------------------------------------------

    def right(self, request: Request) -> Answer:
        """Execute the request; returns the correct response."""
        if self.allowed and request.headers.get("authorization", "") not in self.allowed:
            return Answer(401, fields={"WWW-Authenticate": 'Basic realm="here"'})
        does = getattr(self, f"_{request.method.lower()}", None)
        if does is None or (not self.dav and request.method in ("PROPFIND", "MOVE", "MKCOL")):
            return Answer(405, fields={"Allow": "GET, HEAD, PUT, DELETE, OPTIONS"})
        answer: Answer = does(request)
        if answer.body and request.method in ("GET", "PROPFIND"):
            answer.framing = self.framing if answer.status in (200, 207) else "length"
        return answer

    def version(self, content: bytes) -> dict[str, str]:
        all_ = {"ETag": f'"{hashlib.sha256(content).hexdigest()[:16]}"', "Last-Modified": OLD}
        return {name: value for name, value in all_.items() if name in self.validators}

    def _get(self, request: Request) -> Answer:
        name = request.name
        if name in self.folders:
            if not request.path.endswith("/"):
                return Answer(301, fields={"Location": request.path + "/"})
            return self._page(name) if self.index else Answer(403)
        if name not in self.files or request.path.endswith("/"):
            return Answer(404, body=b"not here")
        content = self.files[name]
        fields = {**self.version(content), **self.fields, "Accept-Ranges": "bytes"}
        asked, known = request.headers.get("range", ""), request.headers.get("if-range", "")
        if request.headers.get("if-none-match", "-") == fields.get("ETag"):
            return Answer(304, fields=fields)
        if asked.startswith("bytes=") and known in ("", fields.get("ETag"), fields.get("Last-Modified")):
            begin, _, end = asked[6:].partition("-")
            first, last = int(begin), min(int(end or len(content)), len(content) - 1)
            if first >= len(content):
                return Answer(416, fields={"Content-Range": f"bytes */{len(content)}"})
            fields["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            return Answer(206, fields=fields, body=content[first : last + 1])
        return Answer(200, fields=fields, body=content)

    _head = _get

    def _put(self, request: Request) -> Answer:
        name = request.name
        folder = name.rpartition("/")[0]
        if name in self.folders:
            return Answer(405)
        if folder not in self.folders:
            if self.dav:
                return Answer(409)
            self.make_dir(folder)
        new = name not in self.files
        self.files[name] = request.body
        return Answer(201 if new else 204)

    _post = _put

    def _delete(self, request: Request) -> Answer:
        return Answer(404 if self.files.pop(request.name, None) is None else 204)

    def _options(self, request: Request) -> Answer:
        return Answer(fields={"Allow": "GET, HEAD, PUT, DELETE", **({"DAV": "1, 2"} if self.dav else {})})

    def _mkcol(self, request: Request) -> Answer:
        if request.name in self.folders or request.name in self.files:
            return Answer(405)
        if request.name.rpartition("/")[0] not in self.folders:
            return Answer(409)
        self.folders.add(request.name)
        return Answer(201)

    def _move(self, request: Request) -> Answer:
        target = unquote(urlsplit(request.headers.get("destination", "")).path).strip("/")
        if request.name not in self.files or target in self.folders:
            return Answer(404)
        self.files[target] = self.files.pop(request.name)
        return Answer(201)

    def make_dir(self, path: str) -> None:
        while path:
            self.folders.add(path)
            path = path.rpartition("/")[0]

    def children(self, folder: str) -> list[tuple[str, bool]]:
        """Each name, and whether it is a folder."""
        both = [(path, path in self.folders) for path in sorted({*self.files, *self.folders} - {""})]
        return [(path.rpartition("/")[2], deep) for path, deep in both if path.rpartition("/")[0] == folder]

    def _page(self, folder: str) -> Answer:
        links = "".join(link(name, deep) for name, deep in self.children(folder))
        return Answer(fields={"Content-Type": "text/html"}, body=page(folder, links))

    def _propfind(self, request: Request) -> Answer:
        folder = request.name
        if folder not in self.folders:
            return Answer(404 if folder not in self.files else 207)
        here = quote(f"/{folder}/" if folder else "/")
        found = response(here, deep=True)
        for name, deep in self.children(folder):
            size = 0 if deep else len(self.files[f"{folder}/{name}".strip("/")])
            found += response(here + quote(name) + "/" * deep, deep=deep, size=size)
        return Answer(207, fields={"Content-Type": "application/xml"}, body=multistatus(found))


def link(name: str, deep: bool) -> str:
    return f'<a href="{quote(name)}{"/" * deep}">{html.escape(name)}</a>\n'


def page(folder: str, links: str) -> bytes:
    """As in nginx."""
    title = f"Index of /{html.escape(folder)}/"
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1><hr><pre>"
        f'<a href="../">../</a>\n{links}</pre><hr></body>\r\n</html>\r\n'
    ).encode()


def response(href: str, *, deep: bool, size: int = 0, status: str = "HTTP/1.1 200 OK") -> str:
    kind = "<D:resourcetype><D:collection/></D:resourcetype>" if deep else "<D:resourcetype/>"
    length = "" if deep else f"<D:getcontentlength>{size}</D:getcontentlength>"
    return (
        f"<D:response><D:href>{html.escape(href)}</D:href><D:propstat><D:prop>{kind}{length}</D:prop>"
        f"<D:status>{status}</D:status></D:propstat></D:response>"
    )


def multistatus(responses: str) -> bytes:
    head = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">'
    return f"{head}{responses}</D:multistatus>".encode()


@contextlib.contextmanager
def start() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()
