"""Where paramiko's behaviour breaks a connection, it is corrected here, for every version and every cipher.

tests/ssh/test_corrections.py shows each correction with the fast packets and without. They take for granted:

- Transport: ``_send_message``, ``_send_user_message``, ``_parse_newkeys``, ``_channels``, ``clear_to_send``,
  ``_kex_info``; that its logger can be replaced, and that closing its packetizer ends its thread;
- Channel: ``closed`` and ``remote_chanid``;
- AuthHandler: that every attempt begins with ``_request_auth``, and goes on in ``_parse_service_accept``.

greeting.py and log_in.py read what paramiko logs, log_in.py uses its AuthHandler, failures.py knows how some
of its messages begin, and session.py in which order it closes things.
"""

import logging
import struct
import threading
from contextlib import suppress
from typing import Any

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_CHANNEL_REQUEST
from paramiko.message import Message

from connectors.ssh.transport import algorithms

ON_A_CHANNEL = (MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_CHANNEL_REQUEST)


class CorrectedTransport(paramiko.Transport):
    """A Transport that tolerates a channel that the server closes during a transfer.

    During a key exchange, paramiko's receiving thread would wait 30 s for its end before it agrees to the
    closing, and no other thread can end the exchange. And what one of our threads is about to send on the
    channel would go out after our agreement; OpenSSH then disconnects.
    """

    def __init__(self, sock: Any, log: logging.Logger) -> None:
        """Over ``sock``, a socket or a channel; the thread is not started. What it reports goes to ``log``;
        what its channels report goes to "paramiko.transport"."""
        super().__init__(sock)
        self._postponed: list[Message] = []
        self.logger = log
        self.packetizer.set_log(log)
        self._add_curve25519()

    def _add_curve25519(self) -> None:
        known: dict[str, Any] = self._kex_info  # type: ignore[has-type]
        if algorithms.OLD_CURVE25519 in known:
            self._kex_info = {algorithms.CURVE25519: known[algorithms.OLD_CURVE25519], **known}
            options = self.get_security_options()
            options.kex = algorithms.with_curve25519(options.kex)

    def _send_user_message(self, data: Message) -> None:
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._postponed.append(data)
        else:
            super()._send_user_message(data)  # type: ignore[misc]

    def _send_message(self, data: Message) -> None:
        payload = data.asbytes()
        if payload[0] not in ON_A_CHANNEL or self._is_open(struct.unpack_from(">I", payload, 1)[0]):
            super()._send_message(data)  # type: ignore[misc]

    def _is_open(self, remote_number: int) -> bool:
        """Whether it is a channel of which we have not said yet that it is closed.

        paramiko notes that before it says so, and says one thing at a time.
        """
        channels = self._channels.values()  # type: ignore[attr-defined]
        return any(channel.remote_chanid == remote_number and not channel.closed for channel in channels)

    def _parse_newkeys(self, message: Message) -> None:
        super()._parse_newkeys(message)  # type: ignore[misc]
        postponed, self._postponed = self._postponed, []
        for one in postponed:
            self._send_user_message(one)


class FurtherAttempt(AuthHandler):
    """An attempt to log in after the first one, without a service request of its own.

    The service ssh-userauth is requested once (RFC 4253, 10). paramiko does it for every attempt: AsyncSSH's
    servers disconnect then, and it costs a round trip. Its AuthOnlyHandler does not, but waits for the answer
    itself, and cannot be cancelled.
    """

    def _request_auth(self) -> None:
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)  # type: ignore[attr-defined]


def log_in_handler(transport: paramiko.Transport) -> AuthHandler:
    """For an attempt to log in; only the first one on a ``transport`` requests the service."""
    return AuthHandler(transport) if transport.auth_handler is None else FurtherAttempt(transport)


def cut(channel: Any) -> None:
    """End the connection that ``channel`` is part of, at once; threads that wait for it are told.

    Not ``channel.close()``, which would wait for the very bytes that cannot be sent.
    """
    with suppress(OSError, EOFError):
        channel.get_transport().packetizer.close()
