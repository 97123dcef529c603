"""A TCP connection to a host by its name, at whichever of its addresses answers first."""

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
    """One that acknowledges what it receives at once, as long as it is ``prompt``.

    Until a session begins, sshd sends a small packet only when the one before has been acknowledged (Nagle's
    algorithm), and a system puts that off for 40 ms in the hope of something to send along with it.
    """

    prompt = True

    def send(self, data: Any, flags: int = 0) -> int:
        count = super().send(data, flags)
        if self.prompt and QUICKACK:
            self.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)  # sending has put an end to it
        return count


def dial(host: str, port: int, job: waiting.Cancellable, seconds: float, role: str = "") -> Socket:
    """Connect; TemporaryFailure when nothing answers within ``seconds``, HostNotFound for no such name.

    ``role`` is for people, and "jump host" if it is one.
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
    """Those of ``host``, which the field ``key`` of the access document names.

    HostNotFound if there is no such name; TemporaryFailure if nobody could be asked.
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
    """Connections under way to the addresses of one host; ``failed`` says why the first of them did not."""

    def __init__(self) -> None:
        self.failed = ""
        self.under_way: list[Socket] = []
        self._joined = 0.0

    @property
    def slow(self) -> bool:
        """Whether it is time for one more."""
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
        """One that is connected, if there is one soon."""
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
