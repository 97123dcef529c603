"""Packets of SSH at the speed of the cipher: what paramiko takes apart piece by piece, here in one go.

paramiko reads each packet in two system calls and copies its bytes about eight times on their way from
the socket to the reader, handing them from one thread to another. With AES-GCM a packet can be found
and decrypted where it lies, and the data of one channel be delivered in the thread that received them.

This is only for speed. Another version of paramiko than those that were read, another cipher than AES-GCM,
and a connection through a jump host use paramiko's own packetizer and the plain way through
``Channel.recv``; so does everything if ENABLED is False. What is taken for granted:

- Transport: its packetizer can be replaced; ``_send_user_message``, ``remote_cipher``;
- Packetizer: which of its methods are called when, by whom and with what (``aead`` and the IVs of ciphers);
  ``_trigger_rekey``, ``_check_keepalive``;
- Channel: ``_wait_for_send_window``, ``lock``, ``closed``, ``out_window_size``, ``remote_chanid``.

tests/ssh/test_fast_packets.py fails when any of this has changed.
"""

import os
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_DATA, MSG_CHANNEL_EOF, MSG_IGNORE, cMSG_CHANNEL_WINDOW_ADJUST
from paramiko.message import Message
from paramiko.packet import NeedRekeyException, Packetizer
from paramiko.ssh_exception import SSHException

from connectors.ssh.transport.algorithms import AES_GCM

ENABLED = True
"""False only where the benchmark measures what this file gains."""

KNOWN = ("5.1.",)
"""Versions of paramiko that this has been read against; tests/ssh/test_fast_packets.py looks closer."""

LONGEST_PACKET = 1 << 18  # bytes; OpenSSH's limit (PACKET_MAX_SIZE) and what we announce
BUFFER = 8 * LONGEST_PACKET
TAG = 16  # bytes; RFC 5647, 6
BLOCK = 16
HUGE_WINDOW = 1 << 30  # bytes; what is under way is limited by what was asked for, not by the window
ORDINARY_WINDOW = 1 << 22  # bytes; as much may wait in memory where nobody reads it
TOGETHER = 8  # packets that are sent in one call of the system
LONGEST_DATA = 1 << 15  # bytes of data in one packet; OpenSSH takes no more
PADDING = os.urandom(BLOCK + 4)  # AEAD hides it; RFC 4253, 6 wants it random, not new

Sink = Callable[[memoryview], None]


class FastPacketizer(Packetizer):
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


def speed_up(transport: paramiko.Transport, sock: Any) -> None:
    """Use fast packets on ``transport``, which is not started yet, if ``sock`` is a socket; see above."""
    if ENABLED and paramiko.__version__.startswith(KNOWN) and isinstance(sock, socket.socket):
        transport.packetizer = FastPacketizer(sock)
        transport.packetizer.set_log(transport.logger)


def fast_packetizer(transport: Any) -> FastPacketizer | None:
    """The fast packetizer of ``transport``, if it has one and a cipher for it has been agreed on."""
    packetizer = transport.packetizer
    is_fast = isinstance(packetizer, FastPacketizer) and transport.remote_cipher in AES_GCM
    return packetizer if is_fast else None


def sizes(transport: Any, streaming: bool) -> dict[str, int]:
    """How much may be under way to us on a channel, and how much in one packet; for ``open_channel``.

    With ``streaming`` the server decides how much it sends, and the window how much waits to be read.
    """
    window = HUGE_WINDOW if fast_packetizer(transport) and not streaming else ORDINARY_WINDOW
    return {"window_size": window, "max_packet_size": LONGEST_PACKET - 1024}


def deliver(channel: Any, sink: Sink) -> bool:
    """From now on the data of ``channel`` go to ``sink``, in the thread that receives them; their end is
    told by no bytes, the loss of the connection is not.

    False where there is no fast way: then they are to be had from ``channel.recv``.
    """
    packetizer = fast_packetizer(channel.get_transport())
    if packetizer is None:
        return False
    packetizer.deliver(channel.get_id(), sink)
    return True


def widen(channel: Any, count: int) -> None:
    """Allow the server ``count`` more bytes: what a sink has taken, paramiko does not know of."""
    message = Message()
    message.add_byte(cMSG_CHANNEL_WINDOW_ADJUST)
    message.add_int(channel.remote_chanid)
    message.add_int(count)
    channel.transport._send_user_message(message)
