"""The HTTP side of the fake XNAT: it resolves, records and answers requests."""

import http.server
import re
import secrets
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from tests.servers.xnat.accounts import GUEST, Accounts, Refused, Session, User, credentials
from tests.servers.xnat.archive import Archive
from tests.servers.xnat.containers import Containers
from tests.servers.xnat.exchange import Answer, Body, Broken, Exchange, Failed, page, query_of
from tests.servers.xnat.files import Files
from tests.servers.xnat.resolve import parse
from tests.servers.xnat.site import EXPIRED_PAGE, LOG_IN_PAGE, Site
from tests.servers.xnat.switches import Fault, Switches

# How much of an unused body Tomcat reads, so that the client gets the response (maxSwallowSize).
SWALLOW = 2 << 20


class Asked(NamedTuple):
    """One request that reached the fake; the first fields are those of ``tests.servers.Seen``.

    ``path`` is as sent, with its query; ``user`` the authenticated user; ``session`` its cookie; ``taken``
    the number of body bytes read. Header names are in lower case.
    """

    method: str
    path: str
    headers: dict[str, str]
    at: float
    status: int
    query: dict[str, str]
    user: str
    session: str
    taken: int
    connection: int

    @property
    def refused(self) -> bool:
        """Whether its credentials were refused."""
        return self.status == 401 and "authorization" in self.headers


class Service:
    """Everything behind the sockets. ``context`` is the site's base path: "" or "/xnat"."""

    def __init__(self, archive: Archive, switches: Switches, context: str) -> None:
        self.archive = archive
        self.switches = switches
        self.context = context
        self.accounts = Accounts(switches)
        self.seen: list[Asked] = []
        self._faults: list[tuple[str, re.Pattern[str], Fault]] = []
        self._lock = threading.Lock()
        self._files = Files(archive, switches)
        self._containers = Containers(archive)
        self._site = Site(self.accounts, self._files, switches)

    def fail(self, method: str, path: str, fault: Fault) -> None:
        with self._lock:
            self._faults.append((method, re.compile(path), fault))

    def fault(self, method: str, path: str) -> Fault:
        """The fault for this request, if any."""
        with self._lock:
            for wanted, pattern, fault in self._faults:
                if fault.times and wanted in ("", method) and pattern.search(path):
                    fault.times -= 1
                    return fault
        return Fault()

    def redirect(self, path: str, headers: Mapping[str, str]) -> Answer | None:
        if self.switches.redirect_to:
            where = {"Location": self.switches.redirect_to.rstrip("/") + path}
            return Answer(b"", "text/html", self.switches.redirect_status, where)
        return None

    def answer(self, exchange: Exchange, browser: bool) -> Answer:
        """Handle an authenticated user's request."""
        if self.switches.maintenance:
            return page(200, "We will be back soon.", "Maintenance")
        path = "/".join(exchange.segments)
        if exchange.user.expired and path != EXPIRED_PAGE:
            return Answer(b"", "text/html", 302, {"Location": f"{self.context}/{EXPIRED_PAGE}"})
        guest_may = not self.switches.require_login or path in ("data/JSESSION", "REST/JSESSION", LOG_IN_PAGE)
        if exchange.user.name == GUEST and not guest_may:
            if browser or path == "":
                return Answer(b"", "text/html", 302, {"Location": f"{self.context}/{LOG_IN_PAGE}"})
            refusal = page(401, "The request requires user authentication")
            refusal.headers["WWW-Authenticate"] = 'Basic realm="XNAT Protected Area"'
            return refusal
        if browser and exchange.method not in ("GET", "HEAD") and "XNAT_CSRF" not in exchange.query:
            return page(403, "INVALID CSRF")
        return self._site.answer(exchange) or self._archive_answer(exchange)

    def _archive_answer(self, exchange: Exchange) -> Answer:
        place = parse(exchange.segments[1:]) if exchange.segments[:1] in (["data"], ["REST"]) else None
        if place is None:
            raise Failed(404, "The server has not found anything matching the request URI")
        if exchange.method not in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            raise Failed(405, "The method is not allowed.")
        if place.file is not None:
            return self._files.answer(exchange, place)
        return self._containers.answer(exchange, place)

    def log_in_by_form(self, body: bytes) -> str:
        return self._site.log_in(body)


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Service
    counter = 0
    lock = threading.Lock()

    def setup(self) -> None:
        super().setup()
        with Handler.lock:
            Handler.counter += 1
            self.connection_number = Handler.counter

    def log_message(self, format: str, *arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        service, path = self.service, self.path
        headers = {name.lower(): value for name, value in self.headers.items()}
        fault = service.fault(self.command, path)
        body = Body(self.rfile, headers, fault.drop)  # type: ignore[arg-type]
        cookie = _cookie(headers.get("cookie", ""))
        user = credentials(headers.get("authorization", ""))[0] or GUEST
        status, whole = 0, False
        try:
            if fault.drop == 0:
                raise Broken
            time.sleep(fault.pause)
            if fault.status and not fault.after:
                answer, new = page(fault.status, "This is what the test wants."), ""
            else:
                answer, user, new = self._answer(headers, body, cookie)
            if fault.status and fault.after:
                answer = page(fault.status, "This is what the test wants.")
            status = answer.status
            whole = self._swallow(body)
            self._record(headers, status, user, cookie, body)
            if fault.lose:
                raise Broken
            self._send(answer, new, whole, fault)
        except (Broken, ConnectionError, ssl.SSLError, TimeoutError):
            self.close_connection = True
            if not status:
                self._record(headers, 0, user, cookie, body)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_GET

    def _record(self, headers: dict[str, str], status: int, user: str, cookie: str, body: Body) -> None:
        query = query_of(urlsplit(self.path).query)
        now = time.monotonic()
        self.service.seen.append(
            Asked(
                self.command, self.path, headers, now, status, query, user, cookie, body.taken,
                self.connection_number,
            )
        )  # fmt: skip

    def _answer(self, headers: dict[str, str], body: Body, cookie: str) -> tuple[Answer, str, str]:
        """The response, the user's name, and the session cookie to set, if any."""
        service = self.service
        parted = urlsplit(self.path)
        if redirect := service.redirect(self.path, headers):
            return redirect, GUEST, ""
        if (most := service.switches.largest_body) is not None and body.length > most:
            return Answer(b"<h1>413 Request Entity Too Large</h1>", "text/html", 413), GUEST, ""
        if not parted.path.startswith(service.context):
            return page(404, "Not Found"), GUEST, ""
        segments = parted.path[len(service.context) :].split("/")[1:]
        if segments[-3:] == ["data", "services", "auth"] and self.command in ("PUT", "POST"):
            try:
                key = service.log_in_by_form(body.read(body.length))
            except Failed as error:
                return error.answer, GUEST, ""
            return Answer(key.encode()), service.accounts.sessions[key].user, key
        try:
            user, session, new = service.accounts.enter(headers.get("authorization", ""), cookie)
        except Refused as error:
            return page(error.status, str(error)), GUEST, secrets.token_hex(16).upper()
        if session is None:
            user, session, new = self._guest()
        exchange = Exchange(
            self.command, segments, query_of(parted.query), headers, body, user, session, service.context
        )
        browser = "Mozilla" in headers.get("user-agent", "")
        try:
            answer = service.answer(exchange, browser)
        except Failed as error:
            answer = error.answer
        return answer, user.name, session.key if new else ""

    def _guest(self) -> tuple[User, Session, bool]:
        user = self.service.accounts.users[GUEST]
        return user, self.service.accounts.open(user), True

    def _swallow(self, body: Body) -> bool:
        """Read the rest of the body, as far as Tomcat would; whether that was all."""
        left = SWALLOW
        while left > 0 and body.rest and (block := body.read(min(left, 1 << 16))):
            left -= len(block)
        return not body.rest

    def _send(self, answer: Answer, new: str, whole: bool, fault: Fault) -> None:
        self.send_response(answer.status)
        chunked = answer.length is None
        self.send_header("Content-Type", answer.kind)
        for name, value in answer.headers.items():
            self.send_header(name, value.encode("latin-1", "replace").decode("latin-1"))
        if chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(answer.length))
        switches = self.service.switches
        if new:
            path = self.service.context or "/"
            secure = "; Secure" if switches.secure_cookie else ""
            self.send_header("Set-Cookie", f"JSESSIONID={new}; Path={path}{secure}; HttpOnly")
        life = f'"{int(time.time() * 1000)},{int(switches.session_seconds * 1000)}"'
        self.send_header("Set-Cookie", f"SESSION_EXPIRATION_TIME={life}; Path=/")
        if not whole:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        output = _Output(self.wfile, chunked, fault)  # type: ignore[arg-type]
        if isinstance(answer.body, bytes):
            output.write(answer.body)
        else:
            answer.body(output)
        output.end()


class _Output:
    """Writes the response's body, cut or damaged if the test requests it."""

    def __init__(self, stream: BinaryIO, chunked: bool, fault: Fault) -> None:
        self._stream = stream
        self._chunked = chunked
        self._left = fault.truncate
        self._damage = fault.damage

    def write(self, data: bytes) -> int:
        size = len(data)
        if self._damage and data:
            data, self._damage = bytes([data[0] ^ 255]) + bytes(data[1:]), False
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        if data:
            self._stream.write(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)
        if self._left == 0:
            self._stream.flush()
            time.sleep(0.05)  # let sent bytes arrive before closing
            raise Broken
        return size

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        pass

    def end(self) -> None:
        if self._chunked:
            self._stream.write(b"0\r\n\r\n")


def _cookie(header: str) -> str:
    match = re.search(r"(?:^|;\s*)JSESSIONID=([^;\s]*)", header)
    return match[1] if match else ""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError | ssl.SSLError | TimeoutError):
            super().handle_error(request, client_address)
