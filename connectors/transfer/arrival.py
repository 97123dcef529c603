"""How a file appears: whole and checked under its name, or not at all.

Until then its bytes are in a hidden *part* file beside the target. A small *state* file beside that
says which version of which source they belong to, so that the next attempt, or the next process, even
after a ``kill -9``, goes on where this one ended.
"""

import fcntl
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Self

from connectors.errors import (
    CannotCreate,
    ChecksumError,
    DataError,
    LocalIOError,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.transfer.checksum import Checksum, hasher
from connectors.transfer.job import Cancelled, Job
from connectors.transfer.local import creating, reading, reason, writing

if TYPE_CHECKING:
    from hashlib import _Hash

HASH_BLOCK = 1 << 20
LONGEST_NAME = 255  # bytes: NAME_MAX of every common file system


class Version(NamedTuple):
    """What the far end says of the file it is about to deliver.

    ``validator`` tells this version from every other one and is empty where nothing does; ``size`` is
    in bytes, ``modified`` in seconds since 1970; ``checksums`` are of the whole file.
    """

    validator: str = ""
    size: int | None = None
    modified: float | None = None
    checksums: tuple[Checksum, ...] = ()


class Arrival:
    """One file on its way to ``target``; a context manager.

    ``identity`` names the source: bytes from another one are never continued. ``size`` and
    ``checksum`` are what the caller was promised, by a listing say. With ``mirror`` the file takes over
    the source's time of modification, and one that has it already need not be fetched again.

    Leaving without ``commit`` keeps the part if a later call can go on from it, and removes it if not.
    """

    def __init__(
        self,
        target: str,
        identity: str,
        job: Job,
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
        mirror: bool = False,
    ) -> None:
        self.target = target
        self.moved = True
        self.inspections: list[Callable[[BinaryIO], None]] = []
        self._job = job
        self._identity = identity
        self._promised_size = size
        self._promised = [checksum] if checksum else []
        self._mirror = mirror
        folder, name = os.path.split(target)
        self._part = os.path.join(folder, hidden_name(name, "part"))
        self._state = os.path.join(folder, hidden_name(name, "state"))
        self._fd = -1
        self._version = Version()
        self._have = 0
        self._expected = size or 0  # what progress was told to expect
        self._fresh = False  # nothing has been written to the part
        self._state_saved = False
        self._hashes: dict[str, _Hash] = {}
        self._hashed = 0

    # -- what a connector asks and says ------------------------------------------------------------

    @property
    def offset(self) -> int:
        """How many bytes are here already; ask for the rest. Never the whole file, so that there is an answer
        which proves that the source is still the same."""
        if not self._version.validator:
            return 0
        return self._have if self._version.size is None else max(0, min(self._have, self._version.size - 1))

    @property
    def version(self) -> Version:
        """The version that the bytes up to ``offset`` belong to."""
        return self._version

    @property
    def unless_newer_than(self) -> float | None:
        """Time of modification of the copy that is here already, if the source's would prove it current.

        Whole seconds are what ``commit`` sets from the source; any other time means that somebody has
        written to the file since.
        """
        if not self._mirror or self.offset:
            return None
        try:
            here = os.stat(self.target, follow_symlinks=False)
        except OSError:
            return None
        if self._promised_size not in (None, here.st_size) or not stat.S_ISREG(here.st_mode):
            return None
        return None if here.st_mtime_ns % 10**9 else here.st_mtime

    def begin(self, version: Version, offset: int = 0) -> None:
        """Bytes of ``version`` follow, from ``offset`` on: 0, or up to ``self.offset`` of the same."""
        if self._promised_size is not None and version.size not in (None, self._promised_size):
            promised = f"{self._promised_size} bytes were promised"
            raise DataError(f"{self.target}: {promised}, the source has {version.size}")
        if offset and (offset > self.offset or version.validator != self._version.validator):
            self.discard()
            raise TemporaryFailure(f"{self.target}: the source changed during the transfer")
        if offset or not self._fresh:
            with writing(self._part):
                os.ftruncate(self._fd, offset)
                os.lseek(self._fd, offset, os.SEEK_SET)
        self._fresh = False
        self._job.progress.moved(offset - self._have)
        self._job.progress.expect((version.size or 0) - self._expected)
        self._version, self._have, self._expected = version, offset, version.size or 0
        self._rehash()

    def write(self, data: bytes) -> None:
        """The next bytes. Called so often (see connectors.web.client) that each line counts."""
        if self._job.cancelled.is_set():
            raise Cancelled
        end = self._have + len(data)
        if self._version.size is not None and end > self._version.size:
            raise ProtocolViolation(f"{self.target}: more than the announced {self._version.size} bytes")
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # the disk is nearly full: the rest, or the reason
                written += os.write(self._fd, data[written:])
        except OSError as error:
            raise LocalIOError(f"cannot write {self._part}: {reason(error)}") from error
        for hash_ in self._hashes.values():
            hash_.update(data)
        self._have = self._hashed = end
        self._job.progress.moved(len(data))
        if not self._state_saved and end != self._version.size:
            self._save_state()

    def keep(self) -> None:
        """The far end says that what is here is current."""
        self.discard()
        self.moved = False

    # -- what the engine does ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        check_target(self.target)
        self._lock_part()
        self._load_state()
        return self

    def verify(self) -> None:
        """What is here is what was announced and promised, or an error."""
        if not self.moved:
            return
        size = self._promised_size if self._version.size is None else self._version.size
        if self._version.size is not None and self._have < self._version.size:
            raise TemporaryFailure(f"{self.target}: cut short after {self._have} of {size} bytes")
        if size not in (None, self._have):
            raise DataError(f"{self.target}: {size} bytes were promised, {self._have} arrived")
        for checksum in (*self._promised, *self._version.checksums):
            found = self.hexdigest(checksum.algorithm)
            if found != checksum.digest:
                is_ = Checksum(checksum.algorithm, found)
                raise ChecksumError(f"{self.target}: checksum should be {checksum}, is {is_}")
        for inspect in self.inspections:
            with open(self._part, "rb") as file:
                inspect(file)

    def commit(self) -> None:
        """Let the file appear under its name."""
        if not self.moved:
            return
        with writing(self._part):
            if self._mirror and self._version.modified is not None:
                os.utime(self._fd, (self._version.modified, self._version.modified))
            os.fsync(self._fd)
        with creating(self.target):
            os.replace(self._part, self.target)
        if self._state_saved:
            _remove(self._state)
        self._close()

    def discard(self) -> None:
        """Throw away what has arrived; the next ``begin`` starts afresh."""
        self._job.progress.moved(-self._have)
        self._version, self._have, self._state_saved = Version(), 0, False
        _remove(self._state)
        with writing(self._part):
            os.ftruncate(self._fd, 0)

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self._have

    def hexdigest(self, algorithm: str) -> str:
        """Of the bytes that are here."""
        return self._hashes[algorithm].hexdigest()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._fd < 0:
            return
        passing = isinstance(error, TemporaryFailure) or not isinstance(error, RedError)
        if not (error and passing and self._have and self._state_saved):
            _remove(self._part)
            _remove(self._state)
        self._close()

    # -- inside ------------------------------------------------------------------------------------

    def _lock_part(self) -> None:
        """Open the part file, alone: two processes writing one part would mix their bytes."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        while True:
            with creating(self.target):
                fd = os.open(self._part, flags, 0o666)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                raise TemporaryFailure(f"{self.target}: another process is receiving this file") from None
            except OSError:
                pass  # a file system without locks (some network mounts): go on without
            here = os.fstat(fd)
            with suppress(FileNotFoundError):
                if os.path.samestat(here, os.stat(self._part, follow_symlinks=False)):
                    if here.st_nlink == 1 and stat.S_ISREG(here.st_mode) and here.st_uid == os.geteuid():
                        self._fd, self._have, self._fresh = fd, here.st_size, not here.st_size
                        return
                    os.unlink(self._part)  # not made by us: do not write into it
            os.close(fd)

    def _load_state(self) -> None:
        if not self._have:
            return
        with suppress(OSError, ValueError, TypeError, KeyError):
            with open(self._state, encoding="utf-8") as file:
                state = json.load(file)
            if state["identity"] == fingerprint(self._identity):
                self._version = Version(str(state["validator"]), state["size"])
                self._state_saved = True
        if self.offset:
            self._job.progress.moved(self._have)
        else:
            self._have = 0

    def _save_state(self) -> None:
        if not self._version.validator:
            return
        state = {
            "identity": fingerprint(self._identity),
            "validator": self._version.validator,
            "size": self._version.size,
        }
        with writing(self._state):
            fd = os.open(self._state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(state, file)
        self._state_saved = True

    def _rehash(self) -> None:
        """Bring the hashes that will be needed to where the file ends now."""
        wanted = {checksum.algorithm for checksum in (*self._promised, *self._version.checksums)}
        if self._job.receipts.wanted:
            wanted.add("sha256")
        if self._hashed == self._have and wanted <= self._hashes.keys():
            return
        self._hashes = {algorithm: hasher(algorithm) for algorithm in sorted(wanted)}
        self._hashed = position = 0 if wanted else self._have
        while position < self._have:
            with reading(self._part):
                block = os.pread(self._fd, min(HASH_BLOCK, self._have - position), position)
            if not block:
                raise LocalIOError(f"cannot read {self._part}: it became shorter")
            for hash_ in self._hashes.values():
                hash_.update(block)
            position += len(block)
        self._hashed = position

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1


def check_target(target: str) -> None:
    """CannotCreate unless a file can appear there: its folder exists, and only a file is in the way."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        folder = os.path.dirname(target) or "."
        if not os.path.isdir(folder):
            raise CannotCreate(f"cannot create {target}: there is no directory {folder}") from None
        return
    except OSError as error:
        raise CannotCreate(f"cannot create {target}: {error.strerror}") from None
    if stat.S_ISDIR(mode):
        raise CannotCreate(f"cannot create {target}: it is a directory")
    if not stat.S_ISREG(mode):
        raise CannotCreate(f"cannot replace {target}: it is not a regular file")


def hidden_name(name: str, kind: str) -> str:
    """The name beside ``name`` for the ``kind`` of file that belongs to it; the same for every process."""
    hidden = f".{name}.red-{kind}"
    if len(os.fsencode(hidden)) > LONGEST_NAME:
        hidden = f".{fingerprint(name)}.red-{kind}"
    return hidden


def is_hidden_name(name: str) -> bool:
    """Whether ``name`` is one that hidden_name makes: never payload."""
    return name.startswith(".") and name.endswith((".red-part", ".red-state"))


def fingerprint(text: str) -> str:
    sha256 = hasher("sha256")
    sha256.update(os.fsencode(text))
    return sha256.hexdigest()


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
