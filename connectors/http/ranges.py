"""Going on where an earlier transfer ended: the answer is a part of a file (RFC 9110, 14)."""

import re

from connectors.errors import ProtocolViolation, TemporaryFailure
from connectors.http.transport.reply import Reply, whole_number
from connectors.model import Version
from connectors.remote import Sink

CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII | re.IGNORECASE)


def go_on(reply: Reply, version: Version, sink: Sink, place: str) -> int:
    """Take a 206 for the rest of what has arrived, or hear from a 416 that there is none.

    ``version`` is the one that the answer is of, its size None if that is not known otherwise; ``place`` is
    the file's name in messages. Returns how many bytes will be here at the end of the answer: see
    ``check_end``.

    Raises TemporaryFailure, after which all of the file is to be asked for, unless the answer is provably of
    the same version: it must say its validator and its size again, and begin where the other one ended.
    """
    if reply.status == 416:
        sink.discard()
        raise TemporaryFailure(f"{place}: has become shorter; starting over")
    before = sink.version
    first, last, size = _range(reply)
    sizes = {known for known in (before.size, version.size, size) if known is not None}
    same = version.validator == before.validator and len(sizes) == 1  # none if nothing says where it ends
    complete = max(sizes, default=0)
    fits = first == sink.offset and first <= last < complete and (size or last == complete - 1)
    length = whole_number(reply.headers.get("content-length", ""))
    if "transfer-encoding" not in reply.headers and length not in (None, last - first + 1):
        fits = False
    if not (same and fits) or is_encoded(reply):
        sink.discard()
        raise TemporaryFailure(f"{place}: continued with something else; starting over")
    sink.begin(version._replace(size=complete), sink.offset)
    return last + 1


def check_end(sink: Sink, end: int, place: str) -> None:
    """TemporaryFailure, and nothing is kept, if a 206 that is over brought more or less than it said."""
    if sink.size != end:
        sink.discard()
        raise TemporaryFailure(f"{place}: continued with more or less than announced; starting over")


def check_whole(reply: Reply, sink: Sink, place: str) -> None:
    """Raise an error if a 200 says that it is a part of the file: some servers mistake that for a 206."""
    first, last, size = _range(reply)
    if last < 0 or (first == 0 and size == last + 1):
        return
    if sink.offset:
        sink.discard()
        raise TemporaryFailure(f"{place}: answered 200 with a part of the file; starting over")
    raise ProtocolViolation(f"{place}: sent a part of the file without being asked for one")


def is_encoded(reply: Reply) -> bool:
    """Whether the bytes are those of a compressed file: no bytes of the file itself go with them."""
    return reply.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")


def _range(reply: Reply) -> tuple[int, int, int | None]:
    """First and last byte of the answer, and the size of the whole file if it says that; (0, -1, None) if it
    says nothing, or nothing that makes sense."""
    match = CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
    if not match:
        return 0, -1, None
    return int(match[1]), int(match[2]), None if match[3] == "*" else int(match[3])
