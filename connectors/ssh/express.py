"""Packets of SSH at the speed of the cipher: what paramiko takes apart piece by piece, here in one go.

paramiko reads each packet in two system calls and copies its bytes about eight times on their way from
the socket to the reader, handing them from one thread to another. With AES-GCM a packet can be found
and opened where it lies, and the data of one channel be delivered in the thread that received them.

This is the only file that changes how paramiko works, and that talks past it. It takes for granted:

- Transport: its packetizer and logger can be replaced; ``_send_message``, ``_send_user_message``,
  ``_parse_newkeys``, ``_channels``, ``clear_to_send``, ``remote_cipher``, ``_preferred_kex``, ``_kex_info``;
- Packetizer: which of its methods are called when, by whom and with what (``aead`` and the IVs of ciphers);
  ``_trigger_rekey``, ``_check_keepalive``; that closing it ends the transport's thread;
- Channel: ``_wait_for_send_window``, ``lock``, ``closed``, ``out_window_size``, ``remote_chanid``;
- AuthHandler: that every attempt begins with ``_request_auth``, and goes on in ``_parse_service_accept``.

greeting.py and log_in.py read what paramiko logs, log_in.py uses its AuthHandler, failures.py knows how some
of its messages begin, and session.py in which order it closes things. tests/ssh/test_express.py fails when
any of this has changed. Anything but a version of paramiko that was looked at, and a cipher other than
AES-GCM, get paramiko's own packetizer and the ordinary way through ``Channel.recv``.
"""

import logging
import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import paramiko
from paramiko.auth_handler import AuthHandler
from paramiko.common import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EOF,
    MSG_CHANNEL_REQUEST,
    MSG_IGNORE,
    cMSG_CHANNEL_WINDOW_ADJUST,
)
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

KNOWN = ("5.1.",)
"""Versions of paramiko that this has been read against; tests/ssh/test_express.py looks closer."""

CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
LONGEST_PACKET = 1 << 18  # bytes; OpenSSH's limit (PACKET_MAX_SIZE) and what we announce
BUFFER = 8 * LONGEST_PACKET
TAG = 16  # bytes; RFC 5647, 6
BLOCK = 16
HUGE_WINDOW = 1 << 30  # bytes; what is under way is limited by what was asked for, not by the window
ORDINARY_WINDOW = 1 << 22  # bytes; as much may wait in memory where nobody reads it
TOGETHER = 8  # packets that are sent in one call of the system
LONGEST_DATA = 1 << 15  # bytes of data in one packet; OpenSSH takes no more
CURVE25519, OLD_CURVE25519 = "curve25519-sha256", "curve25519-sha256@libssh.org"
_THEIRS: Any = paramiko.Transport
ON_A_CHANNEL = (MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_CHANNEL_REQUEST)
PADDING = os.urandom(BLOCK + 4)  # AEAD hides it; RFC 4253, 6 wants it random, not new

Sink = Callable[[memoryview], None]


def _with_curve25519(names: Sequence[str]) -> tuple[str, ...]:
    """``names`` of ways to exchange keys, and of one of them the name that RFC 8731 gave it."""
    if CURVE25519 in names or OLD_CURVE25519 not in names:
        return tuple(names)
    place = names.index(OLD_CURVE25519)
    return (*names[:place], CURVE25519, *names[place:])


class PatientTransport(paramiko.Transport):
    """A Transport that tolerates a channel that the server closes during a transfer.

    During an exchange of keys, paramiko's receiving thread would wait 30 s for its end before it agrees, and
    nobody else brings that about. And what one of our threads is about to say on the channel would go out
    after our agreement; OpenSSH then hangs up.
    """

    _preferred_kex: ClassVar = _with_curve25519(_THEIRS._preferred_kex)
    _kex_info: ClassVar = {CURVE25519: _THEIRS._kex_info.get(OLD_CURVE25519), **_THEIRS._kex_info}

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._postponed: list[Message] = []

    def _send_user_message(self, data: Message) -> None:
        if threading.current_thread() is self and not self.clear_to_send.is_set():
            self._postponed.append(data)
        else:
            super()._send_user_message(data)  # type: ignore[misc]

    def _send_message(self, data: Message) -> None:
        payload = data.asbytes()
        if payload[0] not in ON_A_CHANNEL or self._is_open(struct.unpack_from(">I", payload, 1)[0]):
            super()._send_message(data)  # type: ignore[misc]

    def _is_open(self, far_number: int) -> bool:
        """Whether it is a channel on which we have not said yet that it is closed.

        paramiko notes that before it says so, and says one thing at a time.
        """
        channels = self._channels.values()  # type: ignore[attr-defined]
        return any(channel.remote_chanid == far_number and not channel.closed for channel in channels)

    def _parse_newkeys(self, message: Message) -> None:
        super()._parse_newkeys(message)  # type: ignore[misc]
        postponed, self._postponed = self._postponed, []
        for one in postponed:
            self._send_user_message(one)


class FurtherAttempt(AuthHandler):
    """An attempt to log in after the first one, without a service request of its own.

    The service ssh-userauth is requested once (RFC 4253, 10). paramiko does it for every attempt: AsyncSSH's
    servers hang up on that, and it costs a round trip. Its AuthOnlyHandler does not, but waits for the answer
    itself, and cannot be cancelled.
    """

    def _request_auth(self) -> None:
        accepted = Message()
        accepted.add_string("ssh-userauth")
        accepted.rewind()
        self._parse_service_accept(accepted)  # type: ignore[attr-defined]


class ExpressTransport(PatientTransport):
    """A Transport whose packets go through an ExpressPacketizer."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.express = ExpressPacketizer(sock)
        self.packetizer = self.express


class ExpressPacketizer(Packetizer):
    """While AES-GCM is on: reads and writes packets itself. Until then: paramiko's."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._sock = sock
        self._sinks: dict[int, Sink] = {}
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0
        self._plain = memoryview(bytearray(LONGEST_PACKET))
        self._opener: Any = None
        self._sealer: Any = None
        self._nonce_in = self._nonce_out = (b"", 0)
        self._received = self._sent = 0  # bytes since the keys were new
        self._number_in = 0
        self._sending = threading.RLock()
        self._out = memoryview(bytearray(TOGETHER * (LONGEST_DATA + 64)))

    def deliver(self, channel: int, sink: Sink) -> None:
        """From now on the data of our ``channel`` go to ``sink``, in the thread that receives them, and at
        their end no bytes."""
        self._sinks[channel] = sink

    # -- new keys --------------------------------------------------------------------------------

    def set_inbound_cipher(self, *arguments: Any, **named: Any) -> None:
        super().set_inbound_cipher(*arguments, **named)
        self._opener = named["block_engine"] if named.get("aead") else None
        self._nonce_in = _nonce(named.get("iv_in"))
        self._received = 0

    def set_outbound_cipher(self, *arguments: Any, **named: Any) -> None:
        super().set_outbound_cipher(*arguments, **named)
        self._sealer = named["block_engine"] if named.get("aead") else None
        self._nonce_out = _nonce(named.get("iv_out"))
        self._sent = 0

    # -- receiving -------------------------------------------------------------------------------

    def read_message(self) -> tuple[int, Message]:
        while self._opener is not None:
            packet = self._next_packet()
            if packet[0] == MSG_CHANNEL_DATA:
                channel, length = struct.unpack_from(">II", packet, 1)
                sink = self._sinks.get(channel)
                if sink is not None and length <= len(packet) - 9:
                    sink(packet[9 : 9 + length])
                    if not self.need_rekey():
                        continue
                    return MSG_IGNORE, Message()  # the caller begins the exchange of keys now
            if packet[0] == MSG_CHANNEL_EOF:
                sink = self._sinks.get(struct.unpack_from(">I", packet, 1)[0])
                if sink is not None:
                    sink(packet[:0])
            message = Message(bytes(packet[1:]))
            message.seqno = self._number_in
            return packet[0], message
        return super().read_message()

    def _next_packet(self) -> memoryview:
        """The payload of the next packet, good until the next call."""
        self._fill(4)
        (length,) = struct.unpack_from(">I", self._buffer, self._start)
        if not BLOCK <= length <= LONGEST_PACKET - 4 - TAG or length % BLOCK:
            raise SSHException("Invalid packet length")
        self._fill(4 + length + TAG)
        body = self._start + 4
        self._opener.decrypt_into(
            _next_nonce(self._nonce_in),
            self._view[body : body + length + TAG],
            self._view[self._start : body],
            self._plain[:length],
        )
        self._nonce_in = self._nonce_in[0], self._nonce_in[1] + 1
        self._start = body + length + TAG
        self._number_in = (self._number_in + 1) & 0xFFFFFFFF
        self._received += length
        if self._received >= self.REKEY_BYTES and not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]
        if self._received >= self.REKEY_BYTES + self.REKEY_BYTES_OVERFLOW_MAX:
            raise SSHException("Remote transport is ignoring rekey requests")
        padding = self._plain[0]
        if padding + 2 > length:
            raise SSHException("Invalid packet padding")
        return self._plain[1 : length - padding]

    def _fill(self, count: int) -> None:
        """Receive until ``count`` bytes are in the buffer."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start + count > BUFFER:
            left = self._end - self._start
            self._buffer[:left] = self._buffer[self._start : self._end]
            self._start, self._end = 0, left
        while self._end - self._start < count:
            try:
                received = self._sock.recv_into(self._view[self._end :])
            except (TimeoutError, BlockingIOError):
                if self.closed:
                    raise EOFError from None
                if self._start == self._end and self.need_rekey():
                    raise NeedRekeyException from None
                self._check_keepalive()  # type: ignore[attr-defined]
                continue
            except OSError:
                if self.closed:
                    raise EOFError from None
                raise
            if not received:
                raise EOFError
            self._end += received

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """What paramiko's own way of reading asks for, should it be needed after ours was."""
        if self._start == self._end:
            return super().read_all(n, check_rekey)
        self._fill(n)
        data = bytes(self._view[self._start : self._start + n])
        self._start += n
        return data

    # -- sending ---------------------------------------------------------------------------------

    def send_message(self, data: Message) -> None:
        with self._sending:
            if self._sealer is None:
                super().send_message(data)
            else:
                self._send_sealed(data.payloads if isinstance(data, _Packets) else [[data.asbytes()]])

    def _send_sealed(self, payloads: Sequence[Sequence[bytes | memoryview]]) -> None:
        """Each payload as a packet, all in one call of the system."""
        end = 0
        for payload in payloads:
            length = sum(map(len, payload))
            padding = BLOCK + 3 - (length + 4) % BLOCK
            size = 1 + length + padding
            plain = b"".join((bytes((padding,)), *payload, PADDING[:padding]))
            struct.pack_into(">I", self._out, end, size)
            body = end + 4
            out = self._out[body : body + size + TAG]
            self._sealer.encrypt_into(_next_nonce(self._nonce_out), plain, self._out[end:body], out)
            self._nonce_out = self._nonce_out[0], self._nonce_out[1] + 1
            end = body + size + TAG
        self.write_all(self._out[:end])
        self._sent += end
        if self._sent >= self.REKEY_BYTES and not self.need_rekey():
            self._trigger_rekey()  # type: ignore[attr-defined]


class _Packets(Message):
    """The payloads of several packets that go together, each in pieces, all with the same header."""

    def __init__(self, header: bytes, payloads: Sequence[Sequence[bytes | memoryview]]) -> None:
        super().__init__(header)
        self.payloads = payloads


def send(channel: Any, data: memoryview) -> int:
    """As ``channel.send``, but up to TOGETHER packets at once."""
    header = struct.pack(">BI", MSG_CHANNEL_DATA, channel.remote_chanid)
    payloads: list[Sequence[bytes | memoryview]] = []
    position = 0
    with channel.lock:
        if channel.closed:
            raise OSError("Socket is closed")
        while (
            position < len(data)
            and len(payloads) < TOGETHER
            and not (payloads and not channel.out_window_size)
        ):
            size = channel._wait_for_send_window(min(len(data) - position, LONGEST_DATA))
            if not size:
                break
            payloads.append((header, struct.pack(">I", size), data[position : position + size]))
            position += size
    if payloads:
        channel.transport._send_user_message(_Packets(header, payloads))
    return position


def _nonce(iv: bytes | None) -> tuple[bytes, int]:
    """A fixed field and a counter (RFC 5647, 7.1)."""
    return (iv[:4], int.from_bytes(iv[4:], "big")) if iv else (b"", 0)


def _next_nonce(nonce: tuple[bytes, int]) -> bytes:
    return nonce[0] + nonce[1].to_bytes(8, "big")


def transport(sock: Any, log: logging.Logger) -> paramiko.Transport:
    """A Transport over ``sock``, the fast one where it is known to work. The thread is not started.

    What it has to tell goes to ``log``; of its channels, to "paramiko.transport" all the same.
    """
    if not paramiko.__version__.startswith(KNOWN):
        made = paramiko.Transport(sock)
    else:
        made = ExpressTransport(sock) if isinstance(sock, socket.socket) else PatientTransport(sock)
    made.logger = log
    made.packetizer.set_log(log)
    return made


def log_in_handler(transport: Any) -> AuthHandler:
    """For an attempt to log in; only for the first one with a service request, where paramiko is known."""
    is_known = isinstance(transport, PatientTransport)
    if transport.auth_handler is None or not is_known:
        return AuthHandler(transport)
    return FurtherAttempt(transport)


def express_of(transport: Any) -> ExpressPacketizer | None:
    """The fast packetizer of ``transport``, if it has one and a cipher for it has been agreed on."""
    express = getattr(transport, "express", None)
    return express if express is not None and transport.remote_cipher in CIPHERS else None


def sizes(transport: Any, streaming: bool) -> dict[str, int]:
    """How much may be under way to us on a channel, and how much in one packet; for ``open_channel``.

    With ``streaming`` the server decides how much it sends, and the window how much waits to be read.
    """
    window = HUGE_WINDOW if express_of(transport) and not streaming else ORDINARY_WINDOW
    return {"window_size": window, "max_packet_size": LONGEST_PACKET - 1024}


def deliver(channel: Any, sink: Sink) -> bool:
    """From now on the data of ``channel`` go to ``sink``, in the thread that receives them; their end is
    told by no bytes, the loss of the connection is not.

    False where there is no fast way: then they are to be had from ``channel.recv``.
    """
    express = express_of(channel.get_transport())
    if express is None:
        return False
    express.deliver(channel.get_id(), sink)
    return True


def cut(channel: Any) -> None:
    """End the connection that ``channel`` is part of, at once; threads that wait for it are told.

    Not ``channel.close()``, which would wait for the very bytes that cannot be sent.
    """
    with suppress(OSError, EOFError):
        channel.get_transport().packetizer.close()


def widen(channel: Any, count: int) -> None:
    """Allow the server ``count`` more bytes: what a sink has taken, paramiko does not know of."""
    message = Message()
    message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
    message.add_int(channel.remote_chanid)
    message.add_int(count)
    channel.transport._send_user_message(message)
