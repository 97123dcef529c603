"""A conversation with XNAT: credentials and cookie with every request, and what its answers mean."""

import html
import json
import re
from collections.abc import Callable
from contextlib import suppress

from connectors import log
from connectors.access import secrets
from connectors.errors import (
    NotAuthenticated,
    NotPermitted,
    ProtocolViolation,
    RedError,
)
from connectors.web import failures
from connectors.web import url as urls
from connectors.web.client import Client
from connectors.web.exchange import Source
from connectors.web.reply import Reply

COOKIE = re.compile(r"(?:^|[,;]\s*)JSESSIONID=([^;,\s]+)")
MESSAGE = re.compile(rb"<h3>(.*?)</h3>", re.DOTALL)
LONGEST_MESSAGE = 200
EXPIRED = re.compile(r"UpdateUser|ChangePassword|XDATScreen", re.IGNORECASE)


class Session:
    """With the site at ``base``. Credentials go with every request beside the cookie: so a session that is
    over is simply followed by another one. Whatever sessions there were are ended."""

    def __init__(self, client: Client, base: str, *, sends: bool) -> None:
        self._client = client
        self.base = base
        self._sends = sends
        self._cookie = ""
        self._opened: dict[str, None] = {}

    def ask(
        self,
        method: str,
        address: str,
        *,
        headers: dict[str, str] | None = None,
        source: Source | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        sink: Callable[[bytes], None] | None = None,
        last: bool = False,
    ) -> Reply:
        """One request for ``address``, below the site's, and its answer, whatever its status but 401.

        Where XNAT answers with a redirect, what was sent has not been taken: it would become a GET that
        answers 200 (docs/xnat-rest-api.md, 1.8).
        """
        fields = dict(headers or {})
        if self._cookie:
            fields["Cookie"] = f"JSESSIONID={self._cookie}"
        reply = self._client.request(
            method,
            self.base + address,
            headers=fields,
            departure=source,
            body=b"" if method in ("PUT", "POST") and not source else None,
            on_reply=on_reply,
            sink=sink,
            last=last,
            follow=False,
        )
        self._remember(reply)
        if reply.redirects:
            if self._move(reply, address):
                return self.ask(method, address, headers=headers, on_reply=on_reply, sink=sink)
            raise self._redirected(reply)
        if reply.status == 401:
            raise self.failure(reply)
        return reply

    def rows(self, address: str) -> list[dict[str, str]]:
        """The rows of a list; ``failure`` if there is none."""
        reply = self.ask("GET", f"{address}?format=json")
        if not reply.ok:
            raise self.failure(reply)
        return self.result(reply)

    def result(self, reply: Reply) -> list[dict[str, str]]:
        try:
            rows = json.loads(reply.body)["ResultSet"]["Result"]
            return [{str(key): str(value) for key, value in row.items()} for row in rows]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise self.nonsense(reply) from None

    def item_type(self, address: str) -> str:
        """The xsiType of the one thing at ``address``; "" if XNAT does not say."""
        reply = self.ask("GET", f"{address}?format=json")
        if not reply.ok:
            raise self.failure(reply)
        try:
            return str(json.loads(reply.body)["items"][0]["meta"].get("xsi:type", ""))
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
            raise self.nonsense(reply) from None

    def nonsense(self, reply: Reply) -> RedError:
        """A page for people, from XNAT in maintenance or from somebody who stands before it."""
        return ProtocolViolation(
            f"{secrets.shown_url(reply.url)}: this is no answer of XNAT's REST API{_said(reply)}",
            hint="check baseUrl: a log-in page, or a page about maintenance, may be in the way",
        )

    def failure(self, reply: Reply) -> RedError:
        """The error that an answer other than success means."""
        failure = failures.of_reply(reply, sending=self._sends)
        failure.message += _said(reply)
        if isinstance(failure, NotAuthenticated):
            failure.hint = f"{failures.CHECK_AUTH}; XNAT refuses a user with too many sessions as well"
        elif isinstance(failure, NotPermitted):
            failure.hint = "this user may not do that in this project"
        elif reply.status == 404:
            failure.hint = (
                "check project, subject and session; what a user may not read is not there for XNAT"
            )
        return failure

    def end(self) -> None:
        """Log out, quickly, and whatever comes of it: what was done is done."""
        cookies, self._opened = list(self._opened), {}
        for self._cookie in cookies:
            with suppress(RedError):
                self.ask("DELETE", "/data/JSESSION", last=True)

    def _remember(self, reply: Reply) -> None:
        """A 401 brings a cookie as well, of a session that is nobody's."""
        match = COOKIE.search(reply.headers.get("set-cookie", ""))
        if match and reply.status != 401:
            self._cookie = match[1]
            self._opened[match[1]] = None
            secrets.mark(match[1])

    def _move(self, reply: Reply, address: str) -> bool:
        """Go on at the site's new address, if that is the same site and nothing is being sent."""
        target = urls.resolve(reply.url, reply.headers["location"]) or ""
        new = target.removesuffix(address)
        if self._sends or new in (target, self.base) or not urls.may_share_credentials(self.base, target):
            return False
        log.info(f"{secrets.shown_url(self.base)} has moved to {secrets.shown_url(new)}")
        self.base = new
        return True

    def _redirected(self, reply: Reply) -> RedError:
        place = secrets.shown_url(self.base)
        target = secrets.shown_url(reply.headers["location"])
        path = reply.url.removeprefix(self.base)
        if EXPIRED.search(target):
            return NotPermitted(
                f"{place} sends us to {target}: {reply.status}",
                hint="the password has expired: log in with a browser and choose a new one",
            )
        new = target.partition("?")[0].removesuffix(path.partition("?")[0])
        same = new != target.partition("?")[0]
        return ProtocolViolation(
            f"{place} sends us to {target}: {reply.status}; nothing was moved",
            hint=f"use {new} as baseUrl" if same else "is that the log-in page? check auth and baseUrl",
        )


def _said(reply: Reply) -> str:
    """What XNAT says about an error, in its page of HTML."""
    match = MESSAGE.search(reply.body)
    text = " ".join(html.unescape(match[1].decode("utf-8", "replace")).split()) if match else ""
    text = re.sub(r"<[^>]*>", "", text)[:LONGEST_MESSAGE]
    return f": {text}" if text else ""
