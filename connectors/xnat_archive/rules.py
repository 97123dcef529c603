"""What types cannot express about XNAT's access data; how checks work is told in connectors.access.rules."""

import re
from typing import Any

from connectors.access import secrets
from connectors.access.rules import CONTROL, Error, no_control
from connectors.web import rules as web

LEVELS = ("project", "subject", "session", "containerType", "container")
"""From the left to the right: each needs the one before it."""

WILDCARDS = ("*", "ALL")
XSI_TYPE = re.compile(r"[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*")
EXPERIMENT = re.compile(r"[A-Za-z0-9_-]+")
"""What the ID of an experiment or assessor may consist of: everything else is 417 from XNAT."""


def base_url(field: str, value: Any, error: Error) -> None:
    """The site itself: what is below it is said by the other fields."""
    from urllib.parse import urlsplit

    faults: list[str] = []
    web.url(field, value, lambda _, message: faults.append(message))
    if faults:
        error(field, faults[0])
        return
    if secrets.login(value) is not None:
        error(field, "must not hold a username or a password: those stand under auth")
    parts = urlsplit(value)
    if parts.query or parts.fragment or value.endswith(("?", "#")):
        error(field, "must be the address of the site alone, without ? and #")
    if {"data", "REST", "..", "."} & set(parts.path.split("/")):
        error(field, "must be the address of the site alone: /data and what follows is added to it")


def username(field: str, value: Any, error: Error) -> None:
    if not value:
        error(field, "must not be empty")
    web.username(field, value, error)


def label(field: str, value: Any, error: Error) -> None:
    """One project, subject, session or assessor."""
    _identifier(field, value, error)
    if "/" in value:
        error(field, "must not hold /: no ID or label can")


def container(field: str, value: Any, error: Error) -> None:
    """The ID of a scan may hold slashes, which XNAT wants written as [SLASH]; see ``beside``."""
    _identifier(field, value, error)


def resource(field: str, value: Any, error: Error) -> None:
    label(field, value, error)
    if value.isdigit():
        error(field, "must not be digits only: XNAT takes that for a number of its own, never for a label")


def _identifier(field: str, value: Any, error: Error) -> None:
    no_control(field, value, error)
    if not value or value != value.strip():
        error(field, "must not be empty, nor begin or end with a blank")
    elif {".", ".."} & set(value.split("/")):
        error(field, "must not be . or ..: that would lead elsewhere")
    elif "," in value:
        error(field, "must not hold a comma: XNAT reads that as a list of several")
    elif value in WILDCARDS:
        error(field, f"must not be {value}: XNAT takes that for all of them")
    elif "\\" in value or "?" in value or "#" in value or ";" in value:
        error(field, "must not hold \\ ? # or ;: XNAT's web server cuts the address there")


def file(field: str, value: Any, error: Error) -> None:
    if value.endswith("/"):
        error(field, "names a folder: the name of the file is missing at its end")
    else:
        folder(field, value, error)


def folder(field: str, value: Any, error: Error) -> None:
    """A path in the resource; a slash at its begin or end adds nothing."""
    segments = value.strip("/").split("/")
    if CONTROL.search(value):
        error(field, "must not hold control characters, such as the end of a line")
    elif {".", ".."} & set(segments):
        error(field, "must not hold . or .. as a folder: that would lead elsewhere")
    elif "" in segments:
        error(field, "must be a path in the resource, without empty names")


def xsi_type(field: str, value: Any, error: Error) -> None:
    if not XSI_TYPE.fullmatch(value):
        error(field, "must be a type with its prefix, such as xnat:mrScanData")


def receiving(document: dict[str, Any], error: Error) -> None:
    """Which fields need which others."""
    given = [level for level in LEVELS if level in document]
    if given:
        for level in LEVELS[: LEVELS.index(given[-1])]:
            if level not in document and level != "project":  # that one is required anyway
                error(level, f"required beside {given[-1]}: a string")
    kind, name = document.get("containerType"), document.get("container")
    if kind is not None and name is None:
        error("container", "required beside containerType: its ID or label")
    if isinstance(name, str):
        if "/" in name and kind != "scans":
            error("container", "must not hold /: only the ID of a scan can")
        if kind == "assessors" and not EXPERIMENT.fullmatch(name):
            error("container", "must be of letters, digits, _ and -: XNAT takes no other for an assessor")
    if "direction" in document and kind not in ("reconstructions", "assessors"):
        error("direction", "is for reconstructions and assessors: nothing else tells in from out")


def sending(document: dict[str, Any], error: Error) -> None:
    receiving(document, error)
    if "xsiType" in document and "containerType" not in document:
        error("xsiType", "is the type of a container: without containerType there is none")
