"""HTTP by libcurl: many files over few connections, and credentials that stay with their origin.

libcurl because it is fast where it counts (a thousand small files in a fifth of the time that requests
takes), and because proxies, Digest, TLS with keys from memory and early refusals of an upload are
solved there. Redirects are followed here, where it is known what may be repeated and who may see what.
"""

import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from connectors import __version__, secrets
from connectors.errors import ConfigError, Fault, ProtocolViolation
from connectors.http import url as urls
from connectors.http.transport import http_failures
from connectors.http.transport.challenge import Digest
from connectors.http.transport.curl import pycurl
from connectors.http.transport.exchange import Body, Exchange, Line
from connectors.http.transport.reply import Reply
from connectors.pem import as_pem, is_pem
from connectors.transfer.job import Job

MOST_REDIRECTS = 10
TOO_MANY = {429, 503}
PROXIES = {"http_proxy", "https_proxy", "all_proxy"}  # what sets a proxy, in any case
MOST_CHALLENGES = 2  # for one request: the first, and one for a stale nonce
NOT_FINAL = {417, *TOO_MANY}  # the request was not processed and may be repeated
SUPPRESS_CONNECT_HEADERS = 265  # an option of libcurl that pycurl has no name for
TLS_BUFFER = 64 << 10  # bytes: TLS delivers 16 KiB at a time, and a buffer that fits the cache is 10 % faster
BUFFER = 512 << 10  # bytes libcurl reads or sends at once; larger gains nothing here
OWN_FIELDS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"red-connectors/{__version__}"}
PROXY_SCHEMES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


class Identity(NamedTuple):
    """Credentials for one origin, ``home``; no other origin receives them."""

    home: str
    method: str = ""  # BASIC, DIGEST, BEARER or none
    username: str = ""
    password: str = ""
    token: str = ""
    headers: Mapping[str, str] = {}
    certificate: str = ""  # PEM, or the path of a file
    key: str = ""
    passphrase: str = ""


class Task(NamedTuple):
    """The arguments of ``Client.request``, unchanged by redirects."""

    method: str
    headers: Mapping[str, str]
    body: bytes | None
    source: Body | None
    on_reply: Callable[[Reply], None] | None
    sink: Callable[[bytes], None] | None
    last: float
    follow: bool
    repeat: bool


class Client:
    """Makes requests from any number of threads. Closing it closes the connections."""

    def __init__(self, identity: Identity, job: Job, *, verify: bool) -> None:
        proxies = check_proxies(os.environ)
        log_in = identity.method or identity.headers or identity.certificate
        self.presents_password = bool(log_in or any("@" in proxy for proxy in proxies))
        self._cancelled = job.cancelled
        self._timeout = job.settings.timeout
        self._pace = job.pace
        self._digest: Digest | None = None
        self._not_final = NOT_FINAL
        if identity.method == "DIGEST":
            self._not_final = NOT_FINAL | {401}
            if not identity.username.isascii():
                self._digest = Digest(identity.username, identity.password)
        self._expects = True  # wait for 100 Continue before sending a large body
        self._identity = identity
        self._home = urljoin(identity.home, "/")
        self._proxy = _upper_case_proxy()
        self._verify = verify
        self._bundle = job.settings.ca_bundle or _bundle()
        self._idle: deque[Line] = deque()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        source: Body | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        sink: Callable[[bytes], None] | None = None,
        last: float = 0.0,
        follow: bool = True,
        repeat: bool = True,
    ) -> Reply:
        """Make one request, follow redirects where that is safe, and return the final response of any status.

        Without ``follow``, a redirect is the final answer, and cookies are not taken. Without ``repeat``, a
        refusal (429, 503) is final as well: for what is looked at before it is sent again.

        What is sent is ``body`` or a whole ``source``. ``on_reply`` sees status and header fields before
        ``sink`` gets the first byte; either may raise to end it all. Without a sink the body is in the Reply.
        A request that tidies up is made although the call was cancelled, and gets ``last`` seconds at most.
        Raises the errors of connectors.errors when there is no response.
        """

        task = Task(method, headers or {}, body, source, on_reply, sink, last, follow, repeat)
        try:
            line = self._idle.popleft()
        except IndexError:
            line = Line()
        try:
            reply = self._followed(line, task, url) if follow else self._answer(line, task, url)
        except BaseException:
            line.close()  # the state of its connection is unknown
            raise
        self._idle.append(line)
        return reply

    def close(self) -> None:
        while self._idle:
            self._idle.popleft().close()

    def _followed(self, line: Line, task: Task, url: str) -> Reply:
        """The answer where the redirects from ``url`` lead to.

        Cookies that are set on the way go back to where they come from, and are forgotten at the end.
        """
        cookies: dict[urls.Origin, list[str]] = {}
        for _ in range(MOST_REDIRECTS + 1):
            reply = self._answer(line, task, url)
            if not reply.redirects:
                line.handle.setopt(pycurl.COOKIELIST, "ALL")
                return reply
            target = self._redirected(reply, task.method, sending=bool(task.source))
            if not urls.may_share_credentials(url, target):
                cookies[urls.origin(url)] = line.handle.getinfo(pycurl.INFO_COOKIELIST)
                for cookie in ["ALL", *cookies.get(urls.origin(target), [])]:  # forget all, then set these
                    line.handle.setopt(pycurl.COOKIELIST, cookie)
            url = target
        raise ProtocolViolation(f"{secrets.shown_url(url)}: more than {MOST_REDIRECTS} redirects")

    def _redirected(self, reply: Reply, method: str, *, sending: bool) -> str:
        place = secrets.shown_url(reply.url)
        target = urls.resolve(reply.url, reply.headers["location"])
        if target is None:
            shown = http_failures.host_of(reply.headers["location"])
            raise ProtocolViolation(f"{place}: redirects to {shown}, which is not HTTP")
        if reply.status not in (307, 308) and (
            sending or method not in ("GET", "HEAD", "PROPFIND", "OPTIONS")
        ):
            raise http_failures.of_redirect(reply.status, place, target)
        return target

    def _answer(self, line: Line, task: Task, url: str) -> Reply:
        """The response of ``url`` itself; the request is repeated if the server has not processed it."""
        refused = challenged = 0
        while True:
            expects = self._expects
            answered = bool(self._digest and self._digest.is_ready)
            turn = 0 if task.last else self._pace.enter()
            try:
                reply = self._with_login(self._asked(line, task, url))
            finally:
                if not task.last:
                    self._pace.leave()
            if reply.status not in self._not_final:
                self._pace.succeeded()
                return reply
            if reply.status == 401 and challenged < MOST_CHALLENGES and self._may_answer(reply, answered):
                challenged += 1
                continue
            if reply.status == 417 and expects and task.source:
                self._expects = False  # the server, or a proxy, does not support it
                continue
            if reply.status in TOO_MANY and not task.last:
                failure = http_failures.of_reply(reply, sending=bool(task.source))
                wait, why = reply.retry_after, failure.message
                if self._pace.refused(turn, refused, wait, why, repeats=task.repeat):
                    refused += 1
                    continue
            if task.on_reply:
                task.on_reply(reply)
            if task.sink and reply.body:
                task.sink(reply.body)
            return reply

    def _with_login(self, reply: Reply) -> Reply:
        """``reply``; if it refuses our login, with the method of that."""
        if reply.status != 401 or not self._is_ours(reply.url):
            return reply
        return reply._replace(login=self._identity.method)

    def _may_answer(self, reply: Reply, answered: bool) -> bool:
        """Whether to ask again with an answer to the challenge in ``reply``: Digest, with names that are not
        ASCII, of the user or the realm."""
        text = reply.headers.get("www-authenticate", "")
        if not self._is_ours(reply.url) or not (self._digest or not text.isascii()):
            return False
        if not self._digest:
            self._digest, answered = Digest(self._identity.username, self._identity.password), False
        return self._digest.hears(text, refused=answered)

    def _asked(self, line: Line, task: Task, url: str) -> Reply:
        def heard(reply: Reply) -> None:
            if task.on_reply:
                task.on_reply(self._with_login(reply))

        if task.source:
            task.source.rewind()
        exchange = Exchange(
            task.method,
            url,
            source=task.source,
            on_reply=heard if task.on_reply else None,
            sink=task.sink,
            not_final=self._not_final,
        )
        self._prepare(line, task, url)
        return exchange.run(line, self._timeout, None if task.last else self._cancelled)

    def _prepare(self, line: Line, task: Task, url: str) -> None:
        """Set ``line`` up for the ``task`` at ``url``."""
        ours = self._is_ours(url)
        what = task.method, task.body, task.source, task.last, task.follow
        purpose = (*what, ours, url[:6], self._expects, *task.headers.items())
        if (
            line.purpose != purpose or self._digest
        ):  # else it is the next file of many, and only its name is new
            line.handle.reset()
            self._configure(line.handle, url, task, ours=ours)
            if task.body is not None and not task.source:
                line.handle.setopt(pycurl.POSTFIELDS, task.body)
            if task.last:
                line.handle.setopt(pycurl.TIMEOUT_MS, max(1, int(task.last * 1000)))
            line.purpose = purpose
        line.handle.setopt(pycurl.URL, url)

    def _is_ours(self, url: str) -> bool:
        """Whether ``url`` may receive the credentials."""
        return url.startswith(self._home) or urls.may_share_credentials(self._home, url)

    def _configure(self, handle: pycurl.Curl, url: str, task: Task, *, ours: bool) -> None:
        """What requests to ``url`` have in common, and who is asking, if it is one of ``ours``."""
        handle.setopt(pycurl.NOSIGNAL, 1)  # libcurl's use of signals is not thread-safe
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(SUPPRESS_CONNECT_HEADERS, 1)  # not the proxy's 200 to CONNECT
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.BUFFERSIZE, TLS_BUFFER if url.startswith("https:") else BUFFER)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(self._timeout * 1000)))
        if self._proxy and url.startswith("http:"):
            handle.setopt(pycurl.PROXY, os.fsencode(self._proxy))
        if url.startswith("https:"):
            self._configure_tls(handle)
        fields = {**OWN_FIELDS, **task.headers}
        if ours:
            fields = self._introduce(handle, fields)
            if self._digest and self._digest.is_ready:
                fields["Authorization"] = self._digest.answer(task.method, url)
        if task.follow:
            _take_cookies(handle, fields)
        lines = [_field(name, value) for name, value in fields.items()]
        if not self._expects and "expect" not in {name.lower() for name in fields}:
            lines.append(b"Expect:")  # libcurl: none at all
        handle.setopt(pycurl.HTTPHEADER, lines)

    def _configure_tls(self, handle: pycurl.Curl) -> None:
        if self._bundle:
            handle.setopt(pycurl.CAINFO, os.fsencode(self._bundle))
        if not self._verify:
            handle.setopt(pycurl.SSL_VERIFYPEER, 0)
            handle.setopt(pycurl.SSL_VERIFYHOST, 0)

    def _introduce(self, handle: pycurl.Curl, fields: Mapping[str, str]) -> dict[str, str]:
        """Log in on ``handle``; the header fields to send, those of the access document among them."""
        who = self._identity
        if who.method in ("BASIC", "DIGEST") and not self._digest:
            handle.setopt(pycurl.HTTPAUTH, getattr(pycurl, f"HTTPAUTH_{who.method}"))
            handle.setopt(pycurl.USERNAME, _bytes(who.username))
            handle.setopt(pycurl.PASSWORD, _bytes(who.password))
        if who.certificate:
            _set_pem(handle, pycurl.SSLCERT, pycurl.SSLCERT_BLOB, who.certificate)
            _set_pem(handle, pycurl.SSLKEY, pycurl.SSLKEY_BLOB, who.key or who.certificate)
            if who.passphrase:
                handle.setopt(pycurl.KEYPASSWD, _bytes(who.passphrase))
        own = dict(who.headers)
        if who.method == "BEARER":
            own["Authorization"] = f"Bearer {who.token}"
        taken = {name.lower() for name in own}
        return {name: value for name, value in fields.items() if name.lower() not in taken} | own


def _bundle() -> str:
    """The certificate authorities to trust when RED_CA_BUNDLE does not say."""
    named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    return next((path for path in (*named, *SYSTEM_BUNDLES) if path and os.path.isfile(path)), "")


def _upper_case_proxy() -> str:
    """HTTP_PROXY, which libcurl reads in lower case only: on a web server a client could set it (httpoxy)."""
    if os.environ.get("http_proxy") or "REQUEST_METHOD" in os.environ:
        return ""
    return os.environ.get("HTTP_PROXY", "")


def _take_cookies(handle: pycurl.Curl, fields: dict[str, str]) -> None:
    """Let ``handle`` send cookies back, in one field with those that are among the ``fields``."""
    handle.setopt(pycurl.COOKIEFILE, "")
    for name in [name for name, value in fields.items() if name.lower() == "cookie" and value]:
        handle.setopt(pycurl.COOKIE, _bytes(fields.pop(name)))


def _set_pem(handle: pycurl.Curl, file_option: int, blob_option: int, value: str) -> None:
    if is_pem(value):
        handle.setopt(blob_option, as_pem(value).encode())  # from memory: no key in a file
    else:
        handle.setopt(file_option, os.fsencode(value))


def _field(name: str, value: str) -> bytes:
    # libcurl: a field with a semicolon is sent empty, one with nothing behind the colon is not sent at all
    return _bytes(f"{name}: {value}" if value else f"{name};")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def check_proxies(environ: Mapping[str, str]) -> list[str]:
    """The configured proxies, their passwords marked as secrets; ConfigError for an invalid one."""
    found, faults = [], []
    for name, value in environ.items():
        if name.lower() in PROXIES and value:
            secrets.mark_url(value)
            found.append(value)
            if not _is_proxy(value):
                faults.append(Fault(name, "must be the URL of a proxy, like http://proxy.example.com:3128"))
    if faults:
        raise ConfigError(faults)
    return found


def _is_proxy(value: str) -> bool:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        return parts.scheme.lower() in PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an invalid port or host
        return False
