"""What a web server answers."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from connectors.web import dates

REDIRECTS = {301, 302, 303, 307, 308}


class Reply(NamedTuple):
    """An answer: header fields by lower-case name, and the body where nobody else took it."""

    status: int
    reason: str
    headers: Mapping[str, str]
    url: str
    body: bytes = b""

    @property
    def redirects(self) -> bool:
        """Whether it says that something is elsewhere, and where."""
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
        """Seconds until another attempt is welcome (RFC 9110, 10.2.3), if the server says so."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        moment = dates.moment(text)
        return None if moment is None else max(0.0, moment - time.time())


def whole_number(text: str) -> int | None:
    """A number of bytes in a header field or a page; None if it is none, or more than any file has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None
