"""The files behind an arrival: the hidden part file with the bytes, and the state that identifies them."""

import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from connectors import checksum as checksums
from connectors.errors import CannotCreate, LocalIOError, RedError, TemporaryFailure
from connectors.local.files import cannot_create, creating, reading, reason, writing
from connectors.local.names import fingerprint, hidden_name
from connectors.model import Version
from connectors.transfer.folders import READ, LocalFile, place_of
from connectors.transfer.mode import settle_mode, umask

BLOCK = 1 << 20
NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
AGAIN = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
LEAVE_ALONE = "start the transfer again, and do not touch its hidden files while it runs"
MEMORY = "user.red.version"  # the extended attribute that stores a file's version


class Part:
    """The part file of ``target``, open and locked, its first ``size`` bytes of ``version`` of ``source``.

    ``source`` names where the bytes come from; the part of another source is not resumed. ``old`` is the file
    to replace, if any: until then, only those who can read it can read the part.
    """

    def __init__(self, target: LocalFile, source: str, old: os.stat_result | None = None) -> None:
        self._folder, self._name, self._target = target
        self._part = hidden_name(self._name, "part")
        self._state = hidden_name(self._name, "state")
        self._source = source
        self._old = old
        self._state_is_current = False
        self._touched = False
        self._fd = -1
        self._open()
        self.version, self.size = self._what_is_here()

    # -- bytes -------------------------------------------------------------------------------------

    def begin(self, version: Version, offset: int) -> None:
        """Write bytes of ``version`` from ``offset`` on; drop what the part holds after it.

        Until the part is truncated, no state of another version may exist.
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
        """The content so far, from the start."""
        position = 0
        while position < self.size:
            with reading(self._target):
                block = os.pread(self._fd, min(BLOCK, self.size - position), position)
            if not block:
                raise LocalIOError(f"cannot read {self._beside(self._part)}: it became shorter")
            yield block
            position += len(block)

    def read(self) -> BinaryIO:
        """The content as a file; only after the last write."""
        with reading(self._target):
            os.lseek(self._fd, 0, os.SEEK_SET)
            return open(os.dup(self._fd), "rb")

    # -- ends --------------------------------------------------------------------------------------

    def install(self, *, remember: bool) -> None:
        """Rename it to the target. With ``remember``, for a file of a directory, keep its executable bit and
        record its version for ``version_of``.

        Synced before the rename: after a power cut the target must not have holes.
        """
        with writing(self._target):
            os.fsync(self._fd)
            if remember:
                remember_version(self._fd, os.fstat(self._fd), self._source, self.version)
            settle_mode(self._fd, self._replaced(), executable=remember and self.version.executable)
        if os.access(self._state, os.F_OK, dir_fd=self._folder, follow_symlinks=False):
            self._remove(self._state)  # also that of an earlier call: only the target stays
            self._state_is_current = False
        self._appear()
        self._close()

    def _appear(self) -> None:
        """Rename twice. If something else took the part's name, this is noticed under the name in between,
        which nobody else uses, and it does not become the target."""
        ready = ready_name(self._name)
        try:
            self._rename(self._part, ready)
        except FileNotFoundError:
            raise self._lost() from None
        except OSError as error:
            raise cannot_create(self._beside(ready), error) from error
        try:
            if not self._is_called(ready):
                raise self._lost()
            self._rename(ready, self._name)
        except (OSError, RedError) as error:
            with suppress(OSError):
                self._rename(ready, self._part)
            if isinstance(error, OSError):
                raise cannot_create(self._target, error) from error
            raise
        if not self._is_called(self._name):
            raise self._lost()

    def _lost(self) -> TemporaryFailure:
        what = f"{self._beside(self._part)} was removed or replaced during the transfer"
        return TemporaryFailure(f"{self._target}: {what}, by another process", hint=LEAVE_ALONE)

    def _replaced(self) -> os.stat_result | None:
        """The file that has the target's name now, or had it at the start."""
        if os.access(self._name, os.F_OK, dir_fd=self._folder):  # faster than stat if there is nothing
            with suppress(OSError):
                return os.stat(self._name, dir_fd=self._folder)
        return self._old

    def leave(self) -> None:
        """Keep the part, so that a later call can resume it."""
        if self.size and self._state_is_current:
            self._close()
        else:
            self.remove()

    def remove(self) -> None:
        """Remove the part and its state, unless they belong to another call."""
        if self._is_called(self._part):
            self._remove(self._part)
            self._remove(self._state)
        self._close()

    @property
    def open(self) -> bool:
        return self._fd >= 0

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1

    # -- opening -----------------------------------------------------------------------------------

    def _open(self) -> None:
        """Open it exclusively, and only if we own it: two processes writing it would mix their bytes."""
        mode = 0o600 if self._old else 0o666
        for _ in range(100):
            try:
                self._fd, made = os.open(self._part, NEW, mode, dir_fd=self._folder), True
            except FileExistsError:
                try:
                    self._fd, made = os.open(self._part, AGAIN, dir_fd=self._folder), False
                except OSError:  # deleted, a link, a directory, no access
                    self._unlink()
                    continue
            except OSError as error:
                raise cannot_create(self._target, error) from error
            self._here = os.fstat(self._fd)
            if self._lock() and (made or self._is_to_go_on_with()):
                self._touched = not made
                return
            self._close()
        what = f"another process keeps creating {self._beside(self._part)}"
        raise CannotCreate(f"cannot create {self._target}: {what}")

    def _lock(self) -> bool:
        """Lock it. Returns whether the locked file still has the part's name."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._close()
            raise TemporaryFailure(f"{self._target}: another process is receiving this file") from None
        except OSError:
            pass  # a file system without locks (some network mounts)
        return self._is_called(self._part)

    def _is_to_go_on_with(self) -> bool:
        """Whether the file was left by a call like this one; remove one created by another program."""
        if not _is_ours(self._here):
            self._unlink()
            return False
        with suppress(OSError):
            os.fchmod(self._fd, 0o600 if self._old else 0o666 & ~umask())
        return True

    def _unlink(self) -> None:
        with creating(self._beside(self._part)), suppress(FileNotFoundError):
            os.unlink(self._part, dir_fd=self._folder)

    # -- state -------------------------------------------------------------------------------------

    def _what_is_here(self) -> tuple[Version, int]:
        size = os.fstat(self._fd).st_size if self._touched else 0  # now that it is locked
        if size:
            with suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                fd = os.open(self._state, READ, dir_fd=self._folder)
                with open(fd, encoding="utf-8") as file:
                    state = json.load(file) if _is_ours(os.fstat(fd)) else {}
                known = tuple(checksums.parse(text) for text in state["checksums"])
                version = Version(str(state["validator"]), state["size"], known)
                of_this = (state["source"], state["inode"]) == (fingerprint(self._source), self._inode())
                if of_this and isinstance(version.size, int | None):
                    self._state_is_current = True
                    return version, size
        return Version(), 0

    def _remember(self) -> None:
        if not self.version.validator:
            return
        state = {
            "source": fingerprint(self._source),
            "inode": self._inode(),
            "validator": self.version.validator,
            "size": self.version.size,
            "checksums": [str(checksum) for checksum in self.version.checksums],
        }
        self.forget()  # left by a killed call, or a link put there
        with writing(self._beside(self._state)):
            fd = os.open(self._state, NEW, 0o600, dir_fd=self._folder)
            with open(fd, "w", encoding="utf-8") as file:
                json.dump(state, file)
        self._state_is_current = True

    def _inode(self) -> int:
        """The part's inode number: the state of another part does not apply to this one."""
        return self._here.st_ino

    def forget(self) -> None:
        """Remove the state, so that the bytes are not resumed."""
        if self._touched:
            self._remove(self._state)
        self._state_is_current = False

    # -- names -------------------------------------------------------------------------------------

    def _is_called(self, name: str) -> bool:
        return is_called(self._fd, self._here, name, self._folder)

    def _rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _remove(self, name: str) -> None:
        with suppress(OSError):
            os.unlink(name, dir_fd=self._folder)

    def _beside(self, name: str) -> str:
        """The path to show for ``name`` in the target's folder."""
        return os.path.join(os.path.dirname(self._target), name)


def ready_name(name: str) -> str:
    """The temporary name of a complete file just before it is renamed to ``name``. Nobody else uses it; if
    this call is killed, a later one reuses it.
    """
    return hidden_name(f".{name}.red-part", "part")


def is_called(fd: int, here: os.stat_result, name: str, folder: int) -> bool:
    """Whether ``name`` in ``folder`` is the open file, not a link to it; ``here`` is its fstat result.

    An rclone mount gives a renamed file a new inode, and the kernel then takes it for deleted: there, size
    and time must do.
    """
    try:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if os.path.samestat(here, there):
            return True
        here = os.fstat(fd)
    except OSError:
        return False
    lost_sight = here.st_nlink and place_of(fd).endswith(" (deleted)")
    return bool(lost_sight) and _looks(here) == _looks(there)


def _looks(here: os.stat_result) -> tuple[int, ...]:
    return here.st_mode, here.st_size, here.st_mtime_ns


def _is_ours(here: os.stat_result) -> bool:
    return here.st_nlink == 1 and stat.S_ISREG(here.st_mode) and here.st_uid == os.geteuid()


def remember_version(fd: int, here: os.stat_result, source: str, version: Version) -> None:
    """Record it for ``version_of``, if extended attributes are supported. ``here`` is the fstat result."""
    if version.validator:
        memory = f"{here.st_mtime_ns} {here.st_size} {fingerprint(source)} {version.validator}"
        with suppress(OSError):  # the file is then fetched again next time
            os.setxattr(fd, MEMORY, memory.encode("utf-8", "surrogateescape"))


def version_of(folder: int, name: str, source: str) -> str:
    """The validator of the file, if it came from ``source`` and has not been modified since; else ""."""
    try:
        fd = os.open(name, READ, dir_fd=folder)
    except OSError:
        return ""
    try:
        here = os.fstat(fd)
        memory = os.fsdecode(os.getxattr(fd, MEMORY))
    except OSError:
        return ""
    finally:
        os.close(fd)
    modified, size, origin, validator = (*memory.split(" ", 3), "", "", "")[:4]
    remembered = (modified, size, origin) == (str(here.st_mtime_ns), str(here.st_size), fingerprint(source))
    return validator if remembered else ""
