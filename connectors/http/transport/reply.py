"""A web server's response."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from connectors import secrets
from connectors.errors import ProtocolViolation, TemporaryFailure
from connectors.http.transport import dates

REDIRECTS = {301, 302, 303, 307, 308}
STATUS_LINE = re.compile(r"HTTP/1\.[01][ \t]+([0-9]{3})(?:[ \t](.*))?")
BLANK = (b"\r\n", b"\n")
FRAMING = ("content-length", "transfer-encoding")  # the fields that say where a body ends
LONGEST_NUMBER = 18  # digits: no file is larger


class Cut(TemporaryFailure):
    """The connection was closed before the response header was complete."""


class Reply(NamedTuple):
    """A response: header fields by lower-case name, and the body unless a sink received it.

    ``trailers`` are the fields after a chunked body. ``login`` is the method of a login that a 401 refused.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    url: str
    body: bytes = b""
    trailers: Mapping[str, str] = {}
    login: str = ""

    @property
    def redirects(self) -> bool:
        """Whether it is a redirect with a target."""
        return self.status in REDIRECTS and "location" in self.headers

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def modified(self) -> str:
        """Last-Modified where it tells one version from another: a second in the past (RFC 9110, 8.8.2.2)."""
        text = self.headers.get("last-modified", "")
        then, now = dates.moment(text), dates.moment(self.headers.get("date", ""))
        return text if then is not None and now is not None and then + 1 <= now else ""

    @property
    def is_framed(self) -> bool:
        """Whether the end of its body shows; otherwise it ends with the connection (RFC 9112, 6.3)."""
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    @property
    def allowed(self) -> frozenset[str]:
        """The methods that it says are allowed here (RFC 9110, 10.2.1); empty if it says nothing."""
        words = (word.strip().upper() for word in self.headers.get("allow", "").split(","))
        return frozenset(word for word in words if word)

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("content-type", "").lower()

    @property
    def may_be_html(self) -> bool:
        return self.is_html or "content-type" not in self.headers

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before a retry (RFC 9110, 10.2.3), if the server says so."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        moment = dates.moment(text)
        return None if moment is None else max(0.0, moment - time.time())


def whole_number(text: str) -> int | None:
    """A number of bytes in a header field or page; None if it is invalid or larger than any file."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_NUMBER else None


def header(lines: Sequence[bytes], url: str) -> tuple[Reply, int]:
    """The final response in the ``lines`` from ``url``, and the number of lines to the end of its header.

    Others may precede it: 100 Continue, a challenge. Raises Cut if the header is incomplete, since libcurl
    takes the end of a connection for the end of a header. Raises ProtocolViolation if it is not HTTP/1.1, or
    its length is ambiguous (RFC 9112, 6.3).
    """
    start, end = 0, _end_of_header(lines, 0, url)
    while end < len(lines) and lines[end].startswith(b"HTTP/"):
        start, end = end, _end_of_header(lines, end, url)
    match = STATUS_LINE.fullmatch(_text(lines[start : start + 1]).strip())
    if not match:
        raise ProtocolViolation(f"{secrets.shown_url(url)}: the response is not HTTP")
    status = int(match[1])
    if 100 <= status < 200 and status != 101:
        raise _cut(url)
    headers = fields(lines[start + 1 : end - 1])
    _make_length_clear(headers, url)
    return Reply(status, (match[2] or "").strip(), headers, url), end


def fields(lines: Sequence[bytes]) -> dict[str, str]:
    """The fields of a header or trailer, by lower-case name."""
    found: dict[str, str] = {}
    for line in _text(lines).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            key, value = name.lower(), value.strip()
            found[key] = f"{found[key]}, {value}" if key in found else value
    return found


def _end_of_header(lines: Sequence[bytes], start: int, url: str) -> int:
    for number in range(start, len(lines)):
        if lines[number] in BLANK:
            return number + 1
    raise _cut(url)


def _cut(url: str) -> Cut:
    return Cut(f"{secrets.shown_url(url)}: the connection was closed in the middle of the header")


def _text(lines: Sequence[bytes]) -> str:
    joined = b"".join(lines)
    try:
        return joined.decode()
    except UnicodeDecodeError:
        return joined.decode("latin-1")  # RFC 9110, 5.5


def _make_length_clear(headers: dict[str, str], url: str) -> None:
    """Leave at most one Content-Length. libcurl ignores one beside a transfer coding that it ignores."""
    for name, value in headers.items():
        if name.strip() not in FRAMING:
            continue
        if name != name.strip():
            raise ProtocolViolation(f"{secrets.shown_url(url)}: invalid whitespace around {name.strip()}")
        if name == "transfer-encoding" and value.lower() != "chunked":
            raise ProtocolViolation(f"{secrets.shown_url(url)}: its Transfer-Encoding is not chunked")
        if name == "content-length":
            lengths = {whole_number(one.strip()) for one in value.split(",")}
            if len(lengths) > 1 or None in lengths:
                raise ProtocolViolation(f"{secrets.shown_url(url)}: its Content-Length is not valid")
            headers[name] = str(*lengths)  # repeats are valid (RFC 9110, 8.6)
