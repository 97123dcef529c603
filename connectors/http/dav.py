"""What WebDAV (RFC 4918) adds to a web server: directories, and names that can change."""

import threading
from collections.abc import Mapping
from contextlib import suppress

from connectors.errors import RedError
from connectors.http import url as urls
from connectors.http.transport import http_failures
from connectors.http.transport.client import Client
from connectors.http.transport.reply import Reply
from connectors.transfer.job import TIDY_SECONDS

NO_SUCH_METHOD = {400, 404, 405, 406, 501}  # how servers answer a method that they do not have
NO_PROPFIND = NO_SUCH_METHOD | {403, 409, 411, 415, 422, 505}  # or not this directory; it may have a page
OTHER_SERVER = {400, 502}  # 9.9.4 says 502 of a Destination on another server
PARENT_MISSING = {404, 409, 500}  # RFC 4918, 9.3.1 and 9.7.1 say 409; nginx says 500


class Dav:
    """The WebDAV side of a server; ``headers`` go with every request."""

    def __init__(self, client: Client, headers: Mapping[str, str]) -> None:
        self._client = client
        self._headers = headers
        self._lock = threading.Lock()
        self.offered = False
        self._made: set[str] = set()

    def ask(self, url: str) -> None:
        """Whether the server of ``url`` says that it is WebDAV (18.1): from then on in ``offered``."""
        reply = self._ask("OPTIONS", url)
        if reply.status == 401:  # the same answer to the file would be a second wrong password
            raise http_failures.of_reply(reply, sending=True)
        self.offered = reply.ok and "dav" in reply.headers

    def refuse(self) -> bool:
        """Do without hidden names from now on; whether that is news."""
        with self._lock:
            was_offered, self.offered = self.offered, False
        return was_offered

    def is_known(self, directory: str) -> bool:
        """Whether ``directory`` was made, or found, before."""
        return directory in self._made

    def make(self, directory: str) -> bool:
        """Make ``directory`` (a URL ending in a slash) and its parents; False where the server cannot."""
        with self._lock:
            return self._make(directory)

    def _make(self, directory: str) -> bool:
        """Upwards to one that is there or can be made, and down again; a tree may be deeper than a stack."""
        missing: list[str] = []
        while directory not in self._made:
            reply = self._ask("MKCOL", directory)
            above = urls.parent(directory)
            if reply.status not in PARENT_MISSING:
                if not self._is_made(directory, reply):
                    return False
                break
            if above is None:
                return False
            missing.append(directory)
            directory = above
        return all(self._is_made(one, self._ask("MKCOL", one)) for one in reversed(missing))

    def _is_made(self, directory: str, reply: Reply) -> bool:
        """Whether ``directory`` is there, after ``reply`` to MKCOL; False where the server has no MKCOL."""
        # 405 says that there is something already, or that the server has no MKCOL
        there = reply.status == 405 and self._ask("HEAD", directory).status not in (404, 405, 501)
        if not (reply.ok or there):
            if reply.status in NO_SUCH_METHOD:
                return False
            raise http_failures.of_reply(reply, sending=True)
        self._made.add(directory)
        return True

    def move(self, url: str, target: str) -> Reply:
        """Let what is at ``url`` be at ``target`` (9.9), whatever was there; the answer, refusals too.

        Behind a proxy that ends TLS the server knows itself by http, and refuses https as another server.
        """
        reply = self._ask("MOVE", url, {"Destination": target, "Overwrite": "T"})
        if reply.status in OTHER_SERVER and target.startswith("https:"):
            inner = "http" + target.removeprefix("https")
            reply = self._ask("MOVE", url, {"Destination": inner, "Overwrite": "T"})
        return reply

    def delete(self, url: str) -> None:
        """Remove what is at ``url``, if that can be done quickly; nothing is said if not."""
        with suppress(RedError):  # what made it necessary is what is reported
            self._client.request("DELETE", url, headers=self._headers, last=TIDY_SECONDS)

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self._client.request(method, url, headers={**self._headers, **(headers or {})})
