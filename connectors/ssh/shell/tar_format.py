"""Archives of GNU tar as streams of small files.

Python's tarfile takes 25 to 40 µs for each file, as long as everything else that is done with it; this is for
archives that our own commands make and read, of regular files and folders alone.
"""

from collections.abc import Iterable, Iterator

from connectors.remote import SMALL

BLOCK = 512  # bytes; POSIX.1-2001, pax, "ustar Interchange Format"
END = bytes(20 * BLOCK)
LARGEST = 2 * SMALL  # bytes of a member; each is held in memory
LONGEST_NAME = 100  # bytes in a header; a longer one is the content of a member before it
FILE, FOLDER, LONG_NAME = b"0", b"5", b"L"
STATUS = b"red "  # how a block with a status begins, behind a NUL; see connectors.ssh.shell.scripts


class Malformed(Exception):
    """It is no such archive."""


def members(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Name and content of each file of the archives that arrive in ``chunks``; Malformed if there is more.

    Between the archives: no name, and the exit status of the tar that has made the last one, in digits.
    """
    rest = long_name = b""
    for chunk in chunks:
        data = rest + chunk if rest else chunk
        position, end = 0, len(data)
        while position + BLOCK <= end:
            if not data[position]:  # zeros at the end, or a status
                if data[position + 1 : position + 1 + len(STATUS)] == STATUS:
                    yield b"", data[position + 1 + len(STATUS) : position + BLOCK].strip()
                position += BLOCK
                continue
            start = position + BLOCK
            try:
                size = int(data[position + 124 : position + 135], 8)
                name_ends = data.index(0, position)
            except ValueError:
                raise Malformed from None
            if not 0 <= size <= LARGEST:
                raise Malformed
            after = start + _whole_blocks(size)
            if after > end:
                break
            kind = data[position + 156 : position + 157]
            if kind == FILE:
                name = long_name or data[position:name_ends][:LONGEST_NAME]
                long_name = b""
                yield name, data[start : start + size]
            elif kind == LONG_NAME:
                long_name = data[start : start + size].rstrip(b"\0")
            else:
                raise Malformed
            position = after
        rest = data[position:]
    if rest.strip(b"\0"):
        raise Malformed


def member(name: bytes, mode: int, content: bytes | None) -> list[bytes]:
    """The pieces of an archive that are this file, or folder if ``content`` is None."""
    pieces = []
    if len(name) > LONGEST_NAME:
        pieces += [_header(b"././@LongLink", 0o644, len(name) + 1, LONG_NAME), _padded(name + b"\0")]
    pieces.append(
        _header(name[:LONGEST_NAME], mode, len(content or b""), FOLDER if content is None else FILE)
    )
    if content:
        pieces.append(_padded(content))
    return pieces


def _header(name: bytes, mode: int, size: int, kind: bytes) -> bytes:
    # owner and group 0, time 0: who extracts it takes neither
    fields = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, 0)
    total = sum(name) + sum(fields) + kind[0] + _CONSTANT_SUM
    return b"%b%b%06o\0 %b%b" % (name.ljust(LONGEST_NAME, b"\0"), fields, total, kind, _REST)


_REST = bytes(100) + b"ustar  \0" + bytes(BLOCK - LONGEST_NAME - 48 - 8 - 1 - 108)
_CONSTANT_SUM = sum(_REST) + 8 * 0x20  # the checksum's own eight bytes count as spaces


def _padded(content: bytes) -> bytes:
    return content + bytes(_whole_blocks(len(content)) - len(content))


def _whole_blocks(size: int) -> int:
    return (size + BLOCK - 1) // BLOCK * BLOCK
