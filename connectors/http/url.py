"""URLs (RFC 3986): joining with file names, comparing, showing, preparing for a request."""

import os
import re
from functools import lru_cache
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit, urlunsplit

from connectors import secrets

DEFAULT_PORTS = {"http": 80, "https": 443}
SIGNING = re.compile(
    r"x-amz-.*|x-goog-.*|expires|se|st|sp|sv|sig|signature|token|key-pair-id|policy|awsaccesskeyid",
    re.IGNORECASE,
)  # the parameters of URLs signed by S3, Google, Azure and CloudFront
HTML_NAMES = (".html", ".htm", ".xhtml", ".shtml")
UNRESERVED = re.compile(r"[A-Za-z0-9._~/-]+")  # RFC 3986, 2.3, and the slash
PLAIN_CHILD = re.compile(r"([A-Za-z0-9._~%()!$&'*+,;=@-]+)(/?)")  # a link to an entry of the same directory
ALLOWED = "/%:@!$&'()*+,;=~?[]"  # allowed in a URL; anything else is quoted


class Origin(tuple[str, str, int]):
    """Scheme, host and port (RFC 6454): credentials are valid for one origin only."""

    __slots__ = ()


def origin(url: str) -> Origin:
    parts = urlsplit(url)
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    return Origin((parts.scheme, (parts.hostname or "").lower(), port))


def may_share_credentials(home: str, url: str) -> bool:
    """Whether ``url`` may get the credentials for ``home``: same origin, or a change from http to https."""
    ours, theirs = origin(home), origin(url)
    return ours == theirs or (ours == ("http", theirs[1], 80) and theirs == ("https", ours[1], 443))


def fit_to_send(url: str) -> str:
    """``url`` without credentials and fragment, its host in ASCII, quoted where necessary."""
    parts = urlsplit(url.strip())
    host = parts.hostname or ""
    if not host.isascii():
        host = host.encode("idna").decode()
    if ":" in host:
        host = f"[{host}]"
    netloc = f"{host}:{parts.port}" if parts.port else host
    path = quote(_lone_percents_quoted(parts.path), safe=ALLOWED.replace("?", "")) or "/"
    query = quote(_lone_percents_quoted(parts.query), safe=ALLOWED)
    return urlunsplit((parts.scheme.lower(), netloc, path, query, ""))


def resolve(base: str, link: str) -> str | None:
    """The URL of a server's ``link``, relative to ``base``; None if it is not HTTP."""
    try:
        target = urljoin(base, link.strip())
        parts = urlsplit(target)
        if parts.scheme.lower() not in DEFAULT_PORTS or not parts.hostname:
            return None
        return fit_to_send(target)
    except (ValueError, UnicodeError):  # an invalid port or host
        return None


def credentials(url: str) -> tuple[str, str] | None:
    """User name and password in ``url``, percent-decoded."""
    login = secrets.login(url)
    if login is None:
        return None
    user, _, password = login.partition(":")
    return _decoded(user), _decoded(password)


def join(base: str, path: str, *, directory: bool = False) -> str:
    """``path``, relative and unquoted, below ``base``, whose query is kept; a directory ends in a slash."""
    if not path and not directory:
        return base
    before, query = _around(base)
    if not path:
        return f"{before}/{query}"
    if not UNRESERVED.fullmatch(path):
        path = "/".join(quote(os.fsencode(segment), safe="") for segment in path.split("/"))
    return f"{before}/{path}{'/' if directory else ''}{query}"


@lru_cache(maxsize=16)
def _around(base: str) -> tuple[str, str]:
    """The parts of a child's URL before and after its name."""
    parts = urlsplit(base)
    before = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/"), "", ""))
    return before, f"?{parts.query}" if parts.query else ""


def parent(url: str) -> str | None:
    """The URL of the directory that the directory ``url`` is in; None at the top."""
    parts = urlsplit(url)
    above, _, name = parts.path.rstrip("/").rpartition("/")
    return urlunsplit(parts._replace(path=above + "/")) if name else None


def is_directory(url: str) -> bool:
    """Whether its path ends in a slash."""
    return url.partition("?")[0].endswith("/")


def may_be_directory(url: str) -> bool:
    """Whether HTML from it could be a directory page: the URL has neither the name of an HTML file nor a
    query."""
    return "?" not in url and not url.lower().endswith(HTML_NAMES)


def segments(url: str) -> tuple[str, ...]:
    """The segments of the path of ``url``, decoded, without empty ones."""
    return tuple(
        os.fsdecode(unquote_to_bytes(segment)) for segment in urlsplit(url).path.split("/") if segment
    )


def identity(url: str) -> str:
    """``url`` without the parameters of its signature."""
    if "?" not in url:
        return url
    parts = urlsplit(url)
    lasting = [pair for pair in parts.query.split("&") if not SIGNING.fullmatch(pair.partition("=")[0])]
    return urlunsplit(parts._replace(query="&".join(lasting), fragment=""))


def _lone_percents_quoted(text: str) -> str:
    pieces = text.split("%")
    hexadecimal = set("0123456789abcdefABCDEF")
    return pieces[0] + "".join(
        ("%" if len(piece) >= 2 and set(piece[:2]) <= hexadecimal else "%25") + piece for piece in pieces[1:]
    )


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape")
