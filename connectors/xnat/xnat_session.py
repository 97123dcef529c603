"""Requests to XNAT with credentials and session cookie; responses translated to errors."""

import json
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from connectors import log, secrets
from connectors.errors import (
    CannotCreate,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.http import url as urls
from connectors.http.transport import http_failures
from connectors.http.transport.client import Client
from connectors.http.transport.exchange import Body
from connectors.http.transport.reply import Reply
from connectors.transfer.job import TIDY_SECONDS
from connectors.xnat import lists

COOKIE = re.compile(r"(?:^|[,;]\s*)JSESSIONID=([^;,\s]+)")
COOKIE_IN_URL = re.compile(r";jsessionid=([^/?#;]*)", re.IGNORECASE)
MESSAGE = re.compile(rb"<h3>(.*?)</h3>|<b>Message</b>(.*?)</p>", re.DOTALL)  # XNAT's page, Tomcat's
LONGEST_SHOWN = 200  # characters of a server's message
LONGEST_PAGE = 64 << 10  # bytes of an error page
MOST_MOVES = 2  # of the site, to https and to a path: more is a loop
EXPIRED = re.compile(r"UpdateUser|ChangePassword|XDATScreen", re.IGNORECASE)
MUST_CHANGE = re.compile(
    r"password.*(expire|change|reset|renew)|(expire|change|reset|renew).*password", re.IGNORECASE
)
CHOOSE_PASSWORD = "the password has expired: log in with a browser and choose a new one"
CHECK_PLACE = "check project, subject and session; XNAT hides what a user may not read"


class Session:
    """Requests to the site at ``base``. Every request has credentials as well as the cookie, so XNAT replaces
    an expired session by a new one (docs/xnat-rest-api.md, 1.3). ``end`` closes all of them."""

    def __init__(self, client: Client, base: str, *, sends: bool) -> None:
        self._client = client
        self.base = base
        self._sends = sends
        self._cookie = ""
        self._opened: dict[str, None] = {}
        self._moving = threading.Lock()
        self._moves = 0

    def ask(
        self,
        method: str,
        address: str,
        *,
        headers: dict[str, str] | None = None,
        source: Body | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        sink: Callable[[bytes], None] | None = None,
        last: float = 0.0,
        refusal: bytearray | None = None,
    ) -> Reply:
        """Send a request for ``address``, relative to the site, and return the response; 401 is raised.

        If XNAT responds with a redirect, it has not taken the upload: following it would send a GET that
        succeeds (docs/xnat-rest-api.md, 1.8). ``on_reply``, ``sink`` and ``last`` are as in
        ``Client.request``; the sink puts the body of an error response into ``refusal``.
        """
        base, cookie = self.base, self._cookie
        fields = dict(headers or {})
        if cookie:
            fields["Cookie"] = f"JSESSIONID={cookie}"

        def heard(reply: Reply) -> None:  # before its body, which may be cut
            self._remember(reply, cookie)
            if on_reply:
                on_reply(reply)

        reply = self._client.request(
            method,
            base + address,
            headers=fields,
            source=source,
            body=b"" if method in ("PUT", "POST") and not source else None,
            on_reply=heard,
            sink=sink,
            last=last,
            follow=False,
            repeat=source is None,
        )
        if reply.redirects:
            self._remember(reply, cookie)
            self._move(reply, base, address)
            return self.ask(
                method, address, headers=headers, on_reply=on_reply, sink=sink, last=last, refusal=refusal
            )
        if refusal:
            reply = reply._replace(body=bytes(refusal))
        if reply.status == 401:
            raise self.failure(reply)
        return reply

    def rows(self, address: str) -> list[dict[str, str]]:
        """The rows of a list; raises ``failure`` on an error response."""
        rows: list[dict[str, str]] = []
        reply = self.listed(address, lists.texts(rows))
        if not reply.ok:
            raise self.failure(reply)
        return rows

    def listed(self, address: str, take: lists.Take) -> Reply:
        """Request a list, pass its rows to ``take`` one by one (it may be long), and return the response.

        An error response has its body. Raises ``nonsense`` if it is not a list, TemporaryFailure if it was
        cut short.
        """
        rows = lists.Rows(take)
        heads: list[Reply] = []
        refusal = bytearray()

        def sink(data: bytes) -> None:
            if heads[-1].ok:
                rows.write(data)
            elif len(refusal) < LONGEST_PAGE:
                refusal.extend(data)

        try:
            reply = self.ask(
                "GET",
                f"{address}?format=json",
                on_reply=heads.append,
                sink=sink,
                refusal=refusal,
            )
            if reply.ok:
                rows.finish()
            return reply
        except lists.TooLong:
            raise ProtocolViolation(
                f"{secrets.shown_url(self.base + address)}: the list of contents is longer than "
                f"{lists.LONGEST >> 20} MiB",
                hint="that is too much for one resource: distribute its files over several",
            ) from None
        except lists.CutList:
            raise TemporaryFailure(
                f"{secrets.shown_url(heads[-1].url)}: the list of contents ends in the middle"
            ) from None
        except lists.NoList:
            raise self.nonsense(heads[-1]._replace(body=rows.body)) from None

    def item_type(self, address: str) -> str:
        """The xsiType of the item at ``address``; "" if XNAT does not state it. Raises ``failure`` if it does
        not exist, ``nonsense`` if the response does not describe an item."""
        reply = self.ask("GET", f"{address}?format=json")
        if not reply.ok:
            raise self.failure(reply)
        try:
            return str(json.loads(reply.body)["items"][0]["meta"].get("xsi:type", ""))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise self.nonsense(reply) from None

    def nonsense(self, reply: Reply) -> RedError:
        """The error for an HTML page, from XNAT in maintenance or from a proxy in front of it."""
        return ProtocolViolation(
            f"{secrets.shown_url(reply.url)}: this is not an answer of XNAT's REST API{_said(reply)}",
            hint="check baseUrl: a log-in page, or a page about maintenance, may be in the way",
        )

    def failure(self, reply: Reply) -> RedError:
        """The error for an error response."""
        failure = http_failures.of_reply(reply, sending=self._sends)
        said = _said(reply)
        failure.message += said
        if isinstance(failure, NotAuthenticated) and MUST_CHANGE.search(said):
            failure.hint = CHOOSE_PASSWORD
        elif isinstance(failure, NotAuthenticated):
            failure.hint = f"{http_failures.CHECK_AUTH}; XNAT refuses a user with too many sessions as well"
        elif reply.status in (405, 501):
            failure.hint = "check baseUrl: is that XNAT?"
        elif isinstance(failure, NotPermitted) and MUST_CHANGE.search(said):
            failure.hint, failure.for_all = CHOOSE_PASSWORD, True
        elif isinstance(failure, NotPermitted):
            failure.hint = "this user may not do that in this project"
        elif isinstance(failure, NotFound) or reply.status == 404:
            failure.hint = CHECK_PLACE if said else f"check baseUrl: is that XNAT? Otherwise {CHECK_PLACE}"
        elif isinstance(failure, CannotCreate) and reply.status != 413:
            failure.hint = ""
        return failure

    def end(self) -> None:
        """Log out of all sessions within TIDY_SECONDS; failures are ignored, the transfer is complete."""
        until = time.monotonic() + TIDY_SECONDS
        opened, self._opened = list(self._opened), {}
        for cookie in reversed(opened):
            left = until - time.monotonic()
            if left <= 0:
                return
            self._cookie = cookie
            with suppress(RedError):
                self.ask("DELETE", "/data/JSESSION", last=left)

    def _remember(self, reply: Reply, sent: str) -> None:
        """Note the session that the response starts. The one that was ``sent`` has expired then: no log-out.

        A 401 sets a cookie as well, of an anonymous session.
        """
        match = COOKIE.search(reply.headers.get("set-cookie", ""))
        if not match:
            return
        secrets.mark(match[1])
        if reply.status != 401:
            self._cookie = match[1]
            self._opened.pop(sent, None)
            self._opened[match[1]] = None

    def _move(self, reply: Reply, base: str, address: str) -> None:
        """Continue at the site's new address if it is the same site and nothing is being sent; otherwise
        raise the error for the redirect."""
        target = urls.resolve(reply.url, reply.headers["location"]) or ""
        new = target.removesuffix(address)
        is_ours = new not in (target, base) and not {"?", "#"} & set(new)
        with self._moving:
            if self._sends or not is_ours or not urls.may_share_credentials(base, target):
                raise self._redirected(reply, base, address)
            if self.base != base:
                return  # another worker has followed the redirect
            if self._moves == MOST_MOVES:
                raise ProtocolViolation(
                    f"{_shown(base)} redirects to {http_failures.host_of(target)} after an earlier redirect: "
                    f"{reply.status}",
                    hint="the site redirects in a circle: check baseUrl",
                )
            log.info(f"{_shown(base)} has moved to {_shown(new)}")
            self._moves += 1
            self.base = new

    def _redirected(self, reply: Reply, base: str, address: str) -> RedError:
        location = reply.headers["location"]
        target = urls.resolve(reply.url, location) or location
        message = f"{_shown(base)} redirects to {http_failures.host_of(target)}: {reply.status}"
        if EXPIRED.search(target):
            refusal = NotPermitted(message, hint=CHOOSE_PASSWORD)
            refusal.for_all = True
            return refusal
        there = target.partition("?")[0]
        new = there.removesuffix(address.partition("?")[0])
        return ProtocolViolation(
            f"{message}; nothing was moved",
            hint=f"use {_shown(new)} as baseUrl"
            if new != there
            else "is that the log-in page? check auth and baseUrl",
        )


def _shown(url: str) -> str:
    """``url`` for messages: without a session in its path."""
    for cookie in COOKIE_IN_URL.findall(url):
        secrets.mark(cookie)
    text = secrets.redact(secrets.shown_url(COOKIE_IN_URL.sub("", url)))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _said(reply: Reply) -> str:
    """XNAT's message from its HTML error page. Redacted after each step, which may reveal a secret, and
    before the cut, which may hide part of one from later redaction."""
    import html  # 2 ms, for an error only

    match = MESSAGE.search(reply.body)
    text = (match[1] or match[2] or b"").decode("utf-8", "replace") if match else ""
    text = re.sub(r"<[^>]*>", "", secrets.redact(text))
    for _ in range(2):  # escaped by XNAT and by the program in front of it
        text = secrets.redact(html.unescape(text))
    text = secrets.redact(" ".join(text.split()))
    joined = "".join(text.split())
    if secrets.redact(joined) != joined:  # broken into pieces by a blank or the end of a line
        text = secrets.MASK
    return f": {text[:LONGEST_SHOWN]}" if text else ""
