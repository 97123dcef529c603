"""One border between the operating system's errors and ours."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from connectors.errors import CannotCreate, LocalIOError, NotFound
from connectors.local import container

MACHINE_IS_SHORT = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
}


@contextmanager
def creating(path: str) -> Iterator[None]:
    """OSErrors in here mean that ``path`` cannot be made: CannotCreate, or LocalIOError for a full disk."""
    try:
        yield
    except OSError as error:
        raise cannot_create(path, error) from error


def cannot_create(path: str, error: OSError) -> CannotCreate | LocalIOError:
    """What ``error`` means for making ``path``."""
    if error.errno in MACHINE_IS_SHORT:
        hint = "is the folder mounted with :ro?" if error.errno == errno.EROFS else ""
        return LocalIOError(f"cannot create {path}: {reason(error)}", hint=hint)
    hint = ""
    if isinstance(error, PermissionError):
        hint = as_owner("folder")
    if isinstance(error, FileNotFoundError):
        hint = container.hint(path)
    return CannotCreate(f"cannot create {path}: {reason(error)}", hint=hint)


@contextmanager
def writing(path: str) -> Iterator[None]:
    """OSErrors in here mean that writing failed: LocalIOError."""
    try:
        yield
    except OSError as error:
        raise LocalIOError(f"cannot write {path}: {reason(error)}") from error


@contextmanager
def reading(path: str) -> Iterator[None]:
    """OSErrors in here mean that reading failed: NotFound where there is nothing, else LocalIOError."""
    try:
        yield
    except OSError as error:
        raise cannot_read(path, error) from error


def cannot_read(path: str, error: OSError) -> NotFound | LocalIOError:
    """What ``error`` means for reading ``path``."""
    message = f"cannot read {path}: {reason(error)}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(message, hint=container.hint(path))
    return LocalIOError(message, hint=as_owner("file") if isinstance(error, PermissionError) else "")


def as_owner(what: str) -> str:
    """What to try where the file system refuses this user."""
    who = f"this is user {os.geteuid()}, group {os.getegid()}"
    return f'{who}; in a container, run it as the owner of the {what}: --user "$(id -u):$(id -g)"'


def reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def make_dir(path: str) -> bool:
    """Make the directory; it may exist, its parent must. Whether it is new."""
    with creating(path):
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return False
    return True
