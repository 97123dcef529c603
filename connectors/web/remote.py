"""A place on a web server as a Remote."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from connectors import log
from connectors.access import secrets
from connectors.errors import (
    DataError,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.remote import Entry, Opened
from connectors.transfer.arrival import Arrival
from connectors.transfer.departure import Departure
from connectors.transfer.part import Version
from connectors.verbs import Verb
from connectors.web import digests, failures
from connectors.web import url as urls
from connectors.web.client import Client
from connectors.web.dav import NO_PROPFIND, PARENT_MISSING, Dav
from connectors.web.ranges import go_on
from connectors.web.reply import Reply, whole_number

if TYPE_CHECKING:
    from connectors.web.index import Ask

LONGEST_PATH = 4096  # PATH_MAX of Linux, in bytes
MOST_SHOWN = 200


class WebRemote:
    """The file or directory at ``url``. ``method`` moves files; ``headers`` go with every request."""

    def __init__(self, client: Client, url: str, method: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._url = url
        self._method = method
        self._headers = headers
        self._dav = Dav(client, headers)
        self.presents_password = client.presents_password

    def describe(self, path: str = "") -> str:
        return secrets.shown_url(urls.join(self._url, path))

    def identity(self, path: str) -> str:
        return urls.identity(urls.join(self._url, path))

    def open(self) -> None:
        """HTTP has no conversation; but who sends may find WebDAV. A signed URL is good for itself only."""
        if self._method == "PUT" and "?" not in self._url:
            self._dav.ask(self._url)

    def inspect(self, opened: Opened, name: str) -> None:
        """Any file will do."""

    # -- receiving ---------------------------------------------------------------------------------

    def read(self, path: str, arrival: Arrival) -> None:
        """From ``arrival.offset`` on, if that is provably the same version (If-Range, RFC 9110, 13.1.5)."""
        headers = dict(self._headers)
        current = arrival.current_if
        if arrival.offset:
            headers |= {"Range": f"bytes={arrival.offset}-", "If-Range": arrival.version.validator}
        elif current:
            headers["If-None-Match" if current.startswith('"') else "If-Modified-Since"] = current
        asked_for = arrival.offset

        def begin(reply: Reply) -> None:
            if reply.status in (206, 416) and asked_for:
                go_on(reply, _version(reply, None), arrival, self.describe(path), if_same=True)
            elif reply.status == 304 and current:
                arrival.keep()
            elif reply.status in (200, 203):
                arrival.begin(_version(reply, _length(reply)))
            else:
                raise self._failure(reply)

        url = urls.join(self._url, path)
        body = b"" if self._method in ("POST", "PUT") else None
        self._client.request(
            self._method, url, headers=headers, body=body, on_reply=begin, sink=arrival.write
        )

    def check(self, verb: Verb, path: str) -> None:
        if verb.sends:
            self._check_writable()
        elif path or not verb.of_directory:
            self._check_readable(path)
        else:
            from connectors.web import index

            for _ in index.children(self._asker(""), self.describe()):
                break

    def _check_readable(self, path: str) -> None:
        """HEAD; where that is refused (a presigned URL is for one method), GET of one byte, not taken."""
        url = urls.join(self._url, path)
        if self._method != "GET":  # asking for it could change something: find out as for sending
            self._check_writable()
            return
        reply = self._client.request("HEAD", url, headers=self._headers)
        if reply.ok:
            return
        if reply.status in (401, 407):
            raise self._failure(reply)

        def stop(reply: Reply) -> None:
            if not reply.ok and reply.status != 416:  # 416: an empty file has no first byte
                raise self._failure(reply)
            raise _Enough

        with suppress(_Enough):
            self._client.request("GET", url, headers={**self._headers, "Range": "bytes=0-0"}, on_reply=stop)

    def _check_writable(self) -> None:
        """OPTIONS, then HEAD: neither changes anything. What cannot be known without sending is let pass."""
        signed = "?" in self._url
        for method in ("OPTIONS", "HEAD"):
            reply = self._client.request(method, self._url, headers=self._headers)
            if reply.status in (401, 407) or (reply.status == 403 and not signed):
                raise self._failure(reply, sending=True)
            if reply.status >= 500 and reply.status != 501:
                raise self._failure(reply, sending=True)
            if reply.ok:
                return

    # -- sending -----------------------------------------------------------------------------------

    def write(self, path: str, departure: Departure) -> None:
        """By PUT to a hidden name that is then moved, where the server is WebDAV; else in one request."""
        url = urls.join(self._url, path)
        if self._method != "PUT":
            self._upload(path, url, departure)
            return
        named = not url.endswith("/")
        if named and self._dav.offered:
            reply = self._put_and_move(path, url, departure)
        else:
            reply = self._upload(path, url, departure)
        if reply.status != 202:  # 202: will be done later
            self._look_at(url, departure)

    def _put_and_move(self, path: str, url: str, departure: Departure) -> Reply:
        """Some servers (Apache) write what comes straight to its name; this way nobody sees it half there."""
        folder, _, name = url.rpartition("/")
        hidden = f"{folder}/{departure.staging_name(name)}"
        try:
            reply = self._upload(path, hidden, departure)
            self._dav.move(hidden, url)
            return reply
        except NotAuthenticated:
            raise
        except NotPermitted:  # this name, or MOVE, is not for us; the name that was asked for may be
            self._dav.refuse()
            self._dav.delete(hidden)
            return self._upload(path, url, departure)
        except BaseException:
            self._dav.delete(hidden)
            raise

    def _upload(self, path: str, url: str, departure: Departure) -> Reply:
        """All in one request, once more after the directory was made if it is missing and can be made."""
        parent = urls.parent(url)
        may_lack_parent = bool(path and parent and self._method == "PUT" and not self._dav.is_known(parent))
        headers = {"Content-Type": "application/octet-stream", **self._headers}
        reply = self._client.request(self._method, url, headers=headers, departure=departure)
        if may_lack_parent and reply.status in PARENT_MISSING and parent and self._dav.make(parent):
            reply = self._client.request(self._method, url, headers=headers, departure=departure)
        if not reply.ok:
            raise self._failure(reply, sending=True)
        return reply

    def _look_at(self, url: str, departure: Departure) -> None:
        """What was put can be got (RFC 9110, 9.3.4), so a server that has nothing, or less, has lost it."""
        reply = self._client.request("HEAD", url, headers=self._headers)
        place = secrets.shown_url(url)
        if reply.status in (404, 410):
            raise ProtocolViolation(f"{place}: the server took the file, and does not have it")
        if reply.status in failures.NOT_TAKEN or reply.status in (500, 502, 504):
            raise self._failure(reply, sending=True)
        if reply.status != 200 or "content-encoding" in reply.headers:
            return
        if _length(reply) not in (None, departure.size):
            raise DataError(f"{place}: {departure.size} bytes were sent, the server has {_length(reply)}")
        for theirs in digests.of_file(reply.headers, whole=False):
            if departure.checksum(theirs.algorithm) != theirs:
                raise DataError(f"{place}: the server has other bytes than were sent: {theirs}")

    # -- directories -------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Directory by directory, without recursion: a tree may be deeper than Python's stack."""
        from connectors.web import index  # HTML and XML: only for directories without a listing

        directories = [""]
        while directories:
            path = directories.pop()
            for child in index.children(self._asker(path), self.describe(path)):
                below = f"{path}/{child.name}" if path else child.name
                self._check_length(below)
                yield Entry(below, child.is_dir, child.size)
                if child.is_dir and child.name not in ("", ".", ".."):  # those are reported, not walked into
                    directories.append(below)

    def _check_length(self, path: str) -> None:
        """A server that leads in a circle shows longer and longer paths."""
        if len(path) > LONGEST_PATH:
            raise ProtocolViolation(
                f"{self.describe(path[:MOST_SHOWN])}…: a path of more than {LONGEST_PATH} characters",
                hint="does a directory there contain itself? a listing (--listing) moves what it names",
            )

    def _asker(self, path: str) -> "Ask":
        """Asks about the directory ``path``."""
        from connectors.web.index import USE_RECEIVE_FILE

        url = urls.join(self._url, path, directory=True)

        def ask(
            method: str,
            headers: Mapping[str, str],
            body: bytes | None,
            begin: Callable[[Reply], None],
            take: Callable[[bytes], None],
        ) -> Reply:
            def check(reply: Reply) -> None:
                refused = method != "GET" and reply.status in NO_PROPFIND
                if not reply.ok and not refused:
                    raise self._failure(reply)
                if reply.ok and reply.url.partition("?")[0] + "/" == url.partition("?")[0]:
                    raise NotFound(f"{self.describe(path)} is a file, not a directory", hint=USE_RECEIVE_FILE)
                begin(reply)

            headers = {**self._headers, **headers}
            return self._client.request(method, url, headers=headers, body=body, on_reply=check, sink=take)

        return ask

    def make_dir(self, path: str) -> None:
        if not self._dav.make(urls.join(self._url, path, directory=True)):
            log.warning(f"{self.describe(path)}: not made, the server has no empty directories")

    def _failure(self, reply: Reply, *, sending: bool = False) -> RedError:
        failure = failures.of_reply(reply, sending=sending)
        if isinstance(failure, TemporaryFailure) and sending and self._method != "PUT":
            failure.repeatable = reply.status in failures.NOT_TAKEN
        return failure


class _Enough(Exception):
    """What was to be learnt is learnt; the rest of the answer is not wanted."""


def _version(reply: Reply, size: int | None) -> Version:
    """Which version of the file this is. A weak ETag does not promise equal bytes (RFC 9110, 8.8.1)."""
    etag = reply.headers.get("etag", "")
    validator = etag if etag.startswith('"') else reply.modified
    return Version(validator, size, digests.of_file(reply.headers, whole=reply.status == 200))


def _length(reply: Reply) -> int | None:
    text = reply.headers.get("content-length", "")
    chunked = "transfer-encoding" in reply.headers  # then the length counts for nothing (RFC 9112, 6.3)
    if not text or chunked:
        return None
    length = whole_number(text)
    if length is None:
        raise ProtocolViolation(f"{secrets.shown_url(reply.url)}: its Content-Length is no length")
    return length
