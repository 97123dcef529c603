"""Reads a zip archive from XNAT as a stream, without its central directory, which comes last.

Why not stream-unzip: with its encryption dependencies it is 20 MB and takes 0.1 s to import, and zlib does
the actual work.
"""

import struct
import zlib
from collections.abc import Iterator

from connectors.errors import DataError, TemporaryFailure

LOCAL = struct.Struct("<4s5H3I2H")  # APPNOTE.TXT 6.3, 4.3.7
LOCAL_SIGN, DESCRIPTOR_SIGN = b"PK\x03\x04", b"PK\x07\x08"
DIRECTORY_SIGNS = (b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x08")
ENCRYPTED, SIZES_FOLLOW, UTF_8 = 1, 1 << 3, 1 << 11
STORED, DEFLATED = 0, 8
ZIP64 = 1
NO_SIZE = 0xFFFFFFFF
BLOCK = 1 << 14  # bytes; small, because bytes read past the end of a file are copied


class _Stream:
    """Blocks of bytes, read as one stream. DataError once more than ``most`` bytes, packed or unpacked, have
    been read."""

    def __init__(self, blocks: Iterator[bytes], most: int) -> None:
        self._blocks = self._counted(blocks)
        self._packed_left = self._unpacked_left = most
        self._here = b""
        self._at = 0

    def unpacked(self, count: int) -> None:
        """Count ``count`` decompressed bytes."""
        self._unpacked_left -= count
        if self._unpacked_left < 0:
            raise DataError("the archive contains far more than is listed")

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._packed_left -= len(block)
            if self._packed_left < 0:
                raise DataError("the archive is far longer than what is listed")
            yield block

    def some(self, most: int) -> bytes:
        """At least one byte, at most ``most``."""
        if self._at == len(self._here):
            self._here, self._at = next((block for block in self._blocks if block), b""), 0
            if not self._here:
                raise TemporaryFailure("the archive ends in the middle")
        data = self._here[self._at : self._at + most]
        self._at += len(data)
        return data

    def exactly(self, count: int) -> bytes:
        parts = []
        while count:
            parts.append(self.some(count))
            count -= len(parts[-1])
        return b"".join(parts)

    def back(self, count: int) -> None:
        """Put back the last ``count`` bytes that ``some`` returned."""
        self._at -= count

    def drain(self) -> None:
        """Read to the end to detect a truncated transfer."""
        for _ in self._blocks:
            pass


def members(blocks: Iterator[bytes], most: int) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Yield name and content of each file in the archive ``blocks``; read each content before the next file.

    Raises DataError if the archive is damaged, uses features that XNAT's archives do not, or has more than
    ``most`` bytes, packed or unpacked; TemporaryFailure if it is cut short.
    """
    stream = _Stream(blocks, most)
    while (sign := stream.exactly(4)) == LOCAL_SIGN:
        head = LOCAL.unpack(sign + stream.exactly(LOCAL.size - 4))
        _, _, flags, method, _, _, crc, packed, size, name_length, extra_length = head
        name = stream.exactly(name_length)
        extra = stream.exactly(extra_length)
        if flags & ENCRYPTED or method not in (STORED, DEFLATED):
            raise DataError("the archive is compressed in a way that is not supported")
        if method == STORED and flags & SIZES_FOLLOW and not name.endswith(b"/"):
            raise DataError("the archive does not say how long a file in it is")
        wide = _wide_sizes(extra)
        if wide is not None:
            size = wide.pop(0) if size == NO_SIZE and wide else size
            packed = wide.pop(0) if packed == NO_SIZE and wide else packed
        known = None if flags & SIZES_FOLLOW else (crc, size)
        content = _Content(stream, method, packed, known, is_wide=wide is not None).blocks()
        yield name.decode("utf-8" if flags & UTF_8 else "cp437", "replace"), content
        for _ in content:  # skip what the caller did not read
            pass
    if sign not in DIRECTORY_SIGNS:
        raise DataError("the archive is damaged")
    stream.drain()


def _wide_sizes(extra: bytes) -> list[int] | None:
    """The ZIP64 extra field (4.5.3), if present: size and packed size, in this order, each only if it exceeds
    32 bits."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        if kind == ZIP64:
            count = min(length, len(extra) - 4) // 8
            return list(struct.unpack_from(f"<{count}Q", extra, 4))
        extra = extra[4 + length :]
    return None


class _Content:
    """The content of one file; ``known``: its CRC-32 and size, if its header has them."""

    def __init__(
        self, stream: _Stream, method: int, packed: int, known: tuple[int, int] | None, *, is_wide: bool
    ) -> None:
        self._stream = stream
        self._packed = packed
        self._known = known
        self._is_wide = is_wide
        self._crc = 0
        self._size = 0
        self._taken = 0
        self._method = method

    def blocks(self) -> Iterator[bytes]:
        """Yield the content, once; at the end, check it against the archive's CRC-32 and size."""
        for block in self._inflated() if self._method == DEFLATED else self._stored():
            self._stream.unpacked(len(block))
            self._crc = zlib.crc32(block, self._crc)
            self._size += len(block)
            yield block
        if self._known is None:
            self._read_descriptor()
        elif self._known != (self._crc, self._size):
            raise DataError("the archive is damaged: a file in it does not match its checksum")

    def _stored(self) -> Iterator[bytes]:
        left = self._packed
        while left:
            block = self._stream.some(min(left, BLOCK))
            left -= len(block)
            yield block

    def _inflated(self) -> Iterator[bytes]:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            while not inflater.eof:
                data = inflater.unconsumed_tail
                if not data:
                    data = self._stream.some(BLOCK)
                    self._taken += len(data)
                if block := inflater.decompress(data, BLOCK):
                    yield block
        except zlib.error as error:
            raise DataError(f"the archive is damaged: {error}") from None
        self._taken -= len(inflater.unused_data)
        self._stream.back(len(inflater.unused_data))

    def _read_descriptor(self) -> None:
        """Check the data descriptor (4.3.9): optional signature, sizes of 4 bytes, or 8 with ZIP64."""
        start = self._stream.exactly(4)
        if start == DESCRIPTOR_SIGN:
            start = self._stream.exactly(4)
        is_wide = self._is_wide or max(self._taken, self._size) > NO_SIZE
        sizes = struct.Struct("<QQ" if is_wide else "<II")
        found = (*struct.unpack("<I", start), *sizes.unpack(self._stream.exactly(sizes.size)))
        if found != (self._crc, self._taken, self._size):
            raise DataError("the archive is damaged: a file in it does not match its checksum")
