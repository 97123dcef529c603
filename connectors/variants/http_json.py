"""JSON files over HTTP and HTTPS: like connectors.http, but rejects anything else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors import http
from connectors.model import RECEIVE_FILE, SEND_FILE, Access, Verb

if TYPE_CHECKING:
    from connectors.remote import Remote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-http-json"
SUMMARY = "JSON files over HTTP and HTTPS"
SCHEMAS = {verb: http.SCHEMAS[verb] for verb in (RECEIVE_FILE, SEND_FILE)}
MEDIA_TYPE = "application/json"  # RFC 8259, 11


@contextmanager
def connect(access: Access, verb: Verb, job: "Job") -> Iterator["Remote"]:
    from connectors.variants.json_only import JsonOnly

    headers = {"Accept": MEDIA_TYPE, "Content-Type": MEDIA_TYPE}
    with http.connect(access, verb, job, headers=headers) as remote:
        yield JsonOnly(remote)
