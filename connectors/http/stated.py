"""A file's version and length, from the header fields of a response."""

from connectors import secrets
from connectors.errors import ProtocolViolation
from connectors.http import digests
from connectors.http.ranges import is_encoded
from connectors.http.transport.reply import Reply, whole_number
from connectors.model import Version


def version(reply: Reply, size: int | None) -> Version:
    """The version of the file. A weak ETag does not promise equal bytes (RFC 9110, 8.8.1), nor does any ETag
    of a compressed response."""
    etag = reply.headers.get("etag", "")
    validator = etag if etag.startswith('"') else reply.modified
    if is_encoded(reply):
        validator = ""
    return Version(validator, size, digests.of_file(reply.headers, whole=reply.status == 200))


def length(reply: Reply) -> int | None:
    """In bytes; None if not stated. The same length stated twice is valid (RFC 9110, 8.6)."""
    text = reply.headers.get("content-length", "")
    chunked = "transfer-encoding" in reply.headers  # overrides the length (RFC 9112, 6.3)
    if not text or chunked:
        return None
    stated = {whole_number(one.strip()) for one in text.split(",")}
    if len(stated) > 1 or None in stated:
        raise ProtocolViolation(f"{secrets.shown_url(reply.url)}: its Content-Length is not valid")
    return stated.pop()
