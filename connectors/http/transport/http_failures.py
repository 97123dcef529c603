"""Maps HTTP statuses and libcurl errors to connectors.errors."""

import re
from urllib.parse import urlsplit

from connectors import secrets
from connectors.errors import (
    CannotCreate,
    ConfigError,
    DataError,
    HostNotFound,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.http.transport.challenge import schemes
from connectors.http.transport.curl import pycurl
from connectors.http.transport.reply import Reply
from connectors.net import hosts

NOT_TAKEN = {408, 423, 425, 429, 503}  # the request was not handled, so any method may be repeated
LONGEST_REASON = 200
CHECK_AUTH = "check auth in the access document"
REFUSED = {"BEARER": "token"}
CHECK_URL = "check url in the access document"
TRY_PUT = "most servers want method: PUT"
NO_UPLOADS = "this server does not accept uploads"
CHECK_METHOD = "check method in the access document"
LACKING = {501, 505}  # not supported by the server, now or later
TOO_LARGE = "the server, or a proxy in front of it, limits the size of uploads: ask for a higher limit"
NO_TLS = "wrong version number"  # OpenSSL's message for an answer that is not TLS
CHECK_PROXY = "check the credentials in the proxy variables"


def of_reply(reply: Reply, *, sending: bool, method: str = "") -> RedError:
    """The error for an unsuccessful response; ``sending``: to a request that sends a file.

    ``method`` is that of the access document.
    """
    status, place = reply.status, secrets.shown_url(reply.url)
    what = "send to" if sending else "receive"
    message = f"cannot {what} {place}: {status} {secrets.redact(reply.reason)[:LONGEST_REASON]}".rstrip()
    if status in LACKING:
        return ProtocolViolation(message, hint=_lacking(sending, method) if status == 501 else "")
    if status in NOT_TAKEN or 500 <= status < 600:
        return TemporaryFailure(message, retry_after=reply.retry_after)
    if status in (401, 407):
        return NotAuthenticated(message, hint=_other_login(reply) if status == 401 else CHECK_PROXY)
    if status in (402, 403, 451):
        return NotPermitted(message, hint="the server denies this user access")
    if status in (404, 410) and not sending:
        is_directory = urlsplit(reply.url).path.endswith("/")
        return NotFound(message, hint=CHECK_URL + ("; for a file, use receive-file" if is_directory else ""))
    if status == 413:
        return CannotCreate(message, hint=TOO_LARGE if sending else "")
    if status in (404, 409, 410, 412):
        stored = "the server cannot store under this url"
        return CannotCreate(message, hint=TRY_PUT if (status, method) == (404, "POST") else stored)
    if status == 405:
        return NotPermitted(message, hint=_other_method(reply, method) if sending else CHECK_METHOD)
    return ProtocolViolation(message)


def _lacking(sending: bool, method: str) -> str:
    """A hint for when the server does not support the method at all."""
    if not sending:
        return CHECK_METHOD
    return TRY_PUT if method == "POST" else NO_UPLOADS


def _other_method(reply: Reply, method: str) -> str:
    """A hint for when ``method`` is refused: the methods that the server allows (RFC 9110, 10.2.1)."""
    others = [other for other in ("PUT", "POST") if other != method]
    able = [other for other in others if other in reply.allowed] if reply.allowed else others[:1]
    if not method:
        return CHECK_METHOD
    if not able:
        return (
            f"the server does not accept files under this url; it allows {', '.join(sorted(reply.allowed))}"
        )
    return f"try method: {able[0]}"


def _other_login(reply: Reply) -> str:
    """A hint with the authentication schemes that the server offers, if it names any."""
    offered = schemes(reply.headers.get("www-authenticate", ""))
    if reply.login and reply.login.lower() in map(str.lower, offered):
        return f"{CHECK_AUTH}: the server refused this {REFUSED.get(reply.login, 'username and password')}"
    return f"{CHECK_AUTH}: the server wants {' or '.join(offered)} (auth.method)" if offered else CHECK_AUTH


def not_allowed(reply: Reply, method: str) -> RedError:
    """The error for a ``method`` that is not among those that the server allows."""
    place = secrets.shown_url(reply.url)
    return NotPermitted(
        f"cannot send to {place}: the server does not allow {method} there", hint=_other_method(reply, method)
    )


def of_redirect(status: int, place: str, target: str) -> RedError:
    """The error for a redirect that would turn an upload into a GET (RFC 9110, 15.4)."""
    return ProtocolViolation(
        f"cannot send to {place}: {status} redirects to {host_of(target)}",
        hint="check url in the access document: uploads do not follow this redirect",
    )


def host_of(target: str) -> str:
    """Scheme and host of a redirect's ``target``; the rest may contain a token."""
    try:
        parts = urlsplit(target)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "something that is not a URL"
    return f"{parts.scheme}://{parts.hostname or ''}{port}" if parts.scheme else "something that is not a URL"


def of_curl(error: pycurl.error, place: str, handle: pycurl.Curl) -> RedError:
    """The error for libcurl's ``error``, in a request to ``place`` on ``handle``."""
    code, text = int(error.args[0]), " ".join(str(part) for part in error.args[1:])
    if code == pycurl.E_COULDNT_RESOLVE_HOST:
        return _unresolved(text, place)
    if code == pycurl.E_COULDNT_RESOLVE_PROXY:
        return HostNotFound(f"{place}: {text}", hint="check the proxy variables")
    if code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_ISSUER_ERROR):
        return ProtocolViolation(
            f"{place}: the server's certificate is not accepted: {text}",
            hint="set RED_CA_BUNDLE to the certificate authorities to trust",
        )
    if code == pycurl.E_SSL_CONNECT_ERROR:
        if NO_TLS in text:
            return ProtocolViolation(f"{place}: the server does not speak TLS", hint="is it http:// instead?")
        if handle.getinfo(pycurl.OS_ERRNO) or "SYSCALL" in text or "reset" in text.lower():
            return TemporaryFailure(f"{place}: {text}")
        return ProtocolViolation(f"{place}: {text}", hint="is this an https server?")
    if code in (pycurl.E_SSL_CACERT_BADFILE, pycurl.E_SSL_CERTPROBLEM, pycurl.E_SSL_CIPHER):
        return ConfigError(f"{place}: {text}", hint="check the certificates, or RED_CA_BUNDLE")
    if code == pycurl.E_URL_MALFORMAT:
        return ConfigError(f"{place}: {text}", hint="check the address")
    if code == pycurl.E_FILESIZE_EXCEEDED:
        return DataError(f"{place}: {text}")
    if code == pycurl.E_TOO_MANY_REDIRECTS:  # a challenge after every answer
        return NotAuthenticated(f"{place}: the server keeps asking for authentication", hint=CHECK_AUTH)
    connect_status = handle.getinfo(pycurl.HTTP_CONNECTCODE)
    if connect_status == 407:
        return NotAuthenticated(f"{place}: the proxy answers 407", hint=CHECK_PROXY)
    if connect_status == 403:
        return NotPermitted(f"{place}: the proxy answers 403")
    if code in PROTOCOL_BROKEN or (code == pycurl.E_RECV_ERROR and BROKEN_ANSWER.search(text)):
        return ProtocolViolation(f"{place}: {text}")
    return TemporaryFailure(
        f"{place}: {text}",
        hint=hosts.unreachable(urlsplit(place).hostname or "") if code == pycurl.E_COULDNT_CONNECT else "",
    )


PROTOCOL_BROKEN = {
    pycurl.E_UNSUPPORTED_PROTOCOL,  # the answer is not HTTP
    pycurl.E_FTP_WEIRD_SERVER_REPLY,  # libcurl's code for any invalid reply
    100,  # CURLE_TOO_LARGE: endless header fields
    pycurl.E_BAD_CONTENT_ENCODING,
    pycurl.E_LOGIN_DENIED,
}

BROKEN_ANSWER = re.compile("chunk|response headers")
"""libcurl has one code for a lost connection, malformed chunks and endless header fields."""


def _unresolved(text: str, place: str) -> RedError:
    """libcurl does not tell an unknown name from an unreachable name server; the resolver does."""
    from connectors.net.dial import addresses  # socket, for a failure only

    try:
        addresses(urlsplit(place).hostname or "", 0)
    except HostNotFound:
        return HostNotFound(f"{place}: {text}", hint="check the host name in the address")
    except TemporaryFailure:
        pass
    return TemporaryFailure(f"{place}: {text}")
