"""A local directory as a tree of entries; links are followed only if they stay inside it."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

from connectors.errors import DataError, Failures, NotFound, RedError
from connectors.local.files import reading
from connectors.local.names import below, is_hidden_name, warn_of_hidden
from connectors.model import Entry
from connectors.transfer.departure import check_source
from connectors.transfer.folders import LocalTree

MOST_LINKED = 10_000  # folders reached through links: links to folders with links multiply
MOST_HIDDEN = 10_000  # names of part files that are remembered, to count them
LISTING_HELPS = "a listing (--listing) moves only what it names"


def local_tree(root: str) -> Iterator[Entry]:
    """All files and directories below ``root``, in any order.

    A symbolic link that leads out of ``root``, back to a folder it is in, or nowhere, and anything
    that is neither file nor directory cannot be sent: at the end, one error reports all of them.
    """
    with reading(root):
        if not os.path.isdir(root):
            os.listdir(root)  # raises the right error
    failures = Failures()
    hidden: list[str] = []
    yield from _walk(root, failures, hidden)
    if failures:
        raise failures.error(f"cannot send {root}: {failures.count} of its entries cannot be sent")
    warn_of_hidden(sorted(hidden))


def listed(root: str, listing: Sequence[Entry]) -> Sequence[Entry]:
    """``listing``, checked: one error reports all entries that do not exist or are outside ``root``."""
    failures = Failures()
    real_paths = _RealPaths(root)
    for entry in listing:
        local = os.path.join(root, entry.path)
        try:
            _check_inside(real_paths.root, local, real_paths.of(entry.path))
            if entry.is_dir:
                with reading(local):
                    os.listdir(local)
            else:
                check_source(local)
        except RedError as failure:
            failures.add(entry.path, failure)
    if failures:
        raise failures.error(f"cannot send {root}: {failures.count} of the listed entries cannot be sent")
    return listing


def already_there(tree: LocalTree, files: Sequence[Entry]) -> set[str]:
    """The paths of ``files`` that exist, and of part files that earlier calls left in their folders."""
    there: set[str] = set()
    with tree.one_by_one() as places:
        for folder, some in groupby(files, key=lambda file: file.path.rpartition("/")[0]):
            left, is_empty = _left_in(below(tree.root, folder))
            there.update(f"{folder}/{name}" if folder else name for name in left)
            for file in () if is_empty else some:
                with suppress(OSError):  # by name: it may exist in another case
                    place, name = places.find(file.path)
                    os.stat(name, dir_fd=place, follow_symlinks=False)
                    there.add(file.path)
    return there


def _left_in(folder: str) -> tuple[list[str], bool]:
    """The names of part files in a folder, and whether it contains nothing else."""
    left, others = [], 0
    with suppress(OSError), os.scandir(folder) as names:
        for one in names:
            if is_hidden_name(one.name):
                left.append(one.name)
            else:
                others += 1
    return left, not others


class _RealPaths:
    """Real paths below ``root``; each folder is resolved once, so depth costs nothing."""

    def __init__(self, root: str) -> None:
        self.root = os.path.realpath(root)
        self._folders = {"": self.root}

    def of(self, path: str) -> str:
        folder, _, name = path.rpartition("/")
        missing = []
        while folder not in self._folders:
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        real = self._folders[folder]
        for folder in reversed(missing):
            real = self._folders[folder] = _followed(os.path.join(real, folder.rpartition("/")[2]))
        return _followed(os.path.join(real, name))


def _followed(local: str) -> str:
    return os.path.realpath(local) if os.path.islink(local) else local


def _check_inside(real_root: str, local: str, real: str) -> None:
    if os.path.commonpath((real_root, real)) != real_root:
        raise DataError(f"{local} is a link that leads out of the directory", hint=LISTING_HELPS)


class _Folder(NamedTuple):
    """A folder on the way; ``real`` is its real path."""

    path: str
    real: str
    parent: "_Folder | None"

    def is_in(self, real: str) -> bool:
        """Whether ``real`` is the real path of this folder or of one of its parents."""
        folder: _Folder | None = self
        while folder and folder.real != real:
            folder = folder.parent
        return folder is not None


def _walk(root: str, failures: Failures, hidden: list[str]) -> Iterator[Entry]:
    """Folder by folder, without recursion: folders may be nested deeper than Python's recursion limit."""
    links = 0
    real_root = os.path.realpath(root)
    folders = [_Folder("", real_root, None)]
    while folders:
        folder = folders.pop()
        place = os.path.join(root, folder.path)
        with reading(place), os.scandir(place) as names:
            for one in names:
                path = f"{folder.path}/{one.name}" if folder.path else one.name
                if is_hidden_name(one.name):
                    if len(hidden) < MOST_HIDDEN:
                        hidden.append(path)  # of a transfer that is running or was killed
                    continue
                try:
                    if one.is_file(follow_symlinks=False):  # nearly always, and cheaper
                        yield Entry(path, is_dir=False, size=_size(one))
                        continue
                    mode, size, real = _resolve(one.path, folder, real_root)
                except RedError as failure:
                    failures.add(path, failure)
                    continue
                if not stat.S_ISDIR(mode):
                    yield Entry(path, is_dir=False, size=size)
                    continue
                links += one.is_symlink()
                if links > MOST_LINKED:
                    raise DataError(f"{root}: links to more than {MOST_LINKED} folders", hint=LISTING_HELPS)
                yield Entry(path, is_dir=True)
                folders.append(_Folder(path, real, folder))


def _size(file: "os.DirEntry[str]") -> int | None:
    """In bytes; None if it was deleted in the meantime; sending reports that."""
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return None


def _resolve(local: str, folder: _Folder, real_root: str) -> tuple[int, int, str]:
    """Mode, size and real path of ``local`` in this folder; of its target if it is a link."""
    with reading(local):
        here = os.lstat(local)
    real = os.path.join(folder.real, os.path.basename(local))
    if stat.S_ISLNK(here.st_mode):
        real = os.path.realpath(local)
        try:
            here = os.stat(local)
        except OSError:
            raise NotFound(f"{local} is a link that leads nowhere", hint=LISTING_HELPS) from None
        _check_inside(real_root, local, real)
        if folder.is_in(real):
            raise DataError(f"{local} is a link to a folder that it is in", hint=LISTING_HELPS)
    if not (stat.S_ISDIR(here.st_mode) or stat.S_ISREG(here.st_mode)):
        raise DataError(f"{local} is neither a file nor a directory", hint=LISTING_HELPS)
    return here.st_mode, here.st_size, real
