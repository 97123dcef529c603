"""HTTP for tests of experiments: receives like connectors.http, and only says what it would have sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors import http, log
from connectors.model import Verb
from connectors.registry import Access
from connectors.transfer.departure import Departure

if TYPE_CHECKING:
    from connectors.http.http_remote import WebRemote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-http-mock-send"
SUMMARY = "like red-connector-http, but nothing is sent: for tests"
SCHEMAS = http.SCHEMAS


@contextmanager
def connect(access: Access, job: "Job") -> Iterator["WebRemote"]:
    from connectors.http.http_remote import WebRemote

    class SilentRemote(WebRemote):
        def open(self) -> None:
            """Sending asks nothing, and receiving has nothing to begin with."""

        def check(self, verb: Verb, path: str) -> None:
            if not verb.sends:
                super().check(verb, path)

        def write(self, path: str, departure: Departure) -> None:
            departure.moved = False
            log.info(f"{departure.source} not sent to {self.describe(path)}: this connector never sends")

        def make_dir(self, path: str) -> None:
            log.info(f"{self.describe(path)} not created: this connector never sends")

    with http.connect(access, job, remote=SilentRemote) as remote:
        yield remote
