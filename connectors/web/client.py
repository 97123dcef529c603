"""HTTP by libcurl: many files over few connections, and credentials that stay with their origin.

libcurl because it is fast where it counts (a thousand small files in a fifth of the time that requests
takes), and because proxies, Digest, TLS with keys from memory and early refusals of an upload are
solved there. Redirects are followed here, where it is known what may be repeated and who may see what.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import pycurl

from connectors import __version__
from connectors.access import secrets
from connectors.errors import ProtocolViolation, RedError, TemporaryFailure
from connectors.transfer.departure import Departure
from connectors.transfer.job import Cancelled, Job
from connectors.web import failures
from connectors.web import url as urls

REDIRECTS = {301, 302, 303, 307, 308}
MOST_REDIRECTS = 10
LONGEST_BODY = 64 << 20  # bytes of an answer that is kept in memory: a directory page
LAST_REQUEST = 1500  # milliseconds to tidy up in
BUFFER = 512 << 10  # bytes libcurl reads or sends at once; larger gains nothing here
IDEMPOTENT = {
    "GET",
    "HEAD",
    "OPTIONS",
    "PUT",
    "DELETE",
    "PROPFIND",
    "MKCOL",
    "MOVE",
}  # RFC 9110, 9.2.2; RFC 4918
OWN_FIELDS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": f"red-connectors/{__version__}"}
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)


class Reply(NamedTuple):
    """An answer: header fields by lower-case name, and the body where nobody else took it."""

    status: int
    reason: str
    headers: Mapping[str, str]
    url: str
    body: bytes = b""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def retry_after(self) -> float | None:
        """Seconds until another attempt is welcome (RFC 9110, 10.2.3), if the server says so."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None


class Identity(NamedTuple):
    """Who we are to one origin, ``home``; nobody else gets to see any of it."""

    home: str
    method: str = ""  # BASIC, DIGEST, BEARER or none
    username: str = ""
    password: str = ""
    token: str = ""
    headers: Mapping[str, str] = {}
    certificate: str = ""  # PEM, or the path of a file
    key: str = ""
    passphrase: str = ""


class Client:
    """Any number of requests, from any number of threads. Closing it drops the connections."""

    def __init__(self, identity: Identity, job: Job, *, verify: bool) -> None:
        mark_proxy_secrets(os.environ)
        self.job = job
        self.timeout = job.settings.timeout
        self._identity = identity
        self._verify = verify
        self._bundle = job.settings.ca_bundle or _bundle()
        self._idle: deque[pycurl.Curl] = deque()  # each keeps its connections open for the next request

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        departure: Departure | None = None,
        on_reply: Callable[[Reply], None] | None = None,
        sink: Callable[[bytes], None] | None = None,
        last: bool = False,
    ) -> Reply:
        """One request, redirects followed where that is safe, and its final answer, whatever its status.

        What is sent is ``body`` or a whole ``departure``. ``on_reply`` sees status and header fields before
        ``sink`` gets the first byte; either may raise to end it all. Without a sink the body is in the Reply.
        The ``last`` request tidies up: it is made although the call was cancelled, and does not get long.
        Raises the errors of connectors.errors when there is no answer.
        """
        for _ in range(MOST_REDIRECTS + 1):
            if departure:
                departure.rewind()
            exchange = _Exchange(self, method, url, body, departure, on_reply, sink, last)
            reply = exchange.run(headers or {})
            if not exchange.redirected:
                return reply
            url = self._redirected(reply, method, sending=bool(departure))
        raise ProtocolViolation(f"{secrets.shown_url(url)}: more than {MOST_REDIRECTS} redirects")

    def close(self) -> None:
        while self._idle:
            self._idle.popleft().close()

    def _redirected(self, reply: Reply, method: str, *, sending: bool) -> str:
        target = urljoin(reply.url, reply.headers["location"])
        secrets.mark_url(target)
        place, shown = secrets.shown_url(reply.url), secrets.shown_url(target)
        try:
            usable = urlsplit(target).scheme in urls.DEFAULT_PORTS and bool(urlsplit(target).hostname)
            target = urls.fit_to_send(target) if usable else ""
        except ValueError:  # a port or a host that is none
            target = ""
        if not target:
            raise ProtocolViolation(f"{place}: redirects to {shown}, which is not HTTP")
        if reply.status not in (307, 308) and (
            sending or method not in ("GET", "HEAD", "PROPFIND", "OPTIONS")
        ):
            raise failures.of_redirect(reply.status, place, shown)
        return target

    def take_handle(self) -> pycurl.Curl:
        try:
            return self._idle.popleft()
        except IndexError:
            return pycurl.Curl()

    def give_back(self, handle: pycurl.Curl) -> None:
        handle.reset()
        self._idle.append(handle)

    def configure(self, handle: pycurl.Curl, url: str, headers: Mapping[str, str]) -> None:
        """What every request has in common, and who is asking, if ``url`` may know."""
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.NOSIGNAL, 1)  # libcurl's own use of signals is not for threads
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.BUFFERSIZE, BUFFER)
        handle.setopt(pycurl.UPLOAD_BUFFERSIZE, BUFFER)
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, max(1, int(self.timeout * 1000)))
        if proxy := _upper_case_proxy(url):
            handle.setopt(pycurl.PROXY, proxy)
        if self._bundle:
            handle.setopt(pycurl.CAINFO, self._bundle)
        if not self._verify:
            handle.setopt(pycurl.SSL_VERIFYPEER, 0)
            handle.setopt(pycurl.SSL_VERIFYHOST, 0)
        fields = {**OWN_FIELDS, **headers}
        if urls.may_share_credentials(self._identity.home, url):
            fields = self._introduce(handle, fields)
        handle.setopt(pycurl.HTTPHEADER, [_field(name, value) for name, value in fields.items()])

    def _introduce(self, handle: pycurl.Curl, fields: Mapping[str, str]) -> dict[str, str]:
        """Log in on ``handle``; the header fields to send, those of the access document among them."""
        who = self._identity
        if who.method in ("BASIC", "DIGEST"):
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


class _Exchange:
    """One request and its answer on one handle; the callbacks that libcurl wants."""

    def __init__(
        self,
        client: Client,
        method: str,
        url: str,
        body: bytes | None,
        departure: Departure | None,
        on_reply: Callable[[Reply], None] | None,
        sink: Callable[[bytes], None] | None,
        last: bool,
    ) -> None:
        self.client = client
        self.method = method
        self.url = url
        self.body = body
        self.departure = departure
        self.on_reply = on_reply
        self.sink = sink
        self.last = last
        self.reply: Reply | None = None
        self.redirected = False
        self.raised: BaseException | None = None
        self.stalled = False
        self._status_line = b""
        self._fields: list[bytes] = []
        self._body: list[bytes] = []
        self._body_size = 0
        self._take: Callable[[bytes], None] = self._take_first
        self._moved = 0
        self._moved_at = time.monotonic()

    def run(self, headers: Mapping[str, str]) -> Reply:
        handle = self.client.take_handle()
        try:
            self.client.configure(handle, self.url, headers)
            self._set_up(handle)
            try:
                handle.perform()
            except pycurl.error as error:
                if self.raised:
                    raise self.raised from None
                raise self._translated(error, handle) from None
            if self.reply is None:
                self._answered()
            if self.raised:
                raise self.raised
        except BaseException:
            handle.close()  # its connection may be in the middle of anything
            raise
        self.client.give_back(handle)
        assert self.reply
        return self.reply._replace(body=b"".join(self._body))

    def _set_up(self, handle: pycurl.Curl) -> None:
        handle.setopt(pycurl.HEADERFUNCTION, self._header)
        handle.setopt(pycurl.WRITEFUNCTION, self._received)
        handle.setopt(pycurl.NOPROGRESS, 0)
        handle.setopt(pycurl.XFERINFOFUNCTION, self._still_moving)
        handle.setopt(pycurl.CUSTOMREQUEST, self.method)
        if self.method == "HEAD":
            handle.setopt(pycurl.NOBODY, 1)
        if self.last:
            handle.setopt(pycurl.TIMEOUT_MS, LAST_REQUEST)
        if self.departure:
            handle.setopt(pycurl.UPLOAD, 1)
            handle.setopt(pycurl.INFILESIZE_LARGE, self.departure.size)
            handle.setopt(pycurl.READFUNCTION, self._to_send)
            handle.setopt(pycurl.SEEKFUNCTION, self._seek)
        elif self.body is not None:
            handle.setopt(pycurl.POSTFIELDS, self.body)
        if self.method not in IDEMPOTENT:
            handle.setopt(pycurl.FRESH_CONNECT, 1)  # on an old connection libcurl repeats it by itself

    # -- callbacks: an exception must not leave them, libcurl would print it ------------------------

    def _header(self, line: bytes) -> None:
        if line.startswith(b"HTTP/"):  # after 100 Continue, a challenge or a proxy's CONNECT
            self._status_line, self._fields = line, []
        elif line.strip():
            self._fields.append(line)

    def _received(self, data: bytes) -> int | None:
        """Called 65,536 times for a gigabyte: libcurl hands over 16 KiB at most."""
        try:
            self._take(data)
        except BaseException as error:
            self.raised = error
            return -1
        return None

    def _take_first(self, data: bytes) -> None:
        self._answered()
        self._take = self.sink if self.sink and not self.redirected else self._keep
        self._take(data)

    def _keep(self, data: bytes) -> None:
        self._body_size += len(data)
        if self._body_size > LONGEST_BODY:
            place = secrets.shown_url(self.url)
            raise ProtocolViolation(f"{place}: an answer of more than {LONGEST_BODY} bytes")
        self._body.append(data)

    def _to_send(self, count: int) -> bytes | int:
        try:
            assert self.departure
            return self.departure.read(count)
        except BaseException as error:
            self.raised = error
            return pycurl.READFUNC_ABORT

    def _seek(self, offset: int, origin: int) -> int:
        try:
            if offset or origin != os.SEEK_SET or not self.departure:
                return pycurl.SEEKFUNC_CANTSEEK
            self.departure.rewind()
        except BaseException as error:
            self.raised = error
            return pycurl.SEEKFUNC_FAIL
        return pycurl.SEEKFUNC_OK

    def _still_moving(self, to_come: int, received: int, to_go: int, sent: int) -> int:
        """Called once a second or more. libcurl's own low-speed limit averages, and ends what trickles."""
        if self.client.job.cancelled.is_set() and not self.last:
            return 1
        if received + sent != self._moved:
            self._moved, self._moved_at = received + sent, time.monotonic()
        elif time.monotonic() - self._moved_at > self.client.timeout:
            self.stalled = True
            return 1
        return 0

    # -- answers -----------------------------------------------------------------------------------

    def _answered(self) -> None:
        """The header fields of the final answer are complete."""
        _, _, rest = self._status_line.decode("latin-1").strip().partition(" ")
        status, _, reason = rest.partition(" ")
        headers: dict[str, str] = {}
        for line in self._fields:
            name, _, value = line.decode("latin-1").partition(":")
            key = name.strip().lower()
            headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
        self.reply = Reply(int(status), reason, headers, self.url)
        self.redirected = self.reply.status in REDIRECTS and "location" in headers
        if self.on_reply and not self.redirected:
            self.on_reply(self.reply)

    def _translated(self, error: pycurl.error, handle: pycurl.Curl) -> RedError:
        if self.client.job.cancelled.is_set() and not self.last:
            raise Cancelled from None
        place = secrets.shown_url(self.url)
        failure = failures.of_curl(
            error, place, stalled=self.client.timeout if self.stalled else None, handle=handle
        )
        if isinstance(failure, TemporaryFailure) and self.method not in IDEMPOTENT:
            failure.repeatable = not handle.getinfo(pycurl.REQUEST_SIZE)
        return failure


def _bundle() -> str:
    """The certificate authorities to trust when RED_CA_BUNDLE does not say."""
    named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")]
    return next((path for path in (*named, *SYSTEM_BUNDLES) if path and os.path.isfile(path)), "")


def _upper_case_proxy(url: str) -> str:
    """HTTP_PROXY, which libcurl reads in lower case only: on a web server a client could set it (httpoxy)."""
    if not url.startswith("http:") or os.environ.get("http_proxy") or "REQUEST_METHOD" in os.environ:
        return ""
    return os.environ.get("HTTP_PROXY", "")


def _set_pem(handle: pycurl.Curl, file_option: int, blob_option: int, value: str) -> None:
    if "-----BEGIN" in value:
        handle.setopt(blob_option, value.replace("\\n", "\n").encode())  # from memory: no key in a file
    else:
        handle.setopt(file_option, value)


def _field(name: str, value: str) -> bytes:
    # libcurl: a field with a semicolon is sent empty, one with nothing behind the colon is not sent at all
    return _bytes(f"{name}: {value}" if value else f"{name};")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def mark_proxy_secrets(environ: Mapping[str, str]) -> None:
    """Passwords inside the proxy variables are never shown."""
    for name, value in environ.items():
        if name.lower() in ("http_proxy", "https_proxy", "all_proxy"):
            secrets.mark_url(value)
