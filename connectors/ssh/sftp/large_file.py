"""One file of any size over SFTP: many concurrent blocks, in constant memory."""

import struct
import threading
from typing import Any

from connectors.errors import ProtocolViolation
from connectors.remote import Sink, Source
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.flow import Flow
from connectors.ssh.sftp.wire import DATA, EOF, READ, STATUS, WRITE, Status, checked

AHEAD = 8 << 20  # bytes that are asked for, or sent, before an answer: 160 MB/s at 50 ms


class Download(Flow):
    """Reads an open file into a sink, from the sink's size on.

    Written in the thread that receives: handing each block to another one takes as long as the work.
    """

    def __init__(self, sftp: Sftp, handle: bytes, sink: Sink) -> None:
        super().__init__(sftp)
        self._handle = handle
        self._sink = sink
        self._position = sink.size
        self.goes_on = False
        """Whether the file has more bytes than the server states."""
        self._size: int | None = None
        self._end: int | None = None
        """Where the file ends, once the server has said so."""
        self._early: dict[int, bytes] = {}
        """Blocks that arrived before their turn."""
        self._lock = threading.Lock()
        """Guards the next two, which the worker and the receiving thread change."""
        self._under_way = 0  # requests
        self._missing: list[tuple[int, int]] = []
        """Offset and length of requests that were not fully answered."""
        self._failure: BaseException | None = None
        self._low_water = 0

    def run(self, size: int | None) -> None:
        """Receive the rest of a file of ``size`` bytes; if None, all up to its end.

        One more byte is asked for together with the last ones, to see whether the file ends there.
        """
        self._size = size
        block = self.sftp.block
        ahead = max(2, AHEAD // block)
        self._low_water = ahead // 2
        asked = self._position
        while True:
            with self._lock:
                missing, self._missing = self._missing, []
                idle = not self._under_way  # so no answer comes before we ask once more
            if self._failure:
                raise self._failure
            for offset, length in missing:
                self._ask(offset, length)
            while self._end is None and self._under_way < ahead and (size is None or asked <= size):
                length = block if size is None else min(block, size - asked) or 1
                self._ask(asked, length)
                asked += length
                if size is None and self._position == 0 and asked == block:
                    break  # a file without a size is likely to be short
            if idle and not self._under_way:
                return
            self.flush()
            self.next()

    def _ask(self, offset: int, length: int) -> None:
        with self._lock:
            self._under_way += 1
        self.ask((offset, length), READ, self._handle, struct.pack(">QI", offset, length))

    def take(self, tag: Any, kind: int, payload: memoryview) -> None:
        """In the receiving thread: the block to where it belongs; the worker is called when it has to ask."""
        offset, length = tag
        try:
            if offset == self._size and kind in (DATA, STATUS):  # servers say in different ways that it ends
                self.goes_on = kind == DATA and len(payload) > 4
            elif kind == DATA and payload[:4] == struct.pack(">I", len(payload) - 4):
                self._block(offset, length, payload[4:])
            else:
                self._status(offset, kind, payload)
        except BaseException as error:  # Cancelled too: it is the worker's to raise
            self._failure = self._failure or error
        with self._lock:
            self._under_way -= 1
            needed = self._failure or self._missing or self._under_way <= self._low_water
        if needed:
            self.replies.put((tag, kind, b""))

    def _block(self, offset: int, length: int, data: memoryview) -> None:
        count = len(data)
        if not 0 < count <= length:
            raise ProtocolViolation(
                f"{self.sftp.host}: the server sent {count} bytes where {length} were asked for"
            )
        if count < length:
            with self._lock:
                self._missing.append((offset + count, length - count))
        if self._failure:
            return
        if offset != self._position:
            self._early[offset] = bytes(data)
            return
        self._write(data)
        while self._early and (early := self._early.pop(self._position, None)):
            self._write(early)

    def _write(self, data: bytes | memoryview) -> None:
        self._sink.write(data)
        self._position += len(data)

    def _status(self, offset: int, kind: int, payload: memoryview) -> None:
        try:
            checked(kind, bytes(payload))
        except Status as status:
            if status.status != EOF:
                raise
            self._end = offset if self._end is None else min(self._end, offset)
            return
        raise ProtocolViolation(f"{self.sftp.host}: the server answered a READ with something else")


def upload(sftp: Sftp, handle: bytes, source: Source) -> None:
    """Write ``source`` to an open file and wait until each block is acknowledged."""
    flow = Flow(sftp)
    position = 0
    most = max(2, AHEAD // sftp.block)
    while data := source.read(sftp.block):
        flow.ask(None, WRITE, handle, struct.pack(">QI", position, len(data)), more=len(data))
        flow.flush(data)
        position += len(data)
        while flow.pending >= most or not flow.replies.empty():
            checked(*flow.next()[1:])
    while flow.pending:
        checked(*flow.next()[1:])
