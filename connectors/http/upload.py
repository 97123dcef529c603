"""One file on its way to a web server: under a hidden name first, where that can be changed."""

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
"""Statuses that another name would get as well, or that may pass."""
MOVE_LACKING = {500, 501, 502}
"""How servers, and proxies in front of them, answer a MOVE that they do not have, or do not understand."""


class Uploader:
    """Sends files by ``method``; ``headers`` go with every request."""

    def __init__(self, client: Client, dav: Dav, method: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._dav = dav
        self._method = method
        self._headers = headers
        self._failed_once: set[str] = set()  # URLs at which something that may pass went wrong

    def send(self, url: str, source: Source, *, make_parents: bool) -> None:
        """To ``url``. A PUT goes to a hidden name that is then moved, where the server is WebDAV."""
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
        """The error that an answer other than success means."""
        failure = http_failures.of_reply(reply, sending=True, method=self._method)
        if isinstance(failure, TemporaryFailure) and self._method != "PUT":
            failure.repeatable = reply.status in http_failures.NOT_TAKEN
        return failure

    def _check(self, reply: Reply) -> None:
        if not reply.ok:
            raise self.failure(reply)

    def _request(self, url: str, source: Source, *, make_parents: bool) -> Reply:
        """All in one, once more after the directory was made if it is missing and can be made."""
        parent = urls.parent(url)
        may_lack_parent = make_parents and parent and self._method == "PUT" and not self._dav.is_known(parent)
        headers = {"Content-Type": "application/octet-stream", **self._headers}
        reply = self._client.request(self._method, url, headers=headers, source=source)
        if may_lack_parent and reply.status in PARENT_MISSING and parent and self._dav.make(parent):
            reply = self._client.request(self._method, url, headers=headers, source=source)
        return reply

    # -- by a hidden name --------------------------------------------------------------------------

    def _move_in(self, url: str, source: Source, make_parents: bool) -> bool:
        """Some servers (Apache) write what comes straight to its name; this way nobody sees it half there.

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
        """Send it and change its name; the reason if that is refused. Raises what any name would meet."""
        try:
            reply = self._request(hidden, source, make_parents=make_parents)
            if not reply.ok:
                return self._reason(url, reply, "PUT")
            reply = self._moved(hidden, url)
            if not reply.ok or reply.status == 207:  # 207: it tells what was not done
                return self._reason(url, reply, "MOVE")
            self._look_at(url, source)
        except ProtocolViolation as failure:  # redirected, not understood, or not done
            return failure.message
        return ""

    def _moved(self, hidden: str, url: str) -> Reply:
        try:
            return self._dav.move(hidden, url)
        except TemporaryFailure:  # some proxies close the connection on methods that they do not know
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
        """Whether a failure that may pass is the first one at ``url``: what fails again is a refusal."""
        is_first = url not in self._failed_once
        self._failed_once.add(url)
        return is_first

    # -- afterwards --------------------------------------------------------------------------------

    def _look_at(self, url: str, source: Source) -> None:
        """What was put can be got (RFC 9110, 9.3.4), so a server that has nothing, or less, has lost it."""
        reply = self._client.request("HEAD", url, headers=self._headers)
        fault = self._fault(reply, stated.length(reply), source)
        if fault is None:
            return
        if reply.status in http_failures.NOT_TAKEN or not self._looks_right(url, source):
            raise fault

    def _fault(self, reply: Reply, size: int | None, source: Source) -> RedError | None:
        """What is wrong with the file of which ``reply`` is the answer; None if nothing is seen."""
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
    """The rest of the answer is not wanted."""


def _complete_length(reply: Reply) -> int | None:
    """Of the file, as Content-Range states it (RFC 9110, 14.4)."""
    text = reply.headers.get("content-range", "")
    match = CONTENT_RANGE.fullmatch(text)
    return whole_number(match[3] if match else text.removeprefix("bytes */"))
