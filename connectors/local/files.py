"""Turns the operating system's errors into the connectors' own."""

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
    """Turn an OSError into CannotCreate, or into LocalIOError where the machine is at fault (a full disk)."""
    try:
        yield
    except OSError as error:
        raise cannot_create(path, error) from error


def cannot_create(path: str, error: OSError) -> CannotCreate | LocalIOError:
    """The error to raise when ``path`` cannot be created because of ``error``."""
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
    """Turn an OSError into LocalIOError."""
    try:
        yield
    except OSError as error:
        raise LocalIOError(f"cannot write {path}: {reason(error)}") from error


@contextmanager
def reading(path: str) -> Iterator[None]:
    """Turn an OSError into NotFound if ``path`` does not exist, otherwise into LocalIOError."""
    try:
        yield
    except OSError as error:
        raise cannot_read(path, error) from error


def cannot_read(path: str, error: OSError) -> NotFound | LocalIOError:
    """The error to raise when ``path`` cannot be read because of ``error``."""
    message = f"cannot read {path}: {reason(error)}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return NotFound(message, hint=container.hint(path))
    return LocalIOError(message, hint=as_owner("file") if isinstance(error, PermissionError) else "")


def as_owner(what: str) -> str:
    """A hint for when the file system denies this user access."""
    who = f"this is user {os.geteuid()}, group {os.getegid()}"
    return f'{who}; in a container, run it as the owner of the {what}: --user "$(id -u):$(id -g)"'


def reason(error: OSError) -> str:
    return error.strerror or type(error).__name__


def make_dir(path: str) -> bool:
    """Create the directory; it may exist, its parent must. Returns whether it was created."""
    with creating(path):
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
            return False
    return True
