"""What types cannot express about XNAT's access data; how checks work is told in connectors.access.rules."""

import re
from typing import Any

from connectors import secrets
from connectors.access.rules import CONTROL, Error, no_control
from connectors.http import http_rules as web
from connectors.xnat.addresses import COLLECTIONS, is_catalogue

LEVELS = (*COLLECTIONS, "containerType", "container")
"""From the left to the right: each needs the one before it."""

EXAMPLES = {
    "scans": "xnat:mrScanData",
    "reconstructions": "xnat:reconstructedImageData",
    "assessors": "xnat:qcAssessmentData",
}
"""A type of each kind of container."""

OTHERS_TYPES = {
    "scans": re.compile(r"xnat:(?!\w+ScanData$).*"),
    "reconstructions": re.compile(
        r"xnat:\w+(Scan|Session|Assessor|Assessment)Data|xnat:(subject|project)Data"
    ),
    "assessors": re.compile(r"xnat:(\w+(Scan|Session)|subject|project|reconstructedImage)Data"),
}
"""Of XNAT's own types, those that surely are not of this kind; what a site adds has a prefix of its own."""

WILDCARDS = ("*", "ALL")
XSI_TYPE = re.compile(r"[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*")
EXPERIMENT = re.compile(r"[A-Za-z0-9_-]+")
"""What the ID of an experiment or assessor may consist of: everything else is 417 from XNAT
(docs/xnat-rest-api.md, 2.6)."""


def base_url(field: str, value: Any, error: Error) -> None:
    """The site itself: what is below it is said by the other fields."""
    from urllib.parse import unquote, urlsplit

    faults: list[str] = []
    web.url(field, value, lambda _, message: faults.append(message))
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


def username(field: str, value: Any, error: Error) -> None:
    if not value:
        error(field, "must not be empty")
    web.username(field, value, error)


def label(field: str, value: Any, error: Error) -> None:
    """One project, subject, session or assessor."""
    _identifier(field, value, error)
    if "/" in value:
        error(field, "must not contain /: no ID or label can")


def container(field: str, value: Any, error: Error) -> None:
    """The ID of a scan may hold slashes, which XNAT wants written as [SLASH]; see ``beside``."""
    if "" in value.split("/") and value:
        error(field, "must not begin or end with /, or contain //: XNAT's web server would drop it")
    elif "[SLASH]" in value:
        error(field, "must not contain [SLASH]: write /, which is sent to XNAT as [SLASH]")
    else:
        _identifier(field, value, error)


def resource(field: str, value: Any, error: Error) -> None:
    label(field, value, error)
    if value.isdigit():
        error(
            field,
            "must not be digits only: XNAT reads that as an internal number, and IDs are not taken here",
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


def file(field: str, value: Any, error: Error) -> None:
    if value.endswith("/"):
        error(field, "names a folder: the name of the file is missing at its end")
    else:
        folder(field, value, error)


def folder(field: str, value: Any, error: Error) -> None:
    """A path in the resource; a slash at its begin or end adds nothing."""
    segments = value.strip("/").split("/")
    if CONTROL.search(value):
        error(field, "must not contain control characters, such as the end of a line")
    elif {".", ".."} & set(segments):
        error(field, "must not contain . or .. as a folder: that would lead elsewhere")
    elif "" in segments:
        error(field, "must be a path in the resource, without empty names")


def receiving(document: dict[str, Any], error: Error) -> None:
    """Which fields need which others."""
    given = [level for level in LEVELS if level in document]
    if given:
        for level in LEVELS[: LEVELS.index(given[-1])]:
            if level not in document and level != "project":  # that one is required anyway
                error(level, f"required beside {given[-1]}: a string")
    kind, name = _kind(document), document.get("container")
    if kind is not None and name is None:
        error("container", "required beside containerType: its ID or label")
    if isinstance(name, str):
        if "/" in name and kind in OTHERS_TYPES and kind != "scans":
            error("container", "must not contain /: only the ID of a scan can")
        if kind == "assessors" and not EXPERIMENT.fullmatch(name):
            error("container", "must consist of letters, digits, _ and -: no other ID works for assessors")
    if "direction" in document and kind in (None, "scans"):
        error(
            "direction", "is for reconstructions and assessors: nothing else has an input and an output side"
        )


def sending(document: dict[str, Any], error: Error) -> None:
    receiving(document, error)
    _xsi_type(document, error)
    resource, file = document.get("resource"), document.get("file")
    if isinstance(resource, str) and isinstance(file, str) and is_catalogue(resource, file.strip("/")):
        own = file.strip("/").partition("/")[0]
        error("file", f"must not be {own}: XNAT keeps its own list of this resource's files under that name")


def _kind(document: dict[str, Any]) -> str | None:
    """The containerType; None if there is none, empty if it is not a string."""
    kind = document.get("containerType")
    return kind if isinstance(kind, str | None) else ""


def _xsi_type(document: dict[str, Any], error: Error) -> None:
    """What can be known of it without asking the site."""
    given, kind = document.get("xsiType"), _kind(document)
    if not isinstance(given, str):
        return
    if kind is None:
        error("xsiType", "is the type of a container: without containerType there is none")
    elif not XSI_TYPE.fullmatch(given):
        error("xsiType", f"must be a type with its prefix, such as {EXAMPLES.get(kind, EXAMPLES['scans'])}")
    elif kind in OTHERS_TYPES and OTHERS_TYPES[kind].fullmatch(given):
        error("xsiType", f"is not a type of {kind}: use one such as {EXAMPLES[kind]}")
