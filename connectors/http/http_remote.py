"""A URL as a Remote."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from connectors import log, secrets
from connectors.errors import NotFound, ProtocolViolation, RedError
from connectors.http import digests, stated
from connectors.http import url as urls
from connectors.http.dav import NO_PROPFIND, Dav
from connectors.http.ranges import check_end, check_whole, go_on
from connectors.http.transport import http_failures
from connectors.http.transport.client import Client
from connectors.http.transport.reply import Reply
from connectors.http.upload import Enough, Uploader
from connectors.model import Entry, Verb
from connectors.remote import Opened, Sink, Source

if TYPE_CHECKING:
    from connectors.http.directory.index import Ask

LONGEST_PATH = 4096  # PATH_MAX of Linux, in bytes
MOST_SHOWN = 200
LONGEST_HEAD = 4096  # bytes of a page that contain its title


class WebRemote:
    """The file or directory at ``url``. Files are transferred by ``method``; ``headers`` are sent with every
    request."""

    many = None
    file_system = None

    def __init__(self, client: Client, url: str, method: str, headers: Mapping[str, str]) -> None:
        self._client = client
        self._url = url
        self._method = method
        self._headers = headers
        self._dav = Dav(client, headers)
        self._uploader = Uploader(client, self._dav, method, headers)
        self.presents_password = client.presents_password

    def describe(self, path: str = "") -> str:
        return secrets.shown_url(urls.join(self._url, path))

    def identity(self, path: str) -> str:
        return urls.identity(urls.join(self._url, path))

    def open(self) -> None:
        """HTTP has no session. For PUT, ask for WebDAV; but a signed URL allows nothing else."""
        if self._method == "PUT" and "?" not in self._url:
            self._dav.ask(self._url)

    def inspect(self, opened: Opened, name: str) -> None:
        """Any file may be transferred."""

    # -- receiving ---------------------------------------------------------------------------------

    def read(self, path: str, sink: Sink) -> None:
        """From ``sink.offset`` on, if that is provably the same version (If-Range, RFC 9110, 13.1.5)."""
        headers = dict(self._headers)
        current = sink.current_if
        if sink.offset:
            headers |= {"Range": f"bytes={sink.offset}-", "If-Range": sink.version.validator}
        elif current:
            headers["If-None-Match" if current.startswith('"') else "If-Modified-Since"] = current
        asked_for = sink.offset
        end = -1
        url = urls.join(self._url, path)
        head = bytearray()

        def begin(reply: Reply) -> None:
            nonlocal end
            if reply.status in (206, 416) and asked_for:
                end = go_on(reply, stated.version(reply, None), sink, self.describe(path))
                return
            self._check_file(reply, url, path)
            if reply.status == 304 and current:
                sink.keep()
            elif reply.status in (200, 203):
                check_whole(reply, sink, self.describe(path))
                sink.begin(stated.version(reply, stated.length(reply)))
            else:
                raise self._failure(reply)

        def take(data: bytes) -> None:
            if len(head) < LONGEST_HEAD:
                head.extend(data[:LONGEST_HEAD])
            sink.write(data)

        body = b"" if self._method in ("POST", "PUT") else None
        may_be_page = self._method == "GET" and not asked_for and urls.may_be_directory(url)
        reply = self._client.request(
            self._method,
            url,
            headers=headers,
            body=body,
            on_reply=begin,
            sink=take if may_be_page else sink.write,
        )
        if may_be_page and reply.may_be_html and b"<" in head and _is_directory_page(head):
            raise self._is_directory(path)
        if end >= 0:
            check_end(sink, end, self.describe(path))
        if late := digests.of_file(reply.trailers, whole=reply.status == 200):
            sink.learn(late)

    def _check_file(self, reply: Reply, url: str, path: str) -> None:
        """NotFound if the server has redirected to the URL of a directory."""
        leads_to_directory = (
            reply.url != url
            and self._method == "GET"
            and urls.may_be_directory(url)
            and urls.segments(reply.url) == urls.segments(url)
            and urls.is_directory(reply.url)
            and not urls.is_directory(url)
        )
        if leads_to_directory and (reply.status in (403, 404) or (reply.ok and reply.may_be_html)):
            raise self._is_directory(path)

    def _check_page(self, url: str, path: str) -> None:
        """NotFound if the page at ``url`` is a directory page; only its beginning is read."""
        head = bytearray()

        def take(data: bytes) -> None:
            head.extend(data)
            if len(head) >= LONGEST_HEAD:
                raise Enough

        headers = {**self._headers, "Range": f"bytes=0-{LONGEST_HEAD - 1}"}
        with suppress(Enough):
            self._client.request("GET", url, headers=headers, sink=take)
        if _is_directory_page(head):
            raise self._is_directory(path)

    def _is_directory(self, path: str) -> NotFound:
        return NotFound(
            f"{self.describe(path)} is a directory, not a file", hint="receive-dir is for directories"
        )

    def check(self, verb: Verb, path: str) -> None:
        if verb.sends:
            self._check_writable(of_directory=verb.of_directory)
        elif path or not verb.of_directory:
            self._check_readable(path)
        else:
            from connectors.http.directory import index

            for _ in index.children(self._asker(""), self.describe()):
                break

    def _check_readable(self, path: str) -> None:
        """HEAD; where that is refused (a presigned URL is for one method), GET of one byte, not taken."""
        url = urls.join(self._url, path)
        if self._method != "GET":  # asking for it could change something: find out as for sending
            self._check_writable(of_directory=True)
            return
        reply = self._client.request("HEAD", url, headers=self._headers)
        self._check_file(reply, url, path)
        if reply.ok:
            if reply.may_be_html and urls.is_directory(url) and urls.may_be_directory(url):
                self._check_page(url, path)
            return
        if reply.status in (401, 407):
            raise self._failure(reply)

        def stop(reply: Reply) -> None:
            self._check_file(reply, url, path)
            if not reply.ok and reply.status != 416:  # 416: an empty file has no first byte
                raise self._failure(reply)
            raise Enough

        with suppress(Enough):
            self._client.request("GET", url, headers={**self._headers, "Range": "bytes=0-0"}, on_reply=stop)

    def _check_writable(self, *, of_directory: bool) -> None:
        """OPTIONS, then HEAD: neither changes anything. What cannot be known without sending is let pass.

        What is allowed for a directory says nothing about its files: many servers forbid listing one.
        """
        signed = "?" in self._url
        for method in ("OPTIONS", "HEAD"):
            reply = self._client.request(method, self._url, headers=self._headers)
            may_be_forbidden = signed or (of_directory and method == "HEAD")
            if reply.status in (401, 407) or (reply.status == 403 and not may_be_forbidden):
                raise self._uploader.failure(reply)
            if (reply.status >= 500 and reply.status not in http_failures.LACKING) or reply.status == 423:
                raise self._uploader.failure(reply)
            says = (reply.ok or reply.status == 405) and reply.allowed and "dav" not in reply.headers
            if says and not of_directory and self._method not in reply.allowed:
                raise http_failures.not_allowed(reply, self._method)
            if reply.ok:
                return

    # -- sending -----------------------------------------------------------------------------------

    def write(self, path: str, source: Source) -> None:
        url = urls.join(self._url, path)
        self._uploader.send(url, source, make_parents=bool(path))

    # -- directories -------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Directory by directory, without recursion: a tree may be deeper than Python's stack."""
        from connectors.http.directory import index  # HTML and XML: only for directories without a listing

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
        from connectors.http.directory.found import USE_RECEIVE_FILE

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
            log.warning(f"{self.describe(path)}: not created: the server has no empty directories")

    @staticmethod
    def _failure(reply: Reply) -> RedError:
        return http_failures.of_reply(reply, sending=False)


def _is_directory_page(head: bytearray) -> bool:
    from connectors.http.directory.page import is_directory_page  # HTML: only where it may be some

    return is_directory_page(bytes(head))
