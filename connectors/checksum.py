"""Checksums in the notation of listings: ``sha1$…``, as in the Common Workflow Language."""

from typing import TYPE_CHECKING

from connectors.model import Checksum

if TYPE_CHECKING:
    from hashlib import _Hash

DIGEST_SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}


def parse(text: str) -> Checksum:
    """Parse ``algorithm$hexdigest``; ValueError, with the correct form, if it is invalid."""
    algorithm, dollar, digest = text.partition("$")
    algorithm, digest = algorithm.lower(), digest.lower()
    if not dollar or algorithm not in DIGEST_SIZES:
        known = ", ".join(DIGEST_SIZES)
        raise ValueError(f"must be algorithm$digest, the algorithm one of {known}")
    length = 2 * DIGEST_SIZES[algorithm]
    if len(digest) != length or not set(digest) <= set("0123456789abcdef"):
        raise ValueError(f"{algorithm} digests are {length} hexadecimal digits")
    return Checksum(algorithm, digest)


def of(algorithm: str, data: bytes) -> Checksum:
    """Hash ``data``."""
    return Checksum(algorithm, hasher(algorithm, data).hexdigest())


def matches(content: bytes, checksum: Checksum | None) -> bool:
    """Whether ``content`` has the ``checksum``, if one is given."""
    return checksum is None or of(checksum.algorithm, content) == checksum


def hasher(algorithm: str, data: bytes = b"") -> "_Hash":
    """A hash object of ``data``; on FIPS machines too, since nothing here defends against an attacker."""
    import hashlib

    # twice as fast as hashlib.new, which matters with one hash for each of many files
    return getattr(hashlib, algorithm)(data, usedforsecurity=False)  # type: ignore[no-any-return]
