"""WebDAV (RFC 4918): creates directories, moves and deletes files."""

import threading
from collections.abc import Mapping
from contextlib import suppress

from connectors.errors import RedError
from connectors.http import url as urls
from connectors.http.transport import http_failures
from connectors.http.transport.client import Client
from connectors.http.transport.reply import Reply
from connectors.transfer.job import TIDY_SECONDS

NO_SUCH_METHOD = {400, 404, 405, 406, 501}  # how servers answer an unsupported method
NO_PROPFIND = NO_SUCH_METHOD | {403, 409, 411, 415, 422, 505}  # or not here; there may be a page
OTHER_SERVER = {400, 502}  # 9.9.4: 502 for a Destination on another server
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
        """Ask whether the server of ``url`` offers WebDAV (18.1); sets ``offered``."""
        reply = self._ask("OPTIONS", url)
        if reply.status == 401:  # the file would get the same: a second wrong password
            raise http_failures.of_reply(reply, sending=True)
        self.offered = reply.ok and "dav" in reply.headers

    def refuse(self) -> bool:
        """Stop using hidden names. Returns whether this is a change."""
        with self._lock:
            was_offered, self.offered = self.offered, False
        return was_offered

    def is_known(self, directory: str) -> bool:
        """Whether ``directory`` was created, or found, before."""
        return directory in self._made

    def make(self, directory: str) -> bool:
        """Make ``directory`` (a URL ending in a slash) and its parents; False where the server cannot."""
        with self._lock:
            return self._make(directory)

    def _make(self, directory: str) -> bool:
        """Go up to one that exists or can be created, and down again; no recursion: trees may be deep."""
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
        """Whether ``directory`` exists after ``reply`` to MKCOL; False if the server lacks MKCOL."""
        # 405: something exists there already, or the server does not support MKCOL
        there = reply.status == 405 and self._ask("HEAD", directory).status not in (404, 405, 501)
        if not (reply.ok or there):
            if reply.status in NO_SUCH_METHOD:
                return False
            raise http_failures.of_reply(reply, sending=True)
        self._made.add(directory)
        return True

    def move(self, url: str, target: str) -> Reply:
        """Move ``url`` to ``target`` (9.9), replacing it; returns the response, also a refusal.

        Behind a proxy that terminates TLS the server expects http, and refuses https as another server.
        """
        reply = self._ask("MOVE", url, {"Destination": target, "Overwrite": "T"})
        if reply.status in OTHER_SERVER and target.startswith("https:"):
            inner = "http" + target.removeprefix("https")
            reply = self._ask("MOVE", url, {"Destination": inner, "Overwrite": "T"})
        return reply

    def delete(self, url: str) -> None:
        """Delete ``url`` if that is quick; failures are ignored."""
        with suppress(RedError):  # the failure that led here is reported instead
            self._client.request("DELETE", url, headers=self._headers, last=TIDY_SECONDS)

    def _ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        return self._client.request(method, url, headers={**self._headers, **(headers or {})})
