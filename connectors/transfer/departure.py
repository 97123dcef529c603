"""A local file to send: each attempt reads it from the start and checks that it did not change."""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from connectors.checksum import hasher
from connectors.errors import ChecksumError, DataError, NotFound
from connectors.local.files import reading
from connectors.local.names import staging_name
from connectors.model import Checksum
from connectors.transfer.job import Job

if TYPE_CHECKING:
    from hashlib import _Hash

BLOCK = 1 << 20

Moment = tuple[int, ...]


class Departure:
    """One file that is sent: a connectors.remote.Source and a context manager.

    ``opener`` returns a descriptor of it; ``path`` is its name in messages. ``promised_size`` (bytes) and
    ``checksum`` come from a listing and are checked before anything is sent.
    """

    def __init__(
        self,
        path: str,
        job: Job,
        opener: Callable[[], int],
        *,
        promised_size: int | None = None,
        checksum: Checksum | None = None,
    ) -> None:
        self.path = path
        self._opener = opener
        self.moved = True
        self.size = 0
        self.mode = 0
        self._moment: Moment = ()
        self._token = ""
        self._job = job
        self._promised_size = promised_size
        self._promised = checksum
        self._file: BinaryIO
        self._sent = 0
        self._sha256: _Hash | None = None

    # -- what a connector uses: see Source ----------------------------------------------------------

    def rewind(self) -> None:
        self._job.progress.moved(-self._sent)
        self._sent = 0
        with reading(self.path):
            self._file.seek(0)
        if self._job.receipts.wanted:
            self._sha256 = hasher("sha256")

    @property
    def is_through(self) -> bool:
        return 0 < self.size == self._sent

    def read(self, count: int) -> bytes:
        self._job.check_cancelled()
        with reading(self.path):
            data = self._file.read(min(count, self.size - self._sent))
            here = os.fstat(self._file.fileno())
        self._sent += len(data)
        ends = self._sent == self.size
        if (ends and moment(here) != self._moment) or here.st_size < self.size:
            raise DataError(f"{self.path} changed while it was sent")
        if ends:
            self._check_end()
        elif not data:
            raise DataError(f"{self.path}: its size is {self.size} bytes, but it ends after {self._sent}")
        if self._sha256:
            self._sha256.update(data)
        self._job.progress.moved(len(data))
        return data

    def staging_name(self, name: str) -> str:
        return staging_name(name, self.path, self._token)

    def checksum(self, algorithm: str) -> Checksum:
        digest = hasher(algorithm)
        with reading(self.path):
            self._file.seek(0)
            while block := self._file.read(BLOCK):
                self._job.check_cancelled()
                digest.update(block)
        return Checksum(algorithm, digest.hexdigest())

    def skip(self) -> None:
        self.moved = False

    # -- what the engine does ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._file = open(self._opener(), "rb", buffering=0)
        try:
            self._look()
        except BaseException:
            self._file.close()
            raise
        return self

    def open(self) -> BinaryIO:
        """The file from its start, to inspect it before sending."""
        with reading(self.path):
            self._file.seek(0)
            return open(os.dup(self._file.fileno()), "rb")

    @property
    def sha256(self) -> str:
        """Of the data sent."""
        return self._sha256.hexdigest() if self._sha256 else ""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _look(self) -> None:
        """Check that the opened file is as promised."""
        fd = self._file.fileno()
        with reading(self.path):
            here = os.fstat(fd)
        check_kind(self.path, here.st_mode)
        self.size, self._moment = here.st_size, moment(here)
        self._token = claim(fd)
        self.mode = stat.S_IMODE(here.st_mode)
        if self._promised_size not in (None, self.size):
            raise DataError(f"{self.path}: expected {self._promised_size} bytes, it has {self.size}")
        if not self.size:
            self._check_end()
        if self._promised:
            found = self.checksum(self._promised.algorithm)
            if found != self._promised:
                raise ChecksumError(f"{self.path}: checksum should be {self._promised}, is {found}")

    def _check_end(self) -> None:
        """DataError if the file exceeds its size: /proc and the like report 0 for any content."""
        with reading(self.path):
            more = os.pread(self._file.fileno(), 1, self.size)
        if more:
            raise DataError(
                f"{self.path}: its size is {self.size} bytes, but it contains more",
                hint="copy it to an ordinary file, and send that",
            )


def moment(here: os.stat_result) -> Moment:
    """When a file was last changed: its modification time can be reset, its inode's cannot."""
    return here.st_mtime_ns, here.st_ctime_ns, here.st_size


def claim(fd: int) -> str:
    """Claim the open file or folder for sending, until it is closed. Returns "", or random letters if another
    process is sending it too, so that both use different hidden names.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return ""
    except OSError:  # claimed, or no locks in this file system
        return os.urandom(8).hex()


@contextmanager
def claimed(folder: str) -> Iterator[str]:
    """Claim a local folder during the block; yields the result of ``claim``."""
    with reading(folder):
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield claim(fd)
    finally:
        os.close(fd)


def check_source(source: str) -> None:
    """NotFound unless it is a regular file."""
    with reading(source):
        mode = os.stat(source).st_mode
    check_kind(source, mode)


def check_kind(source: str, mode: int) -> None:
    """NotFound unless ``mode`` is that of a regular file."""
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        hint = "use send-dir" if stat.S_ISDIR(mode) else ""
        raise NotFound(f"cannot send {source}: it is {kind}", hint=hint)


def open_file(source: str) -> int:
    """A descriptor of a single file; if ``source`` is a link, of its target."""
    check_source(source)
    with reading(source):
        return os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # it may have become a FIFO
