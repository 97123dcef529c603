"""A conversation with XNAT: credentials and cookie with every request, and what its answers mean."""

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
LONGEST_SHOWN = 200  # characters of what a server says
LONGEST_PAGE = 64 << 10  # bytes of a page that tells of an error
MOST_MOVES = 2  # of the site, to https and to a path: more is a circle
EXPIRED = re.compile(r"UpdateUser|ChangePassword|XDATScreen", re.IGNORECASE)
MUST_CHANGE = re.compile(
    r"password.*(expire|change|reset|renew)|(expire|change|reset|renew).*password", re.IGNORECASE
)
CHOOSE_PASSWORD = "the password has expired: log in with a browser and choose a new one"
CHECK_PLACE = "check project, subject and session; XNAT hides what a user may not read"


class Session:
    """With the site at ``base``. Credentials go with every request beside the cookie: so a session that is
    over is simply followed by another one (docs/xnat-rest-api.md, 1.3). Whatever sessions there were are
    ended."""

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
        """One request for ``address``, below the site's, and its answer, whatever its status but 401.

        Where XNAT answers with a redirect, what was sent has not been taken: it would become a GET that
        answers 200 (docs/xnat-rest-api.md, 1.8). ``on_reply``, ``sink`` and ``last`` are those of
        ``Client.request``; ``refusal`` is where the sink puts the body of an answer that is no success.
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
        """The rows of a list; ``failure`` if there is none."""
        rows: list[dict[str, str]] = []
        reply = self.listed(address, lists.texts(rows))
        if not reply.ok:
            raise self.failure(reply)
        return rows

    def listed(self, address: str, take: lists.Take) -> Reply:
        """The answer to a request for a list, after ``take`` has got its rows, one by one: it may be long.

        An answer other than success has its body. What is no list is ``nonsense``, TemporaryFailure if it
        was cut.
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
        """The xsiType of the one thing at ``address``; "" if XNAT does not say. ``failure`` if there is no
        such thing, ``nonsense`` if the answer is not about one."""
        reply = self.ask("GET", f"{address}?format=json")
        if not reply.ok:
            raise self.failure(reply)
        try:
            return str(json.loads(reply.body)["items"][0]["meta"].get("xsi:type", ""))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise self.nonsense(reply) from None

    def nonsense(self, reply: Reply) -> RedError:
        """A page for people, from XNAT in maintenance or from a proxy in front of it."""
        return ProtocolViolation(
            f"{secrets.shown_url(reply.url)}: this is not an answer of XNAT's REST API{_said(reply)}",
            hint="check baseUrl: a log-in page, or a page about maintenance, may be in the way",
        )

    def failure(self, reply: Reply) -> RedError:
        """The error that an answer other than success means."""
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
        """Log out, all within TIDY_SECONDS, and whatever comes of it: what was done is done."""
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
        """The session that the answer begins. The one that was ``sent`` is over then, with nothing to end.

        A 401 brings a cookie as well, of a session that is nobody's.
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
        """Go on at the site's new address, if that is the same site and nothing is being sent; otherwise
        raise the error that the redirect means."""
        target = urls.resolve(reply.url, reply.headers["location"]) or ""
        new = target.removesuffix(address)
        is_ours = new not in (target, base) and not {"?", "#"} & set(new)
        with self._moving:
            if self._sends or not is_ours or not urls.may_share_credentials(base, target):
                raise self._redirected(reply, base, address)
            if self.base != base:
                return  # another worker was told so meanwhile
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
    """``url``, where a session may stand in the path, as it may be shown."""
    for cookie in COOKIE_IN_URL.findall(url):
        secrets.mark(cookie)
    text = secrets.redact(secrets.shown_url(COOKIE_IN_URL.sub("", url)))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _said(reply: Reply) -> str:
    """What XNAT says about an error, in its page of HTML: each step may bring out a secret, the cut hides
    one from whoever redacts later."""
    import html  # 2 ms, for an error only

    match = MESSAGE.search(reply.body)
    text = (match[1] or match[2] or b"").decode("utf-8", "replace") if match else ""
    text = re.sub(r"<[^>]*>", "", secrets.redact(text))
    for _ in range(2):  # once by XNAT, once by the program before it
        text = secrets.redact(html.unescape(text))
    text = secrets.redact(" ".join(text.split()))
    joined = "".join(text.split())
    if secrets.redact(joined) != joined:  # broken into pieces by a blank or the end of a line
        text = secrets.MASK
    return f": {text[:LONGEST_SHOWN]}" if text else ""
