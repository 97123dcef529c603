"""One server on the way: handshake, host key check, login."""

import logging
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import paramiko  # 135 ms; Session imports this module through imports.py while it waits for a server
from paramiko.ssh_exception import IncompatiblePeer

from connectors.errors import ProtocolViolation, RedError, TemporaryFailure
from connectors.net import waiting
from connectors.net.dial import Socket
from connectors.ssh import ssh_failures
from connectors.ssh.login.destination import Server
from connectors.ssh.login.greeting import Greeting, Notes
from connectors.ssh.login.host_keys import HostKeys, algorithms, kind_of_algorithm, name_of
from connectors.ssh.login.log_in import LogIn
from connectors.ssh.transport import fast_packets
from connectors.ssh.transport.algorithms import preferred_ciphers
from connectors.ssh.transport.corrections import CorrectedTransport
from connectors.transfer.job import Job

logging.getLogger("paramiko").addHandler(logging.NullHandler())  # or its channels log to stderr

KEEPALIVE = 15  # seconds of silence after which we send something, so that firewalls keep the connection
LATER = 10.0  # seconds added to paramiko's time limits: ours come first, with better messages
OFFERS = {"kex": "kex algos", "host key": "server key", "ciphers": "server encrypt", "macs": "server mac"}
"""What may not match, and the name under which the notes have the server's offer."""


class Hop:
    def __init__(self, server: Server, sock: Any, job: Job, role: str = "") -> None:
        """Over ``sock``, a socket or channel, which ``close`` closes. ``role``, such as "jump host", is for
        messages."""
        self.server = server
        self.name = f"{role} {name_of(server)}".lstrip()
        self._job = job
        self._sock = sock
        self._notes = Notes()
        self._greeting = Greeting(sock)
        self.transport = CorrectedTransport(sock, self._notes)
        fast_packets.speed_up(self.transport, sock)

    def shake_hands(
        self, host_keys: HostKeys, unwanted: list[str], ciphers: tuple[str, ...], limits: tuple[float, float]
    ) -> None:
        """Exchange keys and check the host key: ProtocolViolation if it is wrong.

        ``unwanted`` are host key types not to ask for. ``limits``, in seconds: for the server's banner, and
        then for the key exchange.
        """
        options = self.transport.get_security_options()
        known = algorithms(host_keys.kinds(self.server), options.key_types)
        options.key_types = tuple(one for one in known if kind_of_algorithm(one) not in unwanted)
        options.ciphers = preferred_ciphers(options.ciphers, ciphers)
        offered = {"host key": options.key_types, "kex": options.kex, "ciphers": options.ciphers}
        self.transport.banner_timeout = self.transport.handshake_timeout = sum(limits) + LATER
        done = threading.Event()
        self.transport.start_client(event=done)
        self._wait(done, *limits)
        self._greeting.end()
        if not self.transport.is_active():
            raise self._unagreed({what: ", ".join(names) for what, names in offered.items()})
        with ssh_failures.translating(self.name):
            host_keys.check(self.server, self.transport.get_remote_server_key(), self.name)

    def log_in(self, key: paramiko.PKey | None, seconds: float) -> None:
        """With ``key``, or with the password if there is none."""
        attempt = LogIn(self.transport, self._notes, self.server.login, self.name, self._job, seconds)
        if key is None:
            attempt.with_password()
        else:
            attempt.with_key(key)
        self.transport.set_keepalive(KEEPALIVE)

    def session_channel(self, seconds: float, streaming: bool) -> paramiko.Channel:
        """A channel without a command or subsystem; see Session.channel."""
        sizes = fast_packets.sizes(self.transport, streaming)
        channel = waiting.for_answer(
            lambda: self._open_channel("session", seconds, sizes=sizes),
            self._job,
            seconds + LATER,
            f"{self.name}: no channel was opened",
        )
        error_output: Any = channel.in_stderr_buffer
        error_output.feed = lambda data: None  # nobody reads it, and it could fill memory
        if isinstance(self._sock, Socket):
            self._sock.prompt = False
        return channel

    def forwarded(self, target: Server, seconds: float) -> paramiko.Channel:
        """A connection from this server to ``target``."""
        return waiting.for_answer(
            lambda: self._open_channel("direct-tcpip", seconds, target),
            self._job,
            seconds + LATER,
            f"{self.name}: no answer from {name_of(target)}",
        )

    def close(self) -> None:
        """Close the connection at any time, without waiting."""
        with suppress(OSError):
            if isinstance(self._sock, socket.socket):
                self._sock.shutdown(socket.SHUT_RDWR)  # wakes the transport's thread; closing would not
        self.transport.close()
        with suppress(OSError):
            self._sock.close()

    def _wait(self, done: threading.Event, banner: float, agreement: float) -> None:
        deadline = time.monotonic() + banner
        introduced = False
        while not done.wait(waiting.LOOK_EVERY):
            self._job.check_cancelled()
            if self._greeting.introduced and not introduced:
                introduced = True
                deadline = time.monotonic() + agreement
            if time.monotonic() > deadline:
                if introduced:
                    raise TemporaryFailure(f"{self.name}: key exchange not finished within {agreement:g} s")
                raise self._unintroduced(f"sent nothing within {banner:g} s")

    def _unintroduced(self, what: str) -> RedError:
        if self._greeting.overloaded:
            return TemporaryFailure(f"{self.name}: the server says {self._greeting.nonsense}")
        if self._greeting.nonsense:
            return ProtocolViolation(
                f"{self.name} does not speak SSH: it says {self._greeting.nonsense}",
                hint="is the port right?",
            )
        return TemporaryFailure(
            f"{self.name}: the server {what}", hint="is it an SSH server, and not too busy?"
        )

    def _unagreed(self, ours: dict[str, str]) -> RedError:
        """Why the key exchange failed."""
        if not self._greeting.introduced:
            return self._unintroduced("closed the connection without sending anything")
        error = self.transport.get_exception()
        if isinstance(error, IncompatiblePeer):
            for what, name in OFFERS.items():
                if what in str(error) and self._notes.offer(name):
                    common = f"we have {ours[what]}" if what in ours else "none of them is supported"
                    return ProtocolViolation(
                        f"{self.name}: no common {what}: the server has {self._notes.offer(name)}; {common}"
                    )
        farewell = self._notes.farewell[1]
        if farewell:
            return TemporaryFailure(f"{self.name}: the server disconnected: {farewell}")
        if error is None or isinstance(error, EOFError | OSError):
            return TemporaryFailure(f"{self.name}: the connection was closed during the key exchange")
        return ProtocolViolation(
            f"{self.name}: key exchange failed: {ssh_failures.said(error)}", hint="is it an SSH server?"
        )

    def _open_channel(
        self, kind: str, seconds: float, target: Server | None = None, sizes: Mapping[str, int] | None = None
    ) -> paramiko.Channel:
        destination = (target.host, target.port) if target else None
        try:
            with ssh_failures.translating(self.name):
                return self.transport.open_channel(
                    kind, destination, ("127.0.0.1", 0), timeout=seconds, **(sizes or {})
                )
        except RedError as failure:
            cause = failure.__cause__
            if not isinstance(cause, paramiko.ChannelException):
                raise
            text = self._notes.no_channel or cause.text
            if target:
                raise ssh_failures.of_refused_forwarding(
                    cause.code, text, self.name, name_of(target)
                ) from None
            raise ssh_failures.of_refused_channel(cause.code, text, self.name) from None
