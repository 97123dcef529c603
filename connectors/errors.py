"""The errors. Each says what failed, where and why, and carries its exit code.

The codes are those of sysexits.h (BSD). Only 75 says that the same call may succeed later, so a scheduler
can decide from the code whether to retry.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple


class Exit(IntEnum):
    OK = 0
    USAGE = 64
    DATAERR = 65
    NOINPUT = 66
    NOHOST = 68
    UNAVAILABLE = 69
    SOFTWARE = 70
    CANTCREAT = 73
    IOERR = 74
    TEMPFAIL = 75
    PROTOCOL = 76
    NOPERM = 77
    CONFIG = 78
    INTERRUPTED = 130
    TERMINATED = 143


class RedError(Exception):
    """Base of all expected failures.

    ``message`` is one line that says what failed, where and why; ``hint``, if any, what to try.
    Both may contain secrets: everything is redacted before it is printed.
    """

    code = Exit.SOFTWARE
    for_all = False
    """Whether every other file would fail too: it then ends the transfer and is reported once."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def parts(self) -> Sequence[object]:
        """The individual failures, if there are several."""
        return ()

    @property
    def summary(self) -> str:
        """The message, or the number of parts."""
        return self.message


class UsageError(RedError):
    """The command line is wrong. ``lines`` are shown below the message, such as the possible commands."""

    code = Exit.USAGE

    def __init__(self, message: str, *, hint: str = "", lines: Sequence[str] = ()) -> None:
        super().__init__(message, hint=hint)
        self.lines = lines

    @property
    def parts(self) -> Sequence[str]:
        return self.lines


class DataError(RedError):
    """The data is wrong: its size or checksum, a dangerous archive, invalid JSON."""

    code = Exit.DATAERR


class ChecksumError(DataError):
    """A complete file does not match its checksum; a retry may succeed."""


class NotFound(RedError):
    """The file or directory to receive or send does not exist."""

    code = Exit.NOINPUT


class HostNotFound(RedError):
    """The host name does not exist."""

    code = Exit.NOHOST


class Unavailable(RedError):
    """The connector lacks the verb, or the machine lacks a requirement."""

    code = Exit.UNAVAILABLE


class CannotCreate(RedError):
    """The target cannot be created, or exists and may not be overwritten."""

    code = Exit.CANTCREAT


class LocalIOError(RedError):
    """Reading or writing locally failed: disk full, read-only."""

    code = Exit.IOERR


class TemporaryFailure(RedError):
    """A transient failure: refused, reset, timed out, cut short, overloaded.

    ``retry_after`` is the pause in seconds that the server asked for, or None. ``repeatable`` is False if the
    server may already have stored the data, so that a retry could store it twice.
    """

    code = Exit.TEMPFAIL

    def __init__(
        self, message: str, *, hint: str = "", retry_after: float | None = None, repeatable: bool = True
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after
        self.repeatable = repeatable


class ProtocolViolation(RedError):
    """The server broke its protocol, or its identity is wrong."""

    code = Exit.PROTOCOL


class NotPermitted(RedError):
    """Not allowed."""

    code = Exit.NOPERM


class NotAuthenticated(NotPermitted):
    """The log-in was refused; trying again could lock the account."""

    for_all = True


class Fault(NamedTuple):
    """One thing wrong with a document.

    ``path`` is dotted, as in that document (``access.auth.username``); ``line`` counts from
    1 and is 0 where it is unknown; ``source`` names the document (a path, ``-`` or a variable).
    ``hint``, if any, is what to try.
    """

    path: str
    message: str
    line: int = 0
    source: str = ""
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.source or 'document'}:{self.line}" if self.line else self.source
        return ": ".join(part for part in (place, self.path, self.message) if part)


class ConfigError(RedError):
    """The access document, the listing or an environment variable is wrong; contains every fault found."""

    code = Exit.CONFIG

    def __init__(self, faults: Sequence[Fault] | str, *, hint: str = "") -> None:
        self.faults = [Fault("", faults)] if isinstance(faults, str) else list(faults)
        hint = hint or next((fault.hint for fault in self.faults if fault.hint), "")
        super().__init__("; ".join(str(fault) for fault in self.faults), hint=hint)

    @property
    def parts(self) -> Sequence[Fault]:
        return self.faults if len(self.faults) > 1 else ()

    @property
    def summary(self) -> str:
        return f"{len(self.faults)} errors" if self.parts else self.message


MOST_NAMED = 20
"""Failures beyond this number are counted, not named."""


class SeveralFailures(RedError):
    """Some of many files failed. The code is 75 only if all may succeed later, else the first other one.

    ``count`` is the number of failures, if ``failures`` does not hold all of them.
    """

    def __init__(self, what: str, failures: Sequence[RedError], *, hint: str = "", count: int = 0) -> None:
        lasting = [failure for failure in failures if failure.code != Exit.TEMPFAIL]
        worst = (lasting or list(failures))[0]
        super().__init__(f"{what}: {failures[0].message}", hint=hint or worst.hint)
        self.what = what
        self.failures = failures
        self.code = worst.code
        self._count = count or len(failures)

    @property
    def parts(self) -> Sequence[str]:
        named = [failure.message for failure in self.failures[:MOST_NAMED]]
        more = self._count - len(named)
        return [*named, f"and {more} more"] if more else named

    @property
    def summary(self) -> str:
        return self.what


class Failures:
    """Collects the failures of many files. Keeps only those that are shown: the first ones by path."""

    def __init__(self) -> None:
        self.count = 0
        self._passing: list[tuple[str, RedError]] = []
        self._lasting: list[tuple[str, RedError]] = []

    def __bool__(self) -> bool:
        return self.count > 0

    def add(self, path: str, failure: RedError) -> None:
        kept = self._passing if failure.code == Exit.TEMPFAIL else self._lasting
        kept.append((path, failure))
        kept.sort(key=lambda one: one[0])
        del kept[MOST_NAMED:]
        self.count += 1

    def error(self, what: str, *, hint: str = "") -> SeveralFailures:
        """One error for all; its code is that of the first failure that is not temporary."""
        first = sorted((*self._passing, *self._lasting), key=lambda one: one[0])[:MOST_NAMED]
        if self._lasting and self._lasting[0] not in first:
            first[-1] = self._lasting[0]
        return SeveralFailures(what, [failure for _, failure in first], hint=hint, count=self.count)
