"""Files and directories over HTTP and HTTPS."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from connectors.access.schema import PASSWORD, USERNAME, Field, Schema, any_case
from connectors.http import http_rules
from connectors.http.fields import TLS, URL
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Access, Verb

if TYPE_CHECKING:
    from connectors.remote import Remote
    from connectors.transfer.job import Job

EXECUTABLE = "red-connector-http"
SUMMARY = "files and directories over HTTP and HTTPS"

TOKEN: Field = {
    "type": "string",
    "check_with": http_rules.bearer_token,
    "meta": {
        "doc": "Token, in place of username and password",
        "secret": True,
        "optional": "yes, except for BEARER",
    },
}

AUTH: Field = {
    "type": "dict",
    "schema": Schema(
        {
            "username": {**USERNAME, "check_with": http_rules.username},
            "password": PASSWORD,
            "method": {
                **any_case(*http_rules.METHODS),
                "default": http_rules.DEFAULT_METHOD,
                "meta": {"doc": "Authentication method", "example": "BASIC"},
            },
            "token": TOKEN,
        },
        http_rules.AUTH,
    ),
    "meta": {"doc": "Authentication information"},
}

HEADERS: Field = {
    "type": "dict",
    "keysrules": {"type": "string"},
    "valuesrules": {"type": "string"},
    "check_with": http_rules.headers,
    "meta": {"doc": "Further headers to send, name: value", "secret": True},
}


def _schema(method: str, *, of_directory: bool = False) -> Schema:
    """The access data; the default ``method`` depends on the verb."""
    example = {"example": "http://example.com/files"} if of_directory else {}
    fields = {
        "url": {**URL, "meta": {**URL["meta"], **example}},
        "method": {
            **any_case("GET", "PUT", "POST"),
            "default": method,
            "meta": {"doc": "HTTP method", "example": method},
        },
        "auth": AUTH,
        "headers": HEADERS,
        **TLS,
    }
    return Schema(fields, http_rules.ACCESS)


SCHEMAS = {
    RECEIVE_FILE: _schema("GET"),
    SEND_FILE: _schema("POST"),
    RECEIVE_DIR: _schema("GET", of_directory=True),
    SEND_DIR: _schema("PUT", of_directory=True),
}


@contextmanager
def connect(
    access: Access,
    verb: Verb,
    job: "Job",
    *,
    headers: Mapping[str, str] | None = None,
) -> Iterator["Remote"]:
    """The place on a web server that ``access`` names; ``headers`` go with the files."""
    from connectors.http.http_remote import WebRemote
    from connectors.http.transport.client import (  # libcurl, 25 ms: only when there is something to ask
        Client,
        Identity,
    )
    from connectors.http.url import credentials, fit_to_send

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
        yield WebRemote(client, url, access["method"], headers or {})
    finally:
        client.close()
