"""Opens a TCP connection to a host by name, to the first of its addresses that answers."""

import os
import select
import socket
import time
from typing import Any

from connectors.errors import HostNotFound, TemporaryFailure
from connectors.net import hosts, waiting

QUICKACK = getattr(socket, "TCP_QUICKACK", 0)  # Linux
NEXT_AFTER = 0.25  # seconds until the next address is tried as well (RFC 8305, 5)


class Socket(socket.socket):
    """Acknowledges received data immediately while ``prompt`` is set.

    Until a session begins, sshd sends a small packet only after the previous one was acknowledged (Nagle's
    algorithm), and the system delays an acknowledgement by up to 40 ms.
    """

    prompt = True

    def send(self, data: Any, flags: int = 0) -> int:
        count = super().send(data, flags)
        if self.prompt and QUICKACK:
            self.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)  # send() resets it
        return count


def dial(host: str, port: int, job: waiting.Cancellable, seconds: float, role: str = "") -> Socket:
    """Connect. TemporaryFailure if nothing answers within ``seconds``, HostNotFound for an unknown name.

    ``role`` is "jump host" for a jump host, otherwise ""; messages name it.
    """
    name = f"{role} {host}".lstrip()
    key = "jump.host" if role else "host"
    found = waiting.for_answer(
        lambda: addresses(host, port, key), job, seconds, f"cannot connect to {name}: no name server answered"
    )
    deadline = time.monotonic() + seconds
    race = _Race()
    try:
        while race.under_way or found:
            job.check_cancelled()
            if found and race.slow:
                race.join(*found.pop(0))
            if winner := race.winner():
                return winner
            if time.monotonic() > deadline:
                race.failed = race.failed or f"no answer within {seconds:g} s"
                break
    finally:
        race.end()
    raise TemporaryFailure(
        f"cannot connect to {name} port {port}: {race.failed}", hint=hosts.unreachable(host)
    )


def addresses(
    host: str, port: int, key: str = "host"
) -> list[tuple[socket.AddressFamily, tuple[object, ...]]]:
    """Resolve ``host``, given in the field ``key`` of the access document.

    HostNotFound if the name does not exist; TemporaryFailure if no server answers.
    """
    if host.rstrip(".").lower().endswith(".invalid"):  # never exists (RFC 6761, 6.4)
        raise _unknown(host, "the name does not exist", key)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise TemporaryFailure(f"cannot find {host}: {error.strerror}") from None
        raise _unknown(host, error.strerror, key) from None
    except (OSError, UnicodeError) as error:  # a label of more than 63 characters
        raise _unknown(host, str(error), key) from None
    return [(family, address) for family, _, _, _, address in found]


def _unknown(host: str, why: str | None, key: str) -> HostNotFound:
    return HostNotFound(f"cannot find {host}: {why}", hint=f"check {key} in the access document")


class _Race:
    """Concurrent connection attempts to one host; ``failed`` says why the first failed attempt did."""

    def __init__(self) -> None:
        self.failed = ""
        self.under_way: list[Socket] = []
        self._joined = 0.0

    @property
    def slow(self) -> bool:
        """Whether it is time to try the next address."""
        return not self.under_way or time.monotonic() > self._joined + NEXT_AFTER

    def join(self, family: socket.AddressFamily, address: tuple[object, ...]) -> None:
        self._joined = time.monotonic()
        try:
            runner = Socket(family, socket.SOCK_STREAM)
        except OSError as error:  # a machine without IPv6
            self._drop_out(error.errno or 0)
            return
        runner.setblocking(False)
        self.under_way.append(runner)
        try:
            runner.connect(address)
        except BlockingIOError:
            pass
        except OSError as error:
            self._drop_out(error.errno or 0, runner)

    def winner(self) -> Socket | None:
        """A connected socket, or None if there is none within LOOK_EVERY seconds."""
        poll = select.poll()
        for runner in self.under_way:
            poll.register(runner, select.POLLOUT)
        ready = {number for number, _ in poll.poll(waiting.LOOK_EVERY * 1000 if self.under_way else 0)}
        for runner in [runner for runner in self.under_way if runner.fileno() in ready]:
            if number := runner.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self._drop_out(number, runner)
                continue
            self.under_way.remove(runner)
            runner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            runner.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return runner
        return None

    def end(self) -> None:
        for runner in self.under_way:
            runner.close()

    def _drop_out(self, number: int, runner: Socket | None = None) -> None:
        self.failed = self.failed or os.strerror(number)
        if runner:
            self.under_way.remove(runner)
            runner.close()
