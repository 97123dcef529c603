"""Misbehaving servers on the SSH port: raw sockets, and paramiko's server for later stages."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko


class Listener:
    """``port`` of 127.0.0.1; ``conversations`` counts connections."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.conversations = 0


@contextlib.contextmanager
def talking(talk: Callable[[socket.socket], None]) -> Iterator[Listener]:
    """Calls ``talk`` with each connection, in its own thread, and closes it afterwards."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        listener = Listener(server.getsockname()[1])
        open_ones: list[socket.socket] = []

        def converse(connection: socket.socket) -> None:
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                talk(connection)
            connection.close()

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    listener.conversations += 1
                    open_ones.append(connection)
                    threading.Thread(target=converse, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield listener
        finally:
            server.shutdown(socket.SHUT_RDWR)
            for connection in open_ones:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()


def silent(connection: socket.socket) -> None:
    """Send nothing until the client disconnects."""
    while connection.recv(4096):
        pass


def saying(text: bytes, *, then_close: bool = True) -> Callable[[socket.socket], None]:
    """Send ``text`` and close, or wait until the client disconnects."""

    def talk(connection: socket.socket) -> None:
        connection.sendall(text)
        if then_close:
            connection.shutdown(socket.SHUT_WR)
        silent(connection)

    return talk


class Door(paramiko.ServerInterface):
    """Refuses every log-in; tests override methods. ``asked`` is each attempt: method and credential."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.transport: paramiko.Transport | None = None

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        self.asked.append(("password", password))
        return paramiko.common.AUTH_FAILED

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.common.OPEN_SUCCEEDED


@contextlib.contextmanager
def guarded(door: Door, host_key: Path) -> Iterator[Listener]:
    """A correct server until the log-in: then ``door`` decides."""
    key = paramiko.Ed25519Key.from_private_key_file(str(host_key))

    def talk(connection: socket.socket) -> None:
        transport = paramiko.Transport(connection)
        door.transport = transport
        transport.logger.disabled = True
        transport.add_server_key(key)
        transport.start_server(server=door)
        transport.join(30)

    with talking(talk) as listener:
        yield listener
