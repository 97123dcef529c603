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
    import pycurl

PLAIN_URL = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?(?:/.*)?")
LONGEST_WAIT = 1.0  # seconds; then libcurl does it in its own way, with all addresses that there are

_pending: list["_Pending"] = []


class _Pending:
    """A connection that is being made, by a thread of its own: names may take a while to resolve."""

    def __init__(self, host: str, port: int) -> None:
        self._where = host, port
        self._socket: _socket.socket | None = None
        self._thread = threading.Thread(target=self._connect, daemon=True)
        self._thread.start()

    def _connect(self) -> None:
        try:
            host, port = self._where  # the host in bytes: a string would import the codec of IDNA
            found = _socket.getaddrinfo(host.encode(), port, 0, _socket.SOCK_STREAM)
            family, kind, protocol, _, address = found[0]
            one = _socket.socket(family, kind, protocol)
            one.settimeout(LONGEST_WAIT)
            one.connect(address)
            self._socket = one
        except (OSError, OverflowError, UnicodeError):
            pass  # libcurl will find that out, and say it

    def reached(self, address: tuple[object, ...]) -> "_socket.socket | None":
        """The connection, if it leads to ``address``."""
        self._thread.join(LONGEST_WAIT)
        if self._socket and self._socket.getpeername()[:2] == address[:2]:
            return self._socket
        return None


def begin(url: object, count: int) -> None:
    """Begin ``count`` connections to the server of ``url``, if that is a plain URL and no proxy is set."""
    match = PLAIN_URL.fullmatch(url) if isinstance(url, str) else None
    if match is None or any(name.lower().endswith("_proxy") and value for name, value in os.environ.items()):
        return
    scheme, host, port = match.groups()
    number = int(port or {"http": 80, "https": 443}[scheme])
    _pending.extend(_Pending(host.strip("[]"), number) for _ in range(count))


def offer(handle: "pycurl.Curl") -> None:
    """Let ``handle`` take such a connection in place of making one."""
    if not _pending:
        return
    import pycurl

    taken = False

    def open_socket(purpose: int, address: tuple[int, int, int, tuple[object, ...]]) -> _socket.socket:
        nonlocal taken
        family, kind, protocol, where = address
        try:
            early = _pending.pop().reached(where)
        except IndexError:
            early = None
        taken = early is not None
        return early or _socket.socket(family, kind, protocol)

    def is_connected(*_: object) -> int:
        return pycurl.SOCKOPT_ALREADY_CONNECTED if taken else pycurl.SOCKOPT_OK

    handle.setopt(pycurl.OPENSOCKETFUNCTION, open_socket)
    handle.setopt(pycurl.SOCKOPTFUNCTION, is_connected)
