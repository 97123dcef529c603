"""Maps exceptions of paramiko, sockets and cryptography to connectors.errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import (
    HostNotFound,
    NotAuthenticated,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)

PROHIBITED, UNREACHABLE, UNKNOWN_TYPE = 1, 2, 3  # why a channel was not opened: RFC 4254, 5.1
BROKEN_RULES = (
    "Expecting packet",
    "Illegal info request",
    "Signature verification",
    "Unknown",
    "Invalid SSH",
)
"""The beginnings of paramiko's messages about protocol violations."""


@contextmanager
def translating(place: str) -> Iterator[None]:
    """Turn exceptions at ``place`` (a name for messages) into errors of connectors.errors."""
    try:
        yield
    except RedError:
        raise
    except Exception as error:
        failure = of_exception(error, place)
        if failure is None:
            raise
        raise failure from error


def of_exception(error: Exception, place: str) -> RedError | None:
    """The error for ``error``; None if it comes from neither paramiko nor what paramiko uses."""
    from cryptography.exceptions import InvalidSignature, InvalidTag
    from paramiko import ssh_exception as theirs

    if isinstance(error, RedError):
        return error
    if isinstance(error, theirs.ChannelException):
        return of_refused_channel(error.code, error.text, place)
    if isinstance(error, theirs.AuthenticationException):
        return NotAuthenticated(f"{place}: {said(error)}")
    if isinstance(error, theirs.IncompatiblePeer | theirs.MessageOrderError | theirs.BadHostKeyException):
        return ProtocolViolation(f"{place}: {said(error)}")
    if isinstance(error, InvalidSignature):
        return ProtocolViolation(f"{place}: the server's signature is wrong")
    if isinstance(error, InvalidTag):  # TCP's checksum misses one damaged packet in some millions
        return TemporaryFailure(f"{place}: a packet was damaged in transit")
    if isinstance(error, TimeoutError):
        return TemporaryFailure(f"{place}: no answer")
    if isinstance(error, EOFError):
        return TemporaryFailure(f"{place}: the connection was closed")
    if isinstance(error, OSError):
        return TemporaryFailure(f"{place}: {error.strerror or said(error) or 'the connection was lost'}")
    if isinstance(error, theirs.SSHException):
        kind = ProtocolViolation if str(error).startswith(BROKEN_RULES) else TemporaryFailure
        return kind(f"{place}: {said(error)}")
    return None


def of_refused_channel(code: int, text: str, place: str) -> RedError:
    """The error for a channel that the server refused to open, with ``code``."""
    message = f"{place}: the server refuses to open a channel: {text}"
    if code in (PROHIBITED, UNREACHABLE):  # OpenSSH's answer if MaxSessions is 0, or reached
        return NotPermitted(message, hint="does the server allow sessions (MaxSessions in its sshd_config)?")
    if code == UNKNOWN_TYPE:
        return ProtocolViolation(message)
    return TemporaryFailure(message)


def of_refused_forwarding(code: int, text: str, place: str, target: str) -> RedError:
    """The error if the jump host ``place`` cannot connect to ``target``, from its ``code`` and ``text``."""
    message = f"{place} cannot connect to {target}: {text}"
    if code == PROHIBITED:
        return NotPermitted(
            message, hint="it must allow it: AllowTcpForwarding and PermitOpen in its sshd_config"
        )
    if code == UNKNOWN_TYPE:
        return NotPermitted(message, hint="it cannot be used as a jump host")
    if any(words in text.lower() for words in UNKNOWN_NAME):
        return HostNotFound(message, hint="check host in the access document: the jump host does not know it")
    return TemporaryFailure(message)


UNKNOWN_NAME = ("name or service not known", "nodename nor servname", "no address associated", "unknown host")
"""Messages of resolvers (glibc, BSD, musl's servers) for a name that does not exist."""


def said(error: Exception) -> str:
    """The exception's message on one line, cut to length: part of it may come from the server."""
    return " ".join(str(error).split())[:200] or type(error).__name__
