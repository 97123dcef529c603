"""Checksums of a file from the four HTTP header fields that may carry them."""

import base64
import binascii
import re
from collections.abc import Mapping

from connectors.checksum import DIGEST_SIZES
from connectors.model import Checksum

ALGORITHMS = {"md5": "md5", "sha": "sha1", "sha-256": "sha256", "sha-512": "sha512"}
FIELDS = {"repr-digest", "digest", "content-digest", "content-md5"}
MEMBER = re.compile(r"([A-Za-z0-9-]+)\s*=\s*:?([A-Za-z0-9+/]+=*):?")


def of_file(headers: Mapping[str, str], *, whole: bool) -> tuple[Checksum, ...]:
    """The checksums of the whole file, from the fields of a header or trailer by lower-case name.

    Repr-Digest (RFC 9530) and Digest (RFC 3230) always cover the whole file; Content-Digest (RFC 9530) and
    Content-MD5 (RFC 1864) cover this response only, so they count only if it is ``whole``. Unknown algorithms
    and invalid digests are ignored.
    """
    if not FIELDS & headers.keys():
        return ()
    fields = [headers.get("repr-digest", ""), headers.get("digest", "")]
    if whole:
        fields.append(headers.get("content-digest", ""))
        if md5 := headers.get("content-md5", "").strip():
            fields.append(f"md5={md5}")
    found = (_checksum(name, value) for field in fields for name, value in MEMBER.findall(field))
    return tuple(dict.fromkeys(checksum for checksum in found if checksum))


def _checksum(name: str, value: str) -> Checksum | None:
    algorithm = ALGORITHMS.get(name.lower())
    if not algorithm:
        return None
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        return None
    return Checksum(algorithm, digest.hex()) if len(digest) == DIGEST_SIZES[algorithm] else None
