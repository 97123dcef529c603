"""Going on where an earlier transfer ended: the answer is a part of a file (RFC 9110, 14)."""

import re

from connectors.errors import TemporaryFailure
from connectors.transfer.arrival import Arrival
from connectors.transfer.part import Version
from connectors.web.reply import Reply

CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


def go_on(reply: Reply, version: Version, arrival: Arrival, place: str, *, if_same: bool) -> None:
    """Take a 206 for the rest of what has arrived, or hear from a 416 that there is none.

    ``version`` is the one that the answer is of, its size None if that is not known otherwise; ``place`` is
    the file's name in messages. With ``if_same`` a part was asked for on condition that the version is the
    same (If-Range), so an answer need not say it again. But nobody's word is taken that it is the right part.

    Raises TemporaryFailure, after which all of the file is to be asked for.
    """
    if reply.status == 416:
        arrival.discard()
        raise TemporaryFailure(f"{place}: has become shorter; starting afresh")
    before = arrival.version
    match = CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
    size = int(match[3]) if match and match[3] != "*" else before.size
    starts_right = match is not None and int(match[1]) == arrival.offset
    same_size = all(known in (None, size) for known in (before.size, version.size))
    same = version.validator == before.validator or (if_same and not version.validator)
    if not (starts_right and same_size and same):
        arrival.discard()
        raise TemporaryFailure(f"{place}: continued with something else; starting afresh")
    arrival.begin(version._replace(validator=before.validator, size=size), arrival.offset)
