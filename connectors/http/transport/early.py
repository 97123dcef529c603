"""Connections that are begun before it is known what to ask: a round trip, while Python still imports.

Nothing is sent on them. libcurl takes one where it wants a connection to that very address; those that
nobody takes end with the program.
"""

import _socket  # socket itself would take as long to import as all of the rest
import os
import re
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connectors.http.transport.curl import pycurl

PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # what sets a proxy, in any case
PLAIN_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/.*)?")
LONGEST_WAIT = 1.0  # seconds; then libcurl does it in its own way
LONGEST_OF_SEVERAL = 0.2  # seconds for the first of several addresses: libcurl tries the next one by then

_pending: list["_Pending"] = []


class _Pending:
    """A connection that is being made, by a thread of its own: names may take a while to resolve.

    One ``after`` another, and only if that was made: a server that serves one connection at a time serves the
    one that came first, and that is the one to be taken first.
    """

    def __init__(self, host: str, port: int, after: "_Pending | None") -> None:
        self._where = host, port
        self._after = after
        self._socket: _socket.socket | None = None
        self._is_made = False
        self._thread = threading.Thread(target=self._connect, daemon=True)
        self._thread.start()

    def _connect(self) -> None:
        try:
            host, port = self._where  # the host in bytes: a string would import the codec of IDNA
            found = _socket.getaddrinfo(host.encode(), port, 0, _socket.SOCK_STREAM)
            if self._after and not self._after.is_made():
                return
            family, kind, protocol, _, address = found[0]
            one = _socket.socket(family, kind, protocol)
            one.settimeout(LONGEST_WAIT if len(found) == 1 else LONGEST_OF_SEVERAL)
            one.connect(address)
            one.setblocking(False)
            self._socket, self._is_made = one, True
        except (OSError, OverflowError, UnicodeError):
            pass  # libcurl will find that out, and say it

    def is_made(self) -> bool:
        self._thread.join(LONGEST_WAIT)
        return self._is_made

    def reached(self, address: tuple[object, ...]) -> "_socket.socket | None":
        """The connection, if it leads to ``address`` and the server has not ended it meanwhile."""
        if not self.is_made():
            return None
        one, self._socket = self._socket, None
        try:
            if one and one.getpeername()[:2] == address[:2]:
                one.recv(1, _socket.MSG_PEEK | _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return one
        except OSError:
            pass
        return None  # its end, or bytes that nobody has asked for


class Offer:
    """What one handle takes. ``taken``: whether the latest connection was opened early."""

    taken = False

    # An exception must not leave these two: libcurl would print it.

    def open_socket(self, _: int, wanted: tuple[int, int, int, tuple[object, ...]]) -> "_socket.socket | int":
        from connectors.http.transport.curl import pycurl

        family, kind, protocol, address = wanted
        try:
            early = _pending.pop(0).reached(address)
        except IndexError:
            early = None
        self.taken = early is not None
        try:
            return early or _socket.socket(family, kind, protocol)
        except OSError:  # no file descriptor, or no such protocol here
            return pycurl.SOCKET_BAD

    def is_connected(self, *_: object) -> int:
        from connectors.http.transport.curl import pycurl

        return pycurl.SOCKOPT_ALREADY_CONNECTED if self.taken else pycurl.SOCKOPT_OK


def begin(url: object, count: int) -> None:
    """Begin ``count`` connections to the server of ``url``, if that is a plain URL and no proxy is set."""
    match = PLAIN_URL.fullmatch(url) if isinstance(url, str) else None
    if match is None or any(name.lower() in PROXIES and value for name, value in os.environ.items()):
        return
    scheme, host, port = match.groups()
    number = int(port or {"http": 80, "https": 443}[scheme])
    last = None
    for _ in range(count):
        try:
            last = _Pending(host.strip("[]"), number, last)
        except RuntimeError:  # the machine gives us no more threads
            return
        _pending.append(last)


def offer(handle: "pycurl.Curl") -> Offer:
    """Let ``handle`` take such a connection in place of making one."""
    made = Offer()
    if _pending:
        from connectors.http.transport.curl import pycurl

        handle.setopt(pycurl.OPENSOCKETFUNCTION, made.open_socket)
        handle.setopt(pycurl.SOCKOPTFUNCTION, made.is_connected)
    return made


def forget() -> None:
    """Offer no more: a server that has ended one of them ends the others as well."""
    _pending.clear()
