"""A TCP relay in front of a server that does not serve every connection."""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence

from tests.servers import accepted, hang_up

SERVE = "serve"
RESET, CLOSE = "reset", "close"  # soon, with nothing read
RESET_LATE, CLOSE_LATE = "reset late", "close late"  # once a request has come, without an answer
IGNORE = "ignore"  # accepted, and nobody reads from it
ABORT = struct.pack("ii", 1, 0)  # of SO_LINGER: closing it sends RST


class Relay:
    """``fates``: what becomes of the first connections, one after another; all others are served.

    ``connections``: how many have come.
    """

    def __init__(self, target: int, fates: Sequence[str]) -> None:
        self._target = target
        self._fates = list(fates)
        self._open: list[socket.socket] = []
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        hang_up([self._listener, *self._open])

    def _accept(self) -> None:
        for client in accepted(self._listener):
            self.connections += 1
            self._open.append(client)
            fate = self._fates.pop(0) if self._fates else SERVE
            threading.Thread(target=self._treat, args=(client, fate), daemon=True).start()

    def _treat(self, client: socket.socket, fate: str) -> None:
        with contextlib.suppress(OSError):
            if fate == SERVE:
                server = socket.create_connection(("127.0.0.1", self._target), 10)
                server.settimeout(None)
                self._open.append(server)
                threading.Thread(target=_pass, args=(server, client), daemon=True).start()
                _pass(client, server)
            elif fate != IGNORE:
                if fate in (RESET_LATE, CLOSE_LATE):
                    client.recv(1 << 16)
                else:
                    time.sleep(0.01)  # the client has the connection until then
                if fate in (RESET, RESET_LATE):
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
                client.close()


def _pass(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@contextlib.contextmanager
def start(target: int, *fates: str) -> Iterator[Relay]:
    """A relay to the port ``target`` of this machine."""
    relay = Relay(target, fates)
    try:
        yield relay
    finally:
        relay.close()
