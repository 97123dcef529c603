"""A local directory as a tree of entries, links followed only as far as they stay inside it."""

import os
import stat
from collections.abc import Iterable, Iterator, Sequence

from connectors.errors import DataError, NotFound, RedError, SeveralFailures
from connectors.remote import Entry
from connectors.transfer.departure import check_source
from connectors.transfer.local import reading
from connectors.transfer.names import is_hidden_name, warn_of_hidden

MOST_LINKED = 10_000  # folders that links lead to: links to folders with links multiply
LISTING_HELPS = "a listing (--listing) moves only what it names"


def local_tree(root: str) -> list[Entry]:
    """All files and directories below ``root``, sorted, parents before children.

    A symbolic link that leads out of ``root``, back to a folder it is in, or nowhere, and anything
    that is neither file nor directory cannot be sent: one error reports all of them.
    """
    with reading(root):
        if not os.path.isdir(root):
            os.listdir(root)  # raises the error that fits
    failures: list[RedError] = []
    hidden: list[str] = []
    entries = list(_walk(root, failures, hidden))
    if failures:
        raise SeveralFailures(f"cannot send {root}: {len(failures)} of its entries cannot be sent", failures)
    warn_of_hidden(hidden)
    return entries


def listed(root: str, listing: Sequence[Entry]) -> Sequence[Entry]:
    """``listing``, of which every entry is there and inside ``root``; one error reports all that are not."""
    failures: list[RedError] = []
    real_root = os.path.realpath(root)
    for entry in listing:
        local = os.path.join(root, entry.path)
        try:
            _check_inside(real_root, local)
            if entry.is_dir:
                with reading(local):
                    os.listdir(local)
            else:
                check_source(local)
        except RedError as failure:
            failures.append(failure)
    if failures:
        raise SeveralFailures(
            f"cannot send {root}: {len(failures)} of what is listed cannot be sent", failures
        )
    return listing


def names_below(root: str) -> set[str]:
    """The paths below ``root`` of all that is neither a directory nor in one that is a link."""
    found: set[str] = set()
    folders = [""]
    while folders:
        below = folders.pop()
        with reading(root), os.scandir(os.path.join(root, below)) as names:
            for one in names:
                path = f"{below}/{one.name}" if below else one.name
                if one.is_dir(follow_symlinks=False):
                    folders.append(path)
                else:
                    found.add(path)
    return found


def parents_first(folders: Iterable[str]) -> list[str]:
    """The ``folders``, relative paths, and all that they are in, "" too."""
    found = {""}
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = os.path.dirname(folder)
    return sorted(found, key=lambda folder: (folder.count("/") + bool(folder), folder))


def _check_inside(real_root: str, local: str) -> None:
    if os.path.commonpath((real_root, os.path.realpath(local))) != real_root:
        raise DataError(f"{local} is a link that leads out of the directory", hint=LISTING_HELPS)


def _walk(root: str, failures: list[RedError], hidden: list[str]) -> Iterator[Entry]:
    """Folder by folder, without recursion: there may be more inside each other than Python bears."""
    links = 0
    top: tuple[str, ...] = (os.path.realpath(root),)
    folders = [(_names_in(root), "", top)]
    while folders:
        names, below, ancestors = folders.pop()
        for one in names:
            path = f"{below}/{one.name}" if below else one.name
            if is_hidden_name(one.name):
                hidden.append(path)  # left by a transfer that is under way or was killed
                continue
            try:
                if one.is_file(follow_symlinks=False):  # nearly all of them, and cheaper so
                    yield Entry(path, is_dir=False, size=_size(one))
                    continue
                mode, size, real = _resolve(one.path, ancestors)
            except RedError as failure:
                failures.append(failure)
                continue
            if not stat.S_ISDIR(mode):
                yield Entry(path, is_dir=False, size=size)
                continue
            links += one.is_symlink()
            if links > MOST_LINKED:
                raise DataError(f"{root}: links to more than {MOST_LINKED} folders", hint=LISTING_HELPS)
            yield Entry(path, is_dir=True)
            folders.append((names, below, ancestors))  # to go on with when this one is through
            folders.append((_names_in(one.path), path, (*ancestors, real)))
            break


def _names_in(folder: str) -> "Iterator[os.DirEntry[str]]":
    """What is in it, by name."""
    with reading(folder), os.scandir(folder) as found:
        return iter(sorted(found, key=lambda one: one.name))


def _size(file: "os.DirEntry[str]") -> int | None:
    """In bytes; None if it has gone meanwhile, which who sends it will find out."""
    try:
        return file.stat(follow_symlinks=False).st_size
    except OSError:
        return None


def _resolve(local: str, ancestors: tuple[str, ...]) -> tuple[int, int, str]:
    """Mode, size and real path of what ``local`` is or links to."""
    with reading(local):
        here = os.lstat(local)
    real = os.path.join(ancestors[-1], os.path.basename(local))
    if stat.S_ISLNK(here.st_mode):
        real = os.path.realpath(local)
        try:
            here = os.stat(local)
        except OSError:
            raise NotFound(f"{local} is a link that leads nowhere", hint=LISTING_HELPS) from None
        _check_inside(ancestors[0], local)
        if real in ancestors:
            raise DataError(f"{local} is a link to a folder that it is in", hint=LISTING_HELPS)
    if not (stat.S_ISDIR(here.st_mode) or stat.S_ISREG(here.st_mode)):
        raise DataError(f"{local} is neither a file nor a directory", hint=LISTING_HELPS)
    return here.st_mode, here.st_size, real
