"""HTTP for testing experiments: receives like connectors.http, but only logs what it would send."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors import http
from connectors.model import Access, Verb

if TYPE_CHECKING:
    from connectors.remote import Remote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-http-mock-send"
SUMMARY = "like red-connector-http, but nothing is sent: for tests"
SCHEMAS = http.SCHEMAS


@contextmanager
def connect(access: Access, verb: Verb, job: "Job") -> Iterator["Remote"]:
    from connectors.variants.mock_send import MockSend

    with http.connect(access, verb, job) as remote:
        yield MockSend(remote, sends=verb.sends)
