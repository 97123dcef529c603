"""The files behind an arrival: the hidden part with its bytes, and the state that says what they are."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from connectors.errors import CannotCreate, LocalIOError, TemporaryFailure
from connectors.transfer import checksum as checksums
from connectors.transfer.checksum import Checksum
from connectors.transfer.local import cannot_create, creating, reading, reason, writing
from connectors.transfer.names import fingerprint, hidden_name

BLOCK = 1 << 20
MEMORY = "user.red.version"  # the extended attribute that remembers which version a file is


class Version(NamedTuple):
    """What the far end says of the file that it is about to deliver.

    ``validator`` tells this version from every other one and is empty where nothing does; ``size`` is
    in bytes; ``checksums`` are of the whole file; ``executable`` says that it is a program.
    """

    validator: str = ""
    size: int | None = None
    checksums: tuple[Checksum, ...] = ()
    executable: bool = False


class Part:
    """The part file of ``target``, open and locked, its first ``size`` bytes of ``version`` of ``source``.

    ``source`` names where the bytes come from; what is left of another one is not used.
    """

    def __init__(self, target: str, source: str) -> None:
        folder, name = os.path.split(target)
        self._target = target
        self._path = os.path.join(folder, hidden_name(name, "part"))
        self._state = os.path.join(folder, hidden_name(name, "state"))
        self._source = source
        self._state_is_current = False
        self._touched = False
        self._fd = self._open()
        self.version, self.size = self._what_is_here()

    # -- bytes -------------------------------------------------------------------------------------

    def begin(self, version: Version, offset: int) -> None:
        """Bytes of ``version`` follow from ``offset`` on; what the part holds behind it is dropped.

        From here until the part is cut, a state that speaks of another version must not be found.
        """
        if version.validator != self.version.validator or not offset:
            self.forget()
        if self._touched:
            with writing(self._target):
                os.ftruncate(self._fd, offset)
                os.lseek(self._fd, offset, os.SEEK_SET)
        self._touched = True
        self.version, self.size = version, offset

    def write(self, data: bytes | memoryview) -> None:
        try:
            written = os.write(self._fd, data)
            while written < len(data):  # the disk is nearly full: the rest, or the reason
                written += os.write(self._fd, data[written:])
        except OSError as error:
            raise LocalIOError(f"cannot write {self._target}: {reason(error)}") from error
        self.size += len(data)
        if not self._state_is_current and self.size != self.version.size:
            self._remember()

    def blocks(self) -> Iterator[bytes]:
        """What is here, from the start."""
        position = 0
        while position < self.size:
            with reading(self._target):
                block = os.pread(self._fd, min(BLOCK, self.size - position), position)
            if not block:
                raise LocalIOError(f"cannot read {self._path}: it became shorter")
            yield block
            position += len(block)

    @property
    def path(self) -> str:
        return self._path

    # -- ends --------------------------------------------------------------------------------------

    def install(self, *, remember: bool) -> None:
        """Let it appear as the target; with ``remember``, a file of a directory, its bit for executables is
        kept and ``version_of`` will know later what it is.

        Synced before it is renamed: after a power cut the name must not stand for a file with holes.
        """
        with writing(self._target):
            os.fsync(self._fd)
            if remember:
                remember_version(self._fd, self._source, self.version)
            if remember and self.version.executable:
                make_executable(self._fd)
        with creating(self._target):
            os.replace(self._path, self._target)
        if self._state_is_current:
            _remove(self._state)
        self._close()

    def leave(self) -> None:
        """Stay for a later call to go on from, if it can."""
        if self.size and self._state_is_current:
            self._close()
        else:
            self.remove()

    def remove(self) -> None:
        _remove(self._path)
        _remove(self._state)
        self._close()

    @property
    def open(self) -> bool:
        return self._fd >= 0

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1

    # -- opening -----------------------------------------------------------------------------------

    def _open(self) -> int:
        """Alone: two processes writing one part would mix their bytes. And only a file that is our own."""
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        for _ in range(100):
            try:
                fd, made = os.open(self._path, flags | os.O_CREAT | os.O_EXCL, 0o666), True
            except FileExistsError:
                try:
                    fd, made = os.open(self._path, flags), False
                except OSError:  # gone again, a link, a directory, not for us
                    self._unlink()
                    continue
            except OSError as error:
                raise cannot_create(self._target, error) from error
            if self._lock(fd) and (made or self._is_ours(fd)):
                self._touched = not made
                return fd
            os.close(fd)
        raise CannotCreate(f"cannot create {self._target}: something else keeps making {self._path}")

    def _lock(self, fd: int) -> bool:
        """Whether the lock is held, on the file that has the name now."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise TemporaryFailure(f"{self._target}: another process is receiving this file") from None
        except OSError:
            pass  # a file system without locks (some network mounts): go on without
        try:
            return os.path.samestat(os.fstat(fd), os.stat(self._path, follow_symlinks=False))
        except FileNotFoundError:
            return False

    def _is_ours(self, fd: int) -> bool:
        """Whether the file was left by a call like this one; what somebody else has put there is removed."""
        here = os.fstat(fd)
        ours = here.st_nlink == 1 and stat.S_ISREG(here.st_mode) and here.st_uid == os.geteuid()
        if not ours:
            self._unlink()
        return ours

    def _unlink(self) -> None:
        with creating(self._path), suppress(FileNotFoundError):
            os.unlink(self._path)

    # -- state -------------------------------------------------------------------------------------

    def _what_is_here(self) -> tuple[Version, int]:
        size = os.fstat(self._fd).st_size if self._touched else 0
        if size:
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                fd = os.open(self._state, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
                with open(fd, encoding="utf-8") as file:
                    state = json.load(file)
                known = tuple(checksums.parse(text) for text in state["checksums"])
                version = Version(str(state["validator"]), state["size"], known)
                if state["source"] == fingerprint(self._source) and isinstance(version.size, int | None):
                    self._state_is_current = True
                    return version, size
        return Version(), 0

    def _remember(self) -> None:
        if not self.version.validator:
            return
        state = {
            "source": fingerprint(self._source),
            "validator": self.version.validator,
            "size": self.version.size,
            "checksums": [str(checksum) for checksum in self.version.checksums],
        }
        self.forget()  # what a killed call left, and a link that somebody has put there
        with writing(self._state):
            fd = os.open(self._state, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(state, file)
        self._state_is_current = True

    def forget(self) -> None:
        """Nothing vouches for the bytes any more."""
        if self._touched:
            _remove(self._state)
        self._state_is_current = False


def remember_version(fd: int, source: str, version: Version) -> None:
    """For ``version_of``; nothing where the file system has no extended attributes."""
    if version.validator:
        here = os.fstat(fd)
        memory = f"{here.st_mtime_ns} {here.st_size} {fingerprint(source)} {version.validator}"
        with suppress(OSError):  # then the file is fetched again
            os.setxattr(fd, MEMORY, os.fsencode(memory))


def version_of(target: str, source: str) -> str:
    """The validator of the file that is there, if ``source`` has delivered it and nobody touched it since."""
    try:
        here = os.stat(target, follow_symlinks=False)
        memory = os.fsdecode(os.getxattr(target, MEMORY, follow_symlinks=False))
    except OSError:
        return ""
    modified, size, origin, validator = (*memory.split(" ", 3), "", "", "")[:4]
    remembered = (modified, size, origin) == (str(here.st_mtime_ns), str(here.st_size), fingerprint(source))
    return validator if remembered else ""


def make_executable(fd: int) -> None:
    """For those who may read it: what the umask let them."""
    mode = os.fstat(fd).st_mode
    os.fchmod(fd, stat.S_IMODE(mode) | (mode & 0o444) >> 2)


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)
