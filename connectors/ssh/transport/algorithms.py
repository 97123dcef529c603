"""Which ciphers and key exchanges are offered, and in which order."""

from collections.abc import Sequence

AES_GCM = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com")
"""They take half the work of a cipher with a separate MAC, where the processor has instructions for AES."""

CURVE25519, OLD_CURVE25519 = "curve25519-sha256", "curve25519-sha256@libssh.org"
"""One key exchange; the first name is that of RFC 8731, which paramiko lacks."""


def preferred_ciphers(available: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """The ``allowed`` ciphers that are ``available``, in that order; by default all, AES-GCM first."""
    if allowed:
        return tuple(name for name in allowed if name in available)
    return (*AES_GCM, *(name for name in available if name not in AES_GCM))


def with_curve25519(names: Sequence[str]) -> tuple[str, ...]:
    """The ``names`` of key exchanges, and both names of Curve25519 where its old one is among them."""
    if CURVE25519 in names or OLD_CURVE25519 not in names:
        return tuple(names)
    place = names.index(OLD_CURVE25519)
    return (*names[:place], CURVE25519, *names[place:])
