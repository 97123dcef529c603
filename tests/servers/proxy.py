"""A forward proxy: CONNECT for https, full URLs for http; with or without a password."""

import base64
import contextlib
import http.client
import http.server
import socket
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from tests.servers import Seen


class Proxy:
    """``url`` has no credentials; ``seen`` is every request, with its full path or CONNECT target."""

    url = ""
    port = 0

    def __init__(self) -> None:
        self.seen: list[Seen] = []


@contextlib.contextmanager
def start(username: str = "", password: str = "") -> Iterator[Proxy]:
    """A proxy that requires the password, if given, and returns 407 without it."""
    proxy = Proxy()
    wanted = "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: Any) -> None:
            pass

        def _admitted(self) -> bool:
            headers = {name.lower(): value for name, value in self.headers.items()}
            proxy.seen.append(Seen(self.command, self.path, headers))
            if not username or headers.get("proxy-authorization") == wanted:
                return True
            self.send_response(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return False

        def do_CONNECT(self) -> None:
            if not self._admitted():
                return
            host, _, port = self.path.rpartition(":")
            try:
                far = socket.create_connection((host, int(port)), 5)
            except OSError:
                self.send_error(502)
                return
            far.settimeout(None)
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(far, self.connection), daemon=True)
            back.start()
            _copy(self.connection, far)
            back.join()
            self.close_connection = True

        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self._admitted():
                return
            parts = urlsplit(self.path)
            far = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=10)
            own = ("proxy-authorization", "proxy-connection", "connection", "expect")
            headers = {name: value for name, value in self.headers.items() if name.lower() not in own}
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            try:
                far.request(self.command, target, body or None, headers)
                answer = far.getresponse()
                content = answer.read()
            except OSError:
                self.send_error(502)
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            far.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = do_OPTIONS = do_PROPFIND = do_MKCOL = do_MOVE = (
            _forward
        )

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        proxy.port = int(listener.server_address[1])
        proxy.url = f"http://127.0.0.1:{proxy.port}"
        threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield proxy
        finally:
            listener.shutdown()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy until ``source`` ends or either side fails; then shut down the other side."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
