"""A TCP relay in front of a server: it delays every byte, or holds the response at a chosen point.

Delay is not throttling: each direction has an unlimited queue of bytes in flight. The kernel answers a
client's handshake at once; with ``handshake`` a connection's first bytes wait for the round trip that it
costs on a network.
"""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator

from tests.servers import accepted, free_port, hang_up

Chunk = tuple[float, bytes]


class Relay:
    """``delay``: seconds each way. ``connections``: how many clients opened. ``passed``: bytes to them."""

    def __init__(self, target: int, delay: float = 0.0, handshake: bool = False) -> None:
        self.target = target
        self.delay = delay
        self.handshake = 2 * delay if handshake else 0.0
        self.port = free_port()
        self.connections = 0
        self.passed = 0
        self._limit: int | None = None
        self._upwards = False
        self._moved = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_after(self, count: int, *, upwards: bool = False) -> None:
        """From now on, let only ``count`` bytes through to clients (or up, to the server), over all
        connections; ``passed`` counts from here, in that direction only.
        """
        with self._moved:
            self.passed, self._limit, self._upwards = 0, count, upwards

    def release(self) -> None:
        """Let everything through again; ``passed`` counts from here."""
        with self._moved:
            self.passed, self._limit = 0, None
            self._moved.notify_all()

    def wait_until_held(self, timeout: float = 20) -> None:
        """Wait until all allowed bytes have passed; AssertionError if that takes too long."""
        with self._moved:
            held = self._moved.wait_for(
                lambda: self._limit is not None and self.passed >= self._limit, timeout
            )
        assert held, f"only {self.passed} bytes went through"

    def close(self) -> None:
        # First the sockets, so that no held bytes get through.
        hang_up([self._listener, *self._open])
        self.release()

    def _accept(self) -> None:
        for client in accepted(self._listener):
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self._open += [client, server]
            for source, sink in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                # Delayed bytes must not be throttled; held bytes must not be lost.
                chunks: queue.Queue[Chunk] = queue.Queue(0 if self.delay else 4)
                wait = self.handshake if source is client else 0.0
                threading.Thread(target=self._take, args=(source, chunks, wait), daemon=True).start()
                threading.Thread(target=self._give, args=(sink, chunks, sink is client), daemon=True).start()

    def _take(self, source: socket.socket, chunks: "queue.Queue[Chunk]", wait: float) -> None:
        data = b"?"
        established = time.monotonic() + wait
        while data:
            try:
                data = source.recv(1 << 18)
            except OSError:
                data = b""
            chunks.put((max(time.monotonic(), established) + self.delay, data))

    def _give(self, sink: socket.socket, chunks: "queue.Queue[Chunk]", to_client: bool) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = chunks.get()
                if (pause := due - time.monotonic()) > 0:
                    time.sleep(pause)
                if not data:
                    break
                while data:
                    count = self._allowed(len(data), to_client)
                    sink.sendall(data[:count])
                    data = data[count:]
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _allowed(self, wanted: int, to_client: bool) -> int:
        """Wait until bytes may pass; their number, at most ``wanted``."""
        if to_client == self._upwards:
            return wanted
        with self._moved:
            self._moved.wait_for(lambda: self._limit is None or self.passed < self._limit)
            count = wanted if self._limit is None else min(wanted, self._limit - self.passed)
            self.passed += count
            self._moved.notify_all()
            return count


@contextlib.contextmanager
def start(target: int, delay: float = 0.0, handshake: bool = False) -> Iterator[Relay]:
    """A relay to the local port ``target``; ``delay`` is in seconds each way."""
    relay = Relay(target, delay, handshake)
    try:
        yield relay
    finally:
        relay.close()
