"""JSON files with any connector; other files are rejected."""

import sys
from contextlib import suppress
from typing import BinaryIO

from connectors.errors import DataError
from connectors.local.files import reading
from connectors.remote import Decorated, Opened

LONGEST_INTEGER = (
    100_000  # digits; Python's own limit is 4300, and without any a file could keep it busy for hours
)
TOO_LARGE = "a number that is too large to be checked"
BLOCK = 64 << 10  # bytes
STEPS = (BLOCK, 1024, 32, 1)  # bytes
CONTINUATION_BYTES = bytes(range(0x80, 0xC0))  # of UTF-8: never a first byte


class JsonOnly(Decorated):
    """Checks the content without changing it: key order and big numbers are kept."""

    def inspect(self, opened: Opened, name: str) -> None:
        self.remote.inspect(opened, name)
        with reading(name), opened() as file:
            check_json(file, name)


def check_json(file: BinaryIO, name: str) -> None:
    """DataError unless the file is one JSON value (RFC 8259), of any size: it is read as a stream."""
    import ijson  # type: ignore[import-untyped]

    sys.set_int_max_str_digits(LONGEST_INTEGER)
    try:
        for _ in ijson.basic_parse(file):  # not use_float=True: it rejects numbers over 64 bits
            pass
        return
    except ArithmeticError:
        why = TOO_LARGE
    except (ijson.JSONError, ValueError, SystemError) as error:
        cause = error.__cause__ if isinstance(error, SystemError) else error  # from its C part
        why = _words(cause)
    line, column = _position_of_fault(file)
    raise DataError(f"{name} is not JSON: line {line}, column {column}: {why}")


def _position_of_fault(file: BinaryIO) -> tuple[int, int]:
    """Line and column, both from 1, of the first character that makes the file invalid JSON.

    The parser does not report it, so the file is parsed again, in smaller and smaller pieces near the fault;
    parsing it all byte by byte is slow.
    """
    end = 0
    for step in STEPS:
        end = _accepted(file, end, step)
    file.seek(0)
    line = column = 1
    while block := file.read(min(BLOCK, end - file.tell())):
        before, newline, last = block.rpartition(b"\n")
        line += before.count(b"\n") + len(newline)
        column = (1 if newline else column) + len(last.translate(None, CONTINUATION_BYTES))
    return line, column


def _accepted(file: BinaryIO, known: int, step: int) -> int:
    """How many bytes the parser accepts, in steps of ``step`` bytes after the first ``known`` bytes."""
    import ijson

    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    file.seek(0)
    taken = 0
    with suppress(ijson.JSONError, ValueError, ArithmeticError, SystemError):
        while data := file.read(min(BLOCK, known - taken) if taken < known else step):
            parser.send(data)
            taken += len(data)
            del events[:]
    return taken


def _words(error: BaseException | None) -> str:
    """The parser's message, without the text it quotes on further lines."""
    said = error.args[0] if error and error.args else ""
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
    return TOO_LARGE if "digits" in text else text.strip().partition("\n")[0]
