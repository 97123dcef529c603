"""A directory tree on an SSH server, links followed only as far as they stay inside it."""

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from connectors.errors import (
    DataError,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    SeveralFailures,
    TemporaryFailure,
)
from connectors.secure_shell import many, shell, wire
from connectors.secure_shell.session import Session
from connectors.secure_shell.sftp import Flow, Sftp
from connectors.secure_shell.wire import Attributes, failure, string
from connectors.transfer.tree import LISTING_HELPS, MOST_LINKED

DEEPEST = 200  # directories inside each other; a server that shows more leads us in a circle
FEW = 200  # names; with more, the server's own find is faster


class _Folder(NamedTuple):
    path: str
    ancestors: tuple[bytes, ...]
    """The real names of the tree's root and of all folders on the way, this one included."""

    def join(self, name: bytes) -> str:
        return f"{self.path}/{os.fsdecode(name)}" if self.path else os.fsdecode(name)

    def inner(self, name: bytes, real: bytes) -> "_Folder":
        return _Folder(self.join(name), (*self.ancestors, real))


class Tree:
    """All files and directories below ``root``; ``place`` is its name for people."""

    def __init__(self, session: Session, talk: Sftp, root: bytes, place: str) -> None:
        self._session = session
        self._talk = talk
        self._root = root
        self._place = place
        self._real = real_name(talk, root)
        self._found: list[tuple[str, Attributes]] = []
        self._links: list[tuple[bytes, _Folder]] = []
        self._failures: list[RedError] = []
        self._followed_folders = 0

    def entries(self) -> list[tuple[str, Attributes]]:
        """Path and attributes of each, parents before children.

        A link that leads out of the tree, back to a folder that it is in, or nowhere, and what is neither
        file nor directory: one error reports all of them.
        """
        top = [_Folder("", (self._real,))]
        if not self._walk(top, limit=FEW) and not self._find():
            self._walk(top)
        while self._links:
            self._walk(self._followed())
            if self._followed_folders > MOST_LINKED:
                what = f"{self._place}: links to more than {MOST_LINKED} folders"
                raise DataError(what, hint=LISTING_HELPS)
        if self._failures:
            what = f"{self._place}: {len(self._failures)} of its entries cannot be received"
            raise SeveralFailures(what, self._failures)
        return self._found

    def _walk(self, level: list[_Folder], limit: int | None = None) -> bool:
        """List these folders and all below them; False, and nothing done, with more than ``limit`` names."""
        while level:
            if max(len(folder.ancestors) for folder in level) > DEEPEST:
                raise ProtocolViolation(f"{self._place}: more than {DEEPEST} directories inside each other")
            names = {folder: string(_join(self._root, folder.path)) for folder in level}
            listings = many.listings(self._talk, names, None if limit is None else limit - len(self._found))
            if listings is None:
                self._found, self._links, self._failures = [], [], []
                return False
            below: list[_Folder] = []
            self._check_entered([one for one in level if one in listings and b"." not in listings[one]])
            for folder in level:
                if folder not in listings:
                    self._failures.append(self._unreadable(folder.path))
                for name, here in listings.get(folder, {}).items():
                    if name not in (b".", b".."):
                        self._add(name, here, folder, below)
            level = below
        return True

    def _check_entered(self, folders: Sequence[_Folder]) -> None:
        """Note those that may be read but not entered (mode 0644): OpenSSH shows them without any entry."""
        entered = many.found(self._talk, {folder: self._entered(folder.path) for folder in folders})
        why = [self._unreadable(one.path) for one in folders if one not in entered]
        self._failures += [one for one in why if isinstance(one, NotPermitted)]  # else it knows no "."

    def _entered(self, path: str) -> bytes:
        return string(_join(_join(self._root, path), "."))

    def _add(self, name: bytes, here: Attributes, folder: _Folder, below: list[_Folder]) -> None:
        if b"/" in name:
            raise ProtocolViolation(f"{self._place}: shows a name that is a path")
        path = folder.join(name)
        kind = stat.S_IFMT(here.mode or 0)
        if kind == stat.S_IFREG:
            self._found.append((path, here))
        elif kind == stat.S_IFDIR:
            self._found.append((path, here))
            below.append(folder.inner(name, os.path.join(folder.ancestors[-1], name)))
        elif kind in (stat.S_IFLNK, 0):
            self._links.append((name, folder))
        else:
            self._fail(DataError, path, "neither a file nor a directory")

    def _find(self) -> bool:
        """List the whole tree by the server's find; False, and nothing done, where that does not work."""
        try:
            found = shell.find(self._session, self._talk, self._real)
        except shell.Unusable:
            return False
        there = wire.attributes(self._talk.ask(wire.STAT, string(self._real)))
        shown = found[0][1]
        if (there.modified, there.owner, there.mode) != (shown.modified, shown.owner, shown.mode):
            return False  # SFTP and the shell do not speak of the same place
        folders = {"": _Folder("", (self._real,))}
        for path, here in found[1:]:
            if stat.S_ISREG(here.mode or 0):
                self._found.append((path, here))
                continue
            parent, name = os.path.split(path)
            if parent not in folders:
                raise ProtocolViolation(f"{self._place}: its find shows what is in no folder of it")
            below: list[_Folder] = []
            self._add(os.fsencode(name), here, folders[parent], below)
            if below:
                folders[path] = below[0]
        return True

    def _followed(self) -> list[_Folder]:
        """Add what the links lead to; the folders among that, to be listed."""
        links, self._links = self._links, []
        flow = Flow(self._talk)
        for index, (name, folder) in enumerate(links):
            place = string(_join(self._root, folder.join(name)))
            flow.ask((index, wire.REALPATH), wire.REALPATH, place)
            flow.ask((index, wire.STAT), wire.STAT, place)
        flow.flush()
        answers: dict[tuple[int, int], tuple[int, bytes]] = {}
        while flow.pending:
            tag, kind, payload = flow.next()
            answers[tag] = kind, payload
        folders = []
        for index, (name, folder) in enumerate(links):
            kind, payload = answers[index, wire.STAT]
            resolved, real_name = answers[index, wire.REALPATH]
            if kind != wire.ATTRS or resolved != wire.NAME:
                self._fail(NotFound, folder.join(name), "a link that leads nowhere")
                continue
            here, real = wire.attributes(payload), _real_name(real_name)
            inner = folder.inner(name, real)
            if not (real + b"/").startswith(self._real.rstrip(b"/") + b"/"):
                self._fail(DataError, inner.path, "a link that leads out of the directory")
            elif real in folder.ancestors:
                self._fail(DataError, inner.path, "a link to a folder that it is in")
            elif stat.S_ISDIR(here.mode or 0):
                self._found.append((inner.path, here))
                folders.append(inner)
            elif stat.S_ISREG(here.mode or 0):
                self._found.append((inner.path, here))
            else:
                self._fail(DataError, inner.path, "neither a file nor a directory")
        self._followed_folders += len(folders)
        return folders

    def _unreadable(self, path: str) -> RedError:
        """Why the directory could not be listed."""
        place = f"{self._place}/{path}".rstrip("/")
        try:
            self._talk.close(self._talk.ask(wire.OPENDIR, string(_join(self._root, path))))
            self._talk.ask(wire.STAT, self._entered(path))
        except wire.Status as status:
            return failure(status, place)
        return TemporaryFailure(f"{place}: it could not be read to its end")

    def _fail(self, kind: type[RedError], path: str, why: str) -> None:
        self._failures.append(kind(f"{self._place}/{path}: {why}", hint=LISTING_HELPS))


def real_name(talk: Sftp, name: bytes) -> bytes:
    """The absolute name, without links, of ``name``."""
    return _real_name(talk.ask(wire.REALPATH, string(name)))


def _join(root: bytes, path: str) -> bytes:
    return os.path.join(root, os.fsencode(path)) if path else root


def _real_name(payload: bytes) -> bytes:
    for name, _ in wire.names(payload):
        return name
    raise ProtocolViolation("the server does not tell the real name of a directory")
