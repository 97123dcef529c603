"""Sending one file to a web server: under a hidden name first, if the server can rename it."""

from collections.abc import Mapping
from contextlib import suppress

from connectors import log, secrets
from connectors.errors import DataError, ProtocolViolation, RedError, TemporaryFailure
from connectors.http import digests, stated
from connectors.http import url as urls
from connectors.http.dav import PARENT_MISSING, Dav
from connectors.http.ranges import CONTENT_RANGE
from connectors.http.transport import http_failures
from connectors.http.transport.client import Client
from connectors.http.transport.reply import Reply, whole_number
from connectors.remote import Source

KEPT = {401, 407, 408, 413, 423, 425, 429, 503, 507}
"""Statuses that another name would get as well, or that are temporary."""
MOVE_LACKING = {500, 501, 502}
"""Statuses of servers and proxies that do not offer or understand MOVE."""


class Uploader:
    """Sends files by ``method``; ``headers`` are sent with every request."""

    def __init__(self, client: Client, dav: Dav, method: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._dav = dav
        self._method = method
        self._headers = headers
        self._failed_once: set[str] = set()  # URLs at which a temporary failure has happened

    def send(self, url: str, source: Source, *, make_parents: bool) -> None:
        """Send to ``url``. With WebDAV, PUT writes to a hidden name, which is then moved."""
        if self._method != "PUT":
            self._check(self._request(url, source, make_parents=make_parents))
            return
        if self._dav.offered and not url.endswith("/") and self._move_in(url, source, make_parents):
            return
        reply = self._request(url, source, make_parents=make_parents)
        self._check(reply)
        if reply.status != 202:  # 202: will be done later
            self._look_at(url, source)

    def failure(self, reply: Reply) -> RedError:
        """The error for a response other than success."""
        failure = http_failures.of_reply(reply, sending=True, method=self._method)
        if isinstance(failure, TemporaryFailure) and self._method != "PUT":
            failure.repeatable = reply.status in http_failures.NOT_TAKEN
        return failure

    def _check(self, reply: Reply) -> None:
        if not reply.ok:
            raise self.failure(reply)

    def _request(self, url: str, source: Source, *, make_parents: bool) -> Reply:
        """One request; repeated once if the directory was missing and has been made."""
        parent = urls.parent(url)
        may_lack_parent = make_parents and parent and self._method == "PUT" and not self._dav.is_known(parent)
        headers = {"Content-Type": "application/octet-stream", **self._headers}
        reply = self._client.request(self._method, url, headers=headers, source=source)
        if may_lack_parent and reply.status in PARENT_MISSING and parent and self._dav.make(parent):
            reply = self._client.request(self._method, url, headers=headers, source=source)
        return reply

    # -- by a hidden name --------------------------------------------------------------------------

    def _move_in(self, url: str, source: Source, make_parents: bool) -> bool:
        """Some servers (Apache) write directly to the final name; with a hidden name nobody sees half a file.

        False if the server refuses the hidden name or the MOVE: then it may still take the name itself.
        """
        folder, _, name = url.rpartition("/")
        hidden = f"{folder}/{source.staging_name(name)}"
        try:
            why = self._refused(hidden, url, source, make_parents)
        except BaseException:
            self._dav.delete(hidden)
            raise
        if not why:
            return True
        self._dav.delete(hidden)
        if self._dav.refuse():
            place = secrets.shown_url(url)
            log.info(
                f"{place}: the server does not accept a hidden name first ({why}); sent under its own name"
            )
        return False

    def _refused(self, hidden: str, url: str, source: Source, make_parents: bool) -> str:
        """Send and rename it; the reason if that is refused. Raises errors that any name would get."""
        try:
            reply = self._request(hidden, source, make_parents=make_parents)
            if not reply.ok:
                return self._reason(url, reply, "PUT")
            reply = self._moved(hidden, url)
            if not reply.ok or reply.status == 207:  # 207 reports what was not done
                return self._reason(url, reply, "MOVE")
            self._look_at(url, source)
        except ProtocolViolation as failure:  # redirected, not understood, or not done
            return failure.message
        return ""

    def _moved(self, hidden: str, url: str) -> Reply:
        try:
            return self._dav.move(hidden, url)
        except TemporaryFailure:  # some proxies close the connection on unknown methods
            if self._may_pass(url):
                raise
            raise ProtocolViolation("no answer to MOVE") from None

    def _reason(self, url: str, reply: Reply, method: str) -> str:
        failure = self.failure(reply)
        may_pass = isinstance(failure, TemporaryFailure) and not (
            method == "MOVE" and reply.status in MOVE_LACKING
        )
        if reply.status in KEPT or (may_pass and self._may_pass(url)):
            raise failure
        return f"{reply.status} to {method}"

    def _may_pass(self, url: str) -> bool:
        """Whether a temporary failure is the first one at ``url``; a second one counts as a refusal."""
        is_first = url not in self._failed_once
        self._failed_once.add(url)
        return is_first

    # -- afterwards --------------------------------------------------------------------------------

    def _look_at(self, url: str, source: Source) -> None:
        """A resource that was PUT can be read (RFC 9110, 9.3.4); if it is missing or shorter, it was lost."""
        reply = self._client.request("HEAD", url, headers=self._headers)
        fault = self._fault(reply, stated.length(reply), source)
        if fault is None:
            return
        if reply.status in http_failures.NOT_TAKEN or not self._looks_right(url, source):
            raise fault

    def _fault(self, reply: Reply, size: int | None, source: Source) -> RedError | None:
        """What is wrong with the file that ``reply`` describes; None if nothing is."""
        place = secrets.shown_url(reply.url)
        if reply.status in (404, 410):
            return ProtocolViolation(f"{place}: the server accepted the file but does not have it")
        if reply.status in http_failures.NOT_TAKEN or reply.status in (500, 502, 504):
            return self.failure(reply)
        if reply.status not in (200, 206) or "content-encoding" in reply.headers:
            return None
        if size not in (None, source.size):
            return DataError(f"{place}: {source.size} bytes were sent, the server has {size}")
        for theirs in digests.of_file(reply.headers, whole=False):
            if source.checksum(theirs.algorithm) != theirs:
                return DataError(f"{place}: the server has other bytes than were sent: {theirs}")
        return None

    def _looks_right(self, url: str, source: Source) -> bool:
        """Whether GET, of one byte if the server can, shows the file that was sent: some answers to HEAD are
        about something else (a length of 0, or that of a page). The body is read only if its length is not
        stated.
        """
        answer: list[Reply] = []
        received = 0

        def begin(reply: Reply) -> None:
            answer.append(reply)
            if reply.status != 200 or stated.length(reply) is not None:
                raise Enough

        def count(data: bytes) -> None:
            nonlocal received
            received += len(data)
            if received > source.size:
                raise Enough

        headers = {**self._headers, "Range": "bytes=0-0"}
        with suppress(Enough):
            self._client.request("GET", url, headers=headers, on_reply=begin, sink=count)
        reply = answer[-1]
        size = stated.length(reply) if reply.status == 200 else _complete_length(reply)
        if reply.status == 200 and size is None:
            size = received
        if reply.status == 416:  # an empty file has no first byte
            return size == source.size == 0
        is_answer = reply.status in (200, 206) and size is not None
        return is_answer and self._fault(reply, size, source) is None


class Enough(Exception):
    """Enough of the response has been read."""


def _complete_length(reply: Reply) -> int | None:
    """The size of the file according to Content-Range (RFC 9110, 14.4)."""
    text = reply.headers.get("content-range", "")
    match = CONTENT_RANGE.fullmatch(text)
    return whole_number(match[3] if match else text.removeprefix("bytes */"))
