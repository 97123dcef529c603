"""What a status of SFTP means, in terms of connectors.errors."""

from connectors.errors import NotFound, NotPermitted, ProtocolViolation, RedError, TemporaryFailure
from connectors.secure_shell import sftp


def failure(status: sftp.Status, place: str) -> RedError:
    """The error for ``status``, the answer to a request about ``place`` (a name for people)."""
    match status.status:
        case sftp.NO_SUCH_FILE:
            return NotFound(f"{place}: no such file or directory")
        case sftp.PERMISSION_DENIED:
            return NotPermitted(f"{place}: permission denied")
        case sftp.UNSUPPORTED | sftp.BAD_MESSAGE:
            return ProtocolViolation(f"{place}: the server cannot do that: {status.message}")
        case sftp.FAILURE:
            return TemporaryFailure(
                f"{place}: the server failed to do it: {status.message}", hint="is the disk there full?"
            )
    return TemporaryFailure(f"{place}: {status.message}")
