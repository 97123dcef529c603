"""Checks and rules of XNAT's access data, beyond types; connectors.access.rules says how they work."""

from collections.abc import Mapping
from typing import Any

from connectors import secrets
from connectors.access.rules import (
    CONTROL,
    Error,
    Rule,
    chain,
    check,
    matches,
    matches_for,
    no_control,
    not_for,
    requires,
    whole,
)
from connectors.http import http_rules
from connectors.xnat.addresses import COLLECTIONS, is_catalogue

LEVELS = (*COLLECTIONS, "containerType", "container")
"""From the left to the right: each requires all before it."""

EXAMPLES = {
    "scans": "xnat:mrScanData",
    "reconstructions": "xnat:reconstructedImageData",
    "assessors": "xnat:qcAssessmentData",
}
"""A type of each kind of container."""

OTHERS_TYPES = {
    "scans": r"xnat:(?![A-Za-z0-9_]+ScanData$).*",
    "reconstructions": r"xnat:[A-Za-z0-9_]+(Scan|Session|Assessor|Assessment)Data|xnat:(subject|project)Data",
    "assessors": r"xnat:([A-Za-z0-9_]+(Scan|Session)|subject|project|reconstructedImage)Data",
}
"""Of XNAT's own types, those that surely are not of this kind; what a site adds has a prefix of its own."""

WILDCARDS = ("*", "ALL")
EXPERIMENT = r"[A-Za-z0-9_-]+"
"""What the ID of an experiment or assessor may consist of: everything else is 417 from XNAT
(docs/xnat-rest-api.md, 2.6)."""


@check(pattern=r"^([hH][tT][tT][pP][sS]?://[^/?#@]+(/[^?#]*)?$|[^:/?#]*\{\{)")
def base_url(field: str, value: Any, error: Error) -> None:
    """The site itself: what is below it is said by the other fields."""
    from urllib.parse import unquote, urlsplit

    faults: list[str] = []
    http_rules.url(field, value, lambda _, message: faults.append(message))
    if faults:
        error(field, faults[0])
        return
    if secrets.login(value) is not None:
        error(field, "must not contain a username or a password: those belong under auth")
    parts = urlsplit(value)
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        error(field, "must be the address of the site alone, without ? and #")
    if ";" in parts.path or {"..", "."} & set(unquote(parts.path).replace("\\", "/").split("/")):
        error(field, "must be the address of the site alone, without .. or ;, which would lead elsewhere")
    elif {"data", "REST"} & set(parts.path.split("/")):
        error(field, "must be the address of the site alone: leave out /data and what follows")


@check(minLength=1)
def label(field: str, value: Any, error: Error) -> None:
    """One project, subject, session or assessor."""
    _identifier(field, value, error)
    if "/" in value:
        error(field, "must not contain /: no ID or label can")


@check(minLength=1)
def container(field: str, value: Any, error: Error) -> None:
    """The ID of a scan may hold slashes, which XNAT wants written as [SLASH]. See also RECEIVING."""
    if "" in value.split("/") and value:
        error(field, "must not begin or end with /, or contain //: XNAT's web server would drop it")
    elif "[SLASH]" in value:
        error(field, "must not contain [SLASH]: write /, which is sent to XNAT as [SLASH]")
    else:
        _identifier(field, value, error)


@check(minLength=1)
def resource(field: str, value: Any, error: Error) -> None:
    label(field, value, error)
    if value.isdigit():
        error(
            field,
            "must not be digits only: XNAT reads that as an internal number, and IDs are not taken here",
        )


xsi_type = matches(
    r"[A-Za-z_][A-Za-z0-9_.-]*:[A-Za-z_][A-Za-z0-9_.-]*",
    f"must be a type with its prefix, such as {', '.join(EXAMPLES.values())}",
)


def _identifier(field: str, value: Any, error: Error) -> None:
    no_control(field, value, error)
    if not value or value != value.strip():
        error(field, "must not be empty, nor begin or end with a blank")
    elif {".", ".."} & set(value.split("/")):
        error(field, "must not be . or ..: that would lead elsewhere")
    elif "," in value:
        error(field, "must not contain a comma: XNAT reads that as a list of several")
    elif value in WILDCARDS:
        error(field, f"must not be {value}: XNAT reads that as all of them")
    elif "\\" in value or "?" in value or "#" in value or ";" in value:
        error(field, "must not contain \\ ? # or ;: XNAT's web server cuts the address there")


@check(pattern=whole(r"[\s\S]*[^/]"))
def file(field: str, value: Any, error: Error) -> None:
    if value.endswith("/"):
        error(field, "names a folder: the file name at the end is missing")
    else:
        folder(field, value, error)


@check()
def folder(field: str, value: Any, error: Error) -> None:
    """A path in the resource; a slash at its begin or end adds nothing."""
    segments = value.strip("/").split("/")
    if CONTROL.search(value):
        error(field, "must not contain control characters, such as the end of a line")
    elif {".", ".."} & set(segments):
        error(field, "must not contain . or .. as a folder: that would lead elsewhere")
    elif "" in segments:
        error(field, "must be a path in the resource, without empty names")


def _catalogue(document: Mapping[str, Any], error: Error) -> None:
    resource, file = document.get("resource"), document.get("file")
    if isinstance(resource, str) and isinstance(file, str) and is_catalogue(resource, file.strip("/")):
        own = file.strip("/").partition("/")[0]
        error("file", f"must not be {own}: XNAT keeps its own list of this resource's files under that name")


RECEIVING = (
    chain(*LEVELS[1:]),  # project is required anyway
    requires("containerType", "container", "its ID or label"),
    matches_for(
        {"containerType": "reconstructions"},
        "container",
        "[^/]*",
        "must not contain /: only the ID of a scan can",
    ),
    matches_for(
        {"containerType": "assessors"},
        "container",
        EXPERIMENT,
        "must consist of letters, digits, _ and -: no other ID works for assessors",
    ),
    requires("direction", "containerType"),
    not_for(
        {"containerType": "scans"},
        "direction",
        "is for reconstructions and assessors: scans have no input or output side",
    ),
)

SENDING = (
    *RECEIVING,
    requires("xsiType", "containerType"),
    *(
        matches_for(
            {"containerType": kind},
            "xsiType",
            rf"(?!({OTHERS_TYPES[kind]})$)[\s\S]*",
            f"is not a type of {kind}: use one such as {example}",
        )
        for kind, example in EXAMPLES.items()
    ),
    Rule(_catalogue),
)
