"""JSON files over HTTP and HTTPS: like connectors.http, and what is not JSON is not moved."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from connectors import http
from connectors.errors import DataError
from connectors.registry import Access
from connectors.remote import Opened
from connectors.transfer.local import reading
from connectors.verbs import RECEIVE_FILE, SEND_FILE

if TYPE_CHECKING:
    from connectors.transfer.job import Job
    from connectors.web.remote import WebRemote

EXECUTABLE = "red-connector-http-json"
SUMMARY = "JSON files over HTTP and HTTPS"
SCHEMAS = {verb: http.SCHEMAS[verb] for verb in (RECEIVE_FILE, SEND_FILE)}
MEDIA_TYPE = "application/json"  # RFC 8259, 11
LONGEST_INTEGER = (
    100_000  # digits; Python's own limit is 4300, and without any a file could keep it busy for hours
)


@contextmanager
def connect(access: Access, job: "Job") -> Iterator["WebRemote"]:
    from connectors.web.remote import WebRemote

    class JsonRemote(WebRemote):
        """The bytes stay as they are, order of keys and big numbers included; they are only looked at."""

        def inspect(self, opened: Opened, name: str) -> None:
            with reading(name), opened() as file:
                check_json(file, name)

    headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
    with http.connect(access, job, remote=JsonRemote, headers=headers) as remote:
        yield remote


def check_json(file: BinaryIO, name: str) -> None:
    """DataError unless the file is one JSON value (RFC 8259), of any size: it is read as a stream."""
    import ijson  # type: ignore[import-untyped]

    sys.set_int_max_str_digits(LONGEST_INTEGER)
    try:
        for _ in ijson.basic_parse(file):  # not use_float=True: that takes no number beyond 64 bits
            pass
    except ArithmeticError:
        raise DataError(f"{name} holds a number that is too large to be checked") from None
    except (ijson.JSONError, ValueError, SystemError) as error:
        why = (
            error.__cause__ if isinstance(error, SystemError) else error
        )  # so its C part hands on a ValueError
        first_line = str(why).strip().splitlines()[:1]  # the others quote the text, with an arrow
        raise DataError(f"{name} is not JSON: {''.join(first_line)}") from None
