"""Files and resources of XNAT, the archive for medical images."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from connectors.access.rules import Check, no_control
from connectors.access.schema import PASSWORD, USERNAME, Field, Schema, any_case
from connectors.http import http_rules
from connectors.http.fields import TLS, URL
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Access, Verb
from connectors.xnat import xnat_rules

if TYPE_CHECKING:
    from connectors.transfer.job import Job
    from connectors.xnat.xnat_remote import XnatRemote

EXECUTABLE = "red-connector-xnat-http"
SUMMARY = "files and resources of XNAT"


NEEDED_BY = {**dict(pairwise(xnat_rules.LEVELS[1:])), "container": "containerType"}
"""A field that may be left out, and the one that it must not be left out beside."""


def _optional(level: str) -> str:
    """In which case a document may leave out ``level``."""
    return f"yes, except if {NEEDED_BY[level]} is set"


AUTH: Field = {
    "type": "dict",
    "required": True,
    "schema": Schema(
        {
            "username": {
                **USERNAME,
                "required": True,
                "empty": False,
                "check_with": http_rules.username,
                "meta": {**USERNAME["meta"], "doc": "Username, or the alias of a token"},
            },
            "password": {
                **PASSWORD,
                "required": True,
                "meta": {**PASSWORD["meta"], "doc": "Password, or the secret of the token"},
            },
        }
    ),
    "meta": {"doc": "Authentication information"},
}


def _text(doc: str, check: Check, **more: Any) -> Field:
    meta = {key: more.pop(key) for key in ("example", "optional") if key in more}
    return {"type": "string", "check_with": check, **more, "meta": {"doc": doc, **meta}}


def _schema(verb: Verb) -> Schema:
    """The access data, as the seed documents have it; beyond them, sending goes to every level, and
    directories have no ``file`` or a folder for it."""
    example = ("assessors", "data.csv") if verb.sends else ("scans", "scan.dat")
    resource = (
        {"default": "OTHER", "example": "resource"}
        if verb.sends
        else {"required": True, "example": "resource"}
    )
    path = (
        _text("Folder in the resource; default: the whole resource", xnat_rules.folder, example="folder")
        if verb.of_directory
        else _text("File path", xnat_rules.file, required=True, example=example[1])
    )
    sending: dict[str, Field] = {
        "xsiType": _text(
            "Container xsiType, required if the container does not exist yet and is a scan or assessor; "
            "an existing container of another type is an error",
            xnat_rules.xsi_type,
            example="xnat:imageAssessorData",
        ),
    }
    overwriting: dict[str, Field] = {
        "overwriteExistingFile": {
            "type": "boolean",
            "default": False,
            "meta": {
                "doc": "Overwrite files that already exist; otherwise an existing file is an error"
                + (" unless its content is the same" if verb.of_directory else ""),
                "example": False,
            },
        },
        "format": _text("Format of each file that is sent, such as NIFTI", no_control),
        "content": _text("Content of each file that is sent, such as RAW", no_control),
        "tags": _text("Tags of each file that is sent, separated by commas", no_control),
    }
    fields = {
        "baseUrl": {
            **URL,
            "check_with": xnat_rules.base_url,
            "meta": {
                **URL["meta"],
                "doc": "XNAT base URL without any subsequent path, starting with http:// or https://",
                "example": "https://example.com/xnat",
            },
        },
        "project": _text("Project ID or label", xnat_rules.label, required=True, example="project"),
        "subject": _text(
            "Subject ID or label",
            xnat_rules.label,
            example="subject",
            optional=_optional("subject"),
        ),
        "session": _text(
            "Session / Experiment ID or label",
            xnat_rules.label,
            example="session",
            optional=_optional("session"),
        ),
        "containerType": {
            **any_case("scans", "reconstructions", "assessors"),
            "meta": {
                "doc": "Container Type",
                "example": example[0],
                "optional": _optional("containerType"),
            },
        },
        "container": _text(
            "Container ID or label",
            xnat_rules.container,
            example="container",
            optional=_optional("container"),
        ),
        **(sending if verb.sends else {}),
        "direction": {
            **any_case("in", "out"),
            "meta": {"doc": "Whether the resource is an input of the container or an output; default: out"},
        },
        "resource": _text("Resource label, not its ID", xnat_rules.resource, **resource),
        "file": path,
        **(overwriting if verb.sends else {}),
        "auth": AUTH,
        **TLS,
    }
    rules = xnat_rules.SENDING if verb.sends else xnat_rules.RECEIVING
    return Schema(fields, (*rules, *http_rules.CLIENT_CERTIFICATE))


SCHEMAS = {verb: _schema(verb) for verb in (RECEIVE_FILE, SEND_FILE, RECEIVE_DIR, SEND_DIR)}


@contextmanager
def connect(access: Access, verb: Verb, job: "Job") -> Iterator["XnatRemote"]:
    """The place in an archive that ``access`` names; nobody is asked before its ``open``. The session is
    ended, whatever happened in it."""
    from connectors.http.transport.client import (  # libcurl, 25 ms: only when there is something to ask
        Client,
        Identity,
    )
    from connectors.http.url import fit_to_send
    from connectors.xnat import addresses
    from connectors.xnat.xnat_remote import XnatRemote
    from connectors.xnat.xnat_session import Session

    base = fit_to_send(access["baseUrl"]).rstrip("/")
    identity = Identity(
        home=base,
        method="BASIC",
        username=access["auth"]["username"],
        password=access["auth"]["password"],
        certificate=access.get("clientCertificate", ""),
        key=access.get("clientKey", ""),
        passphrase=access.get("clientKeyPassphrase", ""),
    )
    client = Client(identity, job, verify=not access["disableSSLVerification"])
    session = Session(client, base, sends=verb.sends)
    try:
        yield XnatRemote(session, addresses.of(access), verb)
    finally:
        session.end()
        client.close()
