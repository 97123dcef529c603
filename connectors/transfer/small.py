"""Small files in one piece: what can be held in memory needs no part file that outlives a failure.

Only what goes well happens here. Whatever does not, the engine does once more in the ordinary way, which
has the retries and the words.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from connectors.remote import Entry
from connectors.transfer.checksum import Checksum, hasher
from connectors.transfer.job import Job
from connectors.transfer.names import hidden_name
from connectors.transfer.part import Version, remember_version

SMALL = 1 << 16
"""Bytes: larger files gain nothing from going together."""

NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Arrived(NamedTuple):
    """A file that was received whole: its content."""

    entry: Entry
    version: Version
    content: bytes


class Leaving(NamedTuple):
    """A file to send: its size in bytes, its SHA-256 if that is for a receipt, its permission bits, where it
    is, and its content, which who is told of its arrival need not get.
    """

    entry: Entry
    size: int
    sha256: str
    mode: int
    source: str
    content: bytes


Load = Callable[[Sequence[Entry]], Iterator[Leaving]]
"""Reads files: gives those that can be read and are what was promised."""


def is_small(entry: Entry) -> bool:
    """Whether it may go together with others; one of unknown size may."""
    return not entry.is_dir and (entry.size is None or entry.size <= SMALL)


def install(job: Job, target: str, source: str, arrived: Arrived, *, replace: bool) -> bool:
    """Let the file appear as ``target`` if it is what was promised; False, and nothing done, if not.

    With ``replace`` there is something already, which may only be replaced if it is a regular file. The new
    file is not synced by itself, as a larger one is: on a disk that would take most of the time.
    """
    job.check_cancelled()
    entry, version, content = arrived
    if entry.size not in (None, len(content)) or not matches(content, entry.checksum):
        return False
    folder, slash, name = target.rpartition("/")
    part = f"{folder}{slash}{hidden_name(name, 'part')}"
    try:
        if replace and not stat.S_ISREG(os.lstat(target).st_mode):
            return False
        fd = os.open(part, NEW, 0o777 if version.executable else 0o666)
    except OSError:
        return False
    try:
        try:
            whole = os.write(fd, content) == len(content)
            remember_version(fd, source, version)
        finally:
            os.close(fd)
        if whole:
            os.rename(part, target)
            return True
    except OSError:
        pass
    with suppress(OSError):
        os.unlink(part)
    return False


def load(job: Job, root: str, entries: Sequence[Entry]) -> Iterator[Leaving]:
    """Those of the ``entries`` below ``root`` that can be read and are what was promised."""
    for entry in entries:
        job.check_cancelled()
        source = f"{root}/{entry.path}"
        try:
            fd = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                before = os.fstat(fd)
                content = os.read(fd, SMALL + 1) if stat.S_ISREG(before.st_mode) else b""
                after = os.fstat(fd)
            finally:
                os.close(fd)
        except OSError:
            continue
        size = len(content)
        unchanged = size == before.st_size == after.st_size and before.st_mtime_ns == after.st_mtime_ns
        promised = entry.size in (None, size) and matches(content, entry.checksum)
        if unchanged and promised and stat.S_ISREG(before.st_mode):
            sha256 = hexdigest(content, "sha256") if job.receipts.wanted else ""
            yield Leaving(entry, size, sha256, stat.S_IMODE(before.st_mode), source, content)


def matches(content: bytes, checksum: Checksum | None) -> bool:
    """Whether ``content`` has the ``checksum``, if there is one."""
    return checksum is None or hexdigest(content, checksum.algorithm) == checksum.digest


def hexdigest(content: bytes, algorithm: str) -> str:
    digest = hasher(algorithm)
    digest.update(content)
    return digest.hexdigest()
