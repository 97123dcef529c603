"""A faulty connection to a server: it cuts, resets, stalls, trickles or damages the data."""

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from tests.servers import accepted, hang_up

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST
TRICKLE = 0.15  # seconds between two bytes
BLOCK = 1 << 16


@dataclass(frozen=True)
class Fault:
    """A fault after ``after`` bytes in one direction: ``up`` to the server, or down from it. ``connection``
    is the affected one, counted from 0; -1: all.
    """

    name: str
    after: int
    up: bool = False
    connection: int = -1
    call: Callable[[], None] | None = None


class Line(NamedTuple):
    client: socket.socket
    server: socket.socket
    number: int


class Relay:
    """``port`` leads to the local port ``target``; ``struck`` counts the faults so far."""

    def __init__(self, target: int, fault: Fault) -> None:
        self.struck = 0
        self._target = target
        self._fault = fault
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        hang_up([self._listener, *self._open])

    def _accept(self) -> None:
        for number, client in enumerate(accepted(self._listener)):
            try:
                server = socket.create_connection(("127.0.0.1", self._target), 10)
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            line = Line(client, server, number)
            threading.Thread(target=self._carry, args=(line,), daemon=True).start()

    def _carry(self, line: Line) -> None:
        with contextlib.suppress(OSError, ValueError):  # ValueError: closed by hang_up
            self._pass_on(line)
        line.client.close()
        line.server.close()

    def _pass_on(self, line: Line) -> None:
        """In one thread, so that close takes effect at once: no thread is blocked on the socket."""
        for one in line[:2]:
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            one.settimeout(30)
        due = self._fault.connection in (-1, line.number)
        passed = 0
        sources = [line.client, line.server]
        while sources:
            ready = select.select(sources, [], [], 60)[0]
            if not ready:
                return
            for source in ready:
                sink = line.server if source is line.client else line.client
                data = source.recv(BLOCK)
                if not data:
                    sources.remove(source)
                    sink.shutdown(socket.SHUT_WR)
                elif due and self._fault.up == (source is line.client):
                    if passed + len(data) > self._fault.after:
                        at = self._fault.after - passed
                        due = False
                        self.struck += 1
                        sink.sendall(data[:at])
                        if not STRIKE[self._fault.name](line, sink, data[at:], self._fault):
                            return
                    else:
                        passed += len(data)
                        sink.sendall(data)
                else:
                    sink.sendall(data)


def _cut(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    for one in line[:2]:
        one.shutdown(socket.SHUT_RDWR)
    return False


def _reset(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    time.sleep(0.01)  # RST discards unread bytes
    for one in line[:2]:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return False


def _stall(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    """Stall both directions until the client disconnects."""
    line.client.settimeout(60)
    while line.client.recv(BLOCK):
        pass
    return False


def _trickle(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    """Slow for a while, but never silent for RED_TIMEOUT."""
    for at in range(min(8, len(rest))):
        sink.sendall(rest[at : at + 1])
        time.sleep(TRICKLE)
    sink.sendall(rest[8:])
    return True


def _flip(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    sink.sendall(bytes([rest[0] ^ (1 << fault.after % 8)]) + rest[1:])
    return True


def _lose(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    sink.sendall(rest[1 + fault.after % 40 :])
    return True


def _call(line: Line, sink: socket.socket, rest: bytes, fault: Fault) -> bool:
    assert fault.call
    fault.call()
    sink.sendall(rest)
    return True


STRIKE: dict[str, Callable[[Line, socket.socket, bytes, Fault], bool]] = {
    "cut": _cut,
    "reset": _reset,
    "stall": _stall,
    "trickle": _trickle,
    "flip": _flip,
    "lose": _lose,
    "call": _call,
}
"""Each gets the bytes from the fault on, and returns whether to continue."""


@contextlib.contextmanager
def relay(target: int, fault: Fault) -> Iterator[Relay]:
    one = Relay(target, fault)
    try:
        yield one
    finally:
        one.close()
