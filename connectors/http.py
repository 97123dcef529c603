"""Files and directories over HTTP and HTTPS."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.access import schema
from connectors.registry import Access
from connectors.verbs import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE

if TYPE_CHECKING:
    from connectors.transfer.job import Job
    from connectors.web.remote import WebRemote

EXECUTABLE = "red-connector-http"
SUMMARY = "files and directories over HTTP and HTTPS"
SCHEMAS = {
    RECEIVE_FILE: schema.http("GET"),
    SEND_FILE: schema.http("POST"),
    RECEIVE_DIR: schema.http("GET", of_directory=True),
    SEND_DIR: schema.http("PUT", of_directory=True),
}


@contextmanager
def connect(
    access: Access,
    job: "Job",
    *,
    remote: "type[WebRemote] | None" = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator["WebRemote"]:
    """The place on a web server that ``access`` names, as a ``remote``; ``headers`` go with the files."""
    from connectors.web.client import Client, Identity  # libcurl, 25 ms: only when there is something to ask
    from connectors.web.remote import WebRemote
    from connectors.web.url import credentials, fit_to_send

    auth = access.get("auth") or {}
    in_url = credentials(access["url"])
    if in_url and not auth:
        auth = {"method": "BASIC", "username": in_url[0], "password": in_url[1]}
    url = fit_to_send(access["url"])
    identity = Identity(
        home=url,
        method=auth.get("method", ""),
        username=auth.get("username", ""),
        password=auth.get("password", ""),
        token=auth.get("token", ""),
        headers=access.get("headers", {}),
        certificate=access.get("clientCertificate", ""),
        key=access.get("clientKey", ""),
        passphrase=access.get("clientKeyPassphrase", ""),
    )
    client = Client(identity, job, verify=not access["disableSSLVerification"])
    try:
        yield (remote or WebRemote)(client, url, access["method"], headers or {})
    finally:
        client.close()
