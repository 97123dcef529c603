"""Checks and rules of HTTP's access data, beyond types; connectors.access.rules says how they work."""

import re
from collections.abc import Mapping
from typing import Any

from connectors import secrets
from connectors.access.rules import (
    CONTROL,
    Error,
    Rule,
    all_of,
    check,
    fields_by_choice,
    matches,
    no_control,
    requires,
)
from connectors.net import hosts

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name: RFC 9110, section 5.6.2."""

PLACE = re.compile(rf"(\[[0-9A-Fa-f:.]+(%25[\w.~-]+)?\]|{hosts.NAME.pattern})(:[0-9]*)?")
"""An IPv6 address or a name, and a port."""

METHODS = {
    "BASIC": ("username", "password"),
    "DIGEST": ("username", "password"),
    "BEARER": ("token",),
}
"""How to log in, and the fields that each way requires."""

DEFAULT_METHOD = "BASIC"

RESERVED_HEADERS = ("host", "content-length", "transfer-encoding", "range", "if-range", "connection")


@check(pattern=r"^([hH][tT][tT][pP][sS]?://[^/?#]|[^:/?#]*\{\{)")
def url(field: str, value: Any, error: Error) -> None:
    """An http or https URL with a host and, if any, a sane port (RFC 9110, section 4.2)."""
    from urllib.parse import urlsplit  # 5 ms

    if CONTROL.search(value) or value != value.strip():
        error(field, "must not contain control characters, or blanks at its ends")
        return
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
        host.encode("idna" if not host.isascii() else "ascii")
    except ValueError:  # unbalanced brackets, a port that is no number or too large, a name that IDNA refuses
        error(field, "its host must be a host name or address, its port a number from 1 to 65535")
        return
    if parts.scheme not in ("http", "https") or not host:
        error(field, "must begin with http:// or https:// and a host, like https://example.com/data.csv")
    elif not PLACE.fullmatch(parts.netloc.rpartition("@")[2]) or port == 0 or "\\" in parts.netloc:
        error(field, "its host must be a host name or address, its port a number from 1 to 65535")


username = all_of(
    matches(r"[^:]*", "must not contain a colon: BASIC and DIGEST cannot carry it"),
    no_control,
)
"""RFC 7617, section 2: a colon would end the name. RFC 7616 follows it."""

bearer_token = matches(r"[\x21-\x7e]+", "must be visible ASCII characters without blanks")
"""Wider than RFC 6750, section 2.1, since issuers are; it keeps out what could end the header."""


@check()
def headers(field: str, value: Any, error: Error) -> None:
    """Names are tokens (RFC 9110, section 5.1) and not those that the connector sets; values end no line."""
    seen = set[str]()
    for name, content in value.items():
        place, folded = f"{field}.{name}", name.lower()
        if not TOKEN.fullmatch(name):
            error(place, "not a valid header name: use letters, digits and -")
        elif folded in RESERVED_HEADERS:
            error(place, "set by the connector itself: leave it out")
        elif folded in seen:
            error(place, "given twice, differing only in case: keep one")
        if isinstance(content, str) and re.search(r"[\r\n\0]", content):
            error(place, "must be one line: no CR, LF or NUL")
        seen.add(folded)


def _one_login(document: Mapping[str, Any], error: Error) -> None:
    """Two ways to log in would leave open which one counts."""
    ways = []
    url = document.get("url")
    if isinstance(url, str) and secrets.login(url) is not None:
        ways.append("in the URL")
    if "auth" in document:
        ways.append("under auth")
    sent = document.get("headers")
    name = (
        next((name for name in sent if name.lower() == "authorization"), "") if isinstance(sent, dict) else ""
    )
    if name:
        ways.append(f"as the header {name}")
    if len(ways) > 1:
        place = f"headers.{name}" if name else "url"
        error(place, f"credentials are given {' and '.join(ways)}: keep one, best under auth")


AUTH = (fields_by_choice("method", METHODS, DEFAULT_METHOD),)

CLIENT_CERTIFICATE = tuple(requires(key, "clientCertificate") for key in ("clientKey", "clientKeyPassphrase"))

ACCESS = (Rule(_one_login), *CLIENT_CERTIFICATE)
