"""A directory tree on an SSH server; links are followed only if they stay inside it."""

import os
import stat
from collections.abc import Generator, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from connectors.errors import (
    DataError,
    Failures,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.ssh.login.ssh_session import Session
from connectors.ssh.sftp import small_files, wire
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.flow import Flow
from connectors.ssh.sftp.wire import Attributes, failure, string
from connectors.ssh.shell import scripts
from connectors.ssh.shell.proof import Unusable
from connectors.transfer.local_tree import LISTING_HELPS, MOST_LINKED

LONGEST_PATH = 4095  # bytes that a system accepts; a longer path means a loop
FEW = 200  # names; with more, the server's own find is faster
MOST_FAILURES = 10_000
TOGETHER = 256  # links to resolve, or folders to check, in one batch

Found = tuple[str, Attributes]


class _Folder(NamedTuple):
    """A folder at ``path`` below the tree's root.

    The first ``start`` characters of the path lead to a folder whose real name is ``real``: the root, or the
    target of a link. ``above`` are the real names of the folders that contain such links, and of the roots
    above them, outermost first.
    """

    path: str
    real: bytes
    start: int = 0
    above: tuple[tuple[bytes, bytes], ...] = ()

    def join(self, name: bytes) -> str:
        return f"{self.path}/{os.fsdecode(name)}" if self.path else os.fsdecode(name)

    def inner(self, name: bytes) -> "_Folder":
        return self._replace(path=self.join(name))

    def linked(self, name: bytes, real: bytes) -> "_Folder":
        """The folder ``real``, the target of the link ``name`` in this folder."""
        path = self.join(name)
        return _Folder(path, real, len(path), (*self.above, (self.real, self.real_name)))

    @property
    def real_name(self) -> bytes:
        return _join(self.real, self.path[self.start :].lstrip("/"))

    def is_in(self, real: bytes) -> bool:
        """Whether it is ``real``, or inside it along the path taken."""
        way = (*self.above, (self.real, self.real_name))
        return any(_is_inside(real, first) and _is_inside(last, real) for first, last in way)


class Tree:
    """All files and directories below ``root``; ``place`` is its name in messages."""

    def __init__(self, session: Session, talk: Sftp, root: bytes, place: str) -> None:
        self._session = session
        self._talk = talk
        self._root = root
        self._place = place
        self._real = real_name(talk, root)
        self._shown: dict[str, Attributes] = {}
        """What SFTP listed, before links are followed."""
        self._links: list[tuple[bytes, _Folder]] = []
        self._failures = Failures()
        self._followed_folders = 0

    def entries(self) -> Iterator[Found]:
        """Path and attributes of each, parents before children; found lazily.

        At the end, one error reports all links that lead out of the tree, back to a parent folder or nowhere,
        and everything that is neither a file nor a directory.
        """
        top = _Folder("", self._real)
        walk = self._walk([top])
        first = list(islice(walk, FEW + 1))
        found = self._find(top) if len(first) > FEW else None
        if found is None:
            yield from first
            yield from walk
        else:
            walk.close()
            self._links, self._failures, self._followed_folders = [], Failures(), 0
            yield from self._sorted(found, top)
        if self._failures:
            raise self._failed()

    def _walk(self, folders: list[_Folder]) -> Generator[Found, None, None]:
        """The content of these folders, recursively, and the targets of links in them."""
        entered: set[str] = set()
        unentered: list[_Folder] = []
        while folders:
            for folder, names, is_last, is_whole in small_files.listings(self._talk, folders, self._name):
                yield from self._added(folder, names, folders)
                if b"." in names:
                    entered.add(folder.path)
                if is_last and not is_whole:
                    self._note(folder.path, self._unreadable(folder.path))
                elif is_last and folder.path not in entered:
                    unentered.append(folder)
                if is_last:
                    entered.discard(folder.path)
                if len(unentered) >= TOGETHER:
                    self._check_entered(unentered)
                if len(self._links) >= TOGETHER:
                    yield from self._followed(folders)
            self._check_entered(unentered)
            yield from self._followed(folders)

    def _check_entered(self, folders: list[_Folder]) -> None:
        """Note folders that can be read but not entered (mode 0644): OpenSSH lists them as empty."""
        entered = small_files.found(self._talk, {folder: self._entered(folder.path) for folder in folders})
        for folder in folders:
            why = self._unreadable(folder.path) if folder not in entered else None
            if isinstance(why, NotPermitted):  # otherwise the server does not support "."
                self._note(folder.path, why)
        folders.clear()

    def _entered(self, path: str) -> bytes:
        return string(_join(_join(self._root, path), "."))

    def _name(self, folder: _Folder) -> bytes:
        return string(_join(self._root, folder.path))

    def _added(
        self, folder: _Folder, names: Mapping[bytes, Attributes], folders: list[_Folder]
    ) -> Iterator[Found]:
        """The files and directories in ``folder``; the directories are added to ``folders``."""
        for name, here in names.items():
            if name in (b".", b".."):
                continue
            if b"/" in name or not name:
                raise ProtocolViolation(f"{self._place}: it lists a name that is empty or contains a slash")
            path = folder.join(name)
            if len(self._shown) <= FEW:
                self._shown[path] = here
            kind = stat.S_IFMT(here.mode or 0)
            if kind == stat.S_IFREG:
                yield path, here
            elif kind == stat.S_IFDIR:
                if len(path) > LONGEST_PATH:
                    raise ProtocolViolation(f"{self._place}: the server lists endlessly nested directories")
                yield path, here
                folders.append(folder.inner(name))
            elif kind in (stat.S_IFLNK, 0):
                self._links.append((name, folder))
            else:
                self._fail(DataError, path, "neither a file nor a directory")

    def _find(self, top: _Folder) -> Iterator[Found] | None:
        """The output of the server's find; None if it does not work or differs from SFTP."""
        try:
            return scripts.find(self._session, self._talk, top.real, self._shown)
        except (Unusable, wire.Status):
            return None

    def _sorted(self, found: Iterator[Found], top: _Folder) -> Iterator[Found]:
        """Like _walk, from find's output: each folder, directly followed by its content."""
        way = [top]
        linked: list[_Folder] = []
        for path, here in found:
            parent, _, name = path.rpartition("/")
            while way and way[-1].path != parent:
                way.pop()
            if not way:
                raise ProtocolViolation(f"{self._place}: its find lists an entry outside the directory")
            if stat.S_ISREG(here.mode or 0):
                yield path, here
                continue
            yield from self._added(way[-1], {os.fsencode(name): here}, way)
            if len(self._links) >= TOGETHER:
                yield from self._followed(linked)
        yield from self._followed(linked)
        yield from self._walk(linked)

    def _followed(self, folders: list[_Folder]) -> Iterator[Found]:
        """The targets of the links; folders among them are added to ``folders``."""
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
        for index, (name, folder) in enumerate(links):
            kind, payload = answers[index, wire.STAT]
            resolved, real_name = answers[index, wire.REALPATH]
            path = folder.join(name)
            if kind != wire.ATTRS or resolved != wire.NAME:
                self._fail(NotFound, path, "a link that leads nowhere")
                continue
            here, real = wire.attributes(payload), _real_name(real_name)
            if not _is_inside(real, self._real):
                self._fail(DataError, path, "a link that leads out of the directory")
            elif folder.is_in(real):
                self._fail(DataError, path, "a link to a folder that it is in")
            elif stat.S_ISDIR(here.mode or 0):
                yield path, here
                folders.append(folder.linked(name, real))
                self._followed_folders += 1
            elif stat.S_ISREG(here.mode or 0):
                yield path, here
            else:
                self._fail(DataError, path, "neither a file nor a directory")
        if self._followed_folders > MOST_LINKED:
            what = f"{self._place}: links to more than {MOST_LINKED} folders"
            raise DataError(what, hint=LISTING_HELPS)

    def _unreadable(self, path: str) -> RedError:
        """Why the directory could not be listed."""
        place = f"{self._place}/{path}".rstrip("/")
        try:
            self._talk.close(self._talk.ask(wire.OPENDIR, string(_join(self._root, path))))
            self._talk.ask(wire.STAT, self._entered(path))
        except wire.Status as status:
            return failure(status, place)
        return TemporaryFailure(f"{place}: it could not be read completely")

    def _fail(self, kind: type[RedError], path: str, why: str) -> None:
        self._note(path, kind(f"{self._place}/{path}: {why}", hint=LISTING_HELPS))

    def _note(self, path: str, failure: RedError) -> None:
        """Record a failure, to be reported at the end; or at once if there are MOST_FAILURES."""
        self._failures.add(path, failure)
        if self._failures.count == MOST_FAILURES:
            raise self._failed()

    def _failed(self) -> RedError:
        return self._failures.error(
            f"{self._place}: {self._failures.count} of its entries cannot be received"
        )


def real_name(talk: Sftp, name: bytes) -> bytes:
    """The absolute name, without links, of ``name``."""
    return _real_name(talk.ask(wire.REALPATH, string(name)))


def _join(root: bytes, path: str) -> bytes:
    return os.path.join(root, os.fsencode(path)) if path else root


def _is_inside(name: bytes, folder: bytes) -> bool:
    """Whether the real name ``name`` is ``folder`` or inside it."""
    return (name + b"/").startswith(folder.rstrip(b"/") + b"/")


def _real_name(payload: bytes) -> bytes:
    for name, _ in wire.names(payload):
        return name
    raise ProtocolViolation("the server does not report the real path of a directory")
