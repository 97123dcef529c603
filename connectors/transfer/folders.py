"""A local directory whose inner folders are opened by descriptor, so that a folder replaced by a link during
a transfer is not followed.
"""

import errno
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import NamedTuple, Self

from connectors.errors import CannotCreate, DataError, RedError, TemporaryFailure
from connectors.local.files import cannot_create, cannot_read, creating, reading
from connectors.local.names import below

FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
INNER = FOLDER | os.O_NOFOLLOW
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # it may be a FIFO by now
MOST_OPEN = 32  # idle folders; ulimit -n is 256 on some systems, and other things are open as well
MOST_NAMED = 3


class LocalFile(NamedTuple):
    """The name of a file in an open folder; ``path`` is for messages and receipts."""

    folder: int
    name: str
    path: str


class Folder:
    """An open folder, its number of users, and its path when it was opened."""

    __slots__ = ("fd", "path", "place", "users")

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path
        self.place = place_of(fd)
        self.users = 0


class LocalTree:
    """The directory ``root`` and what it contains, for one transfer; a context manager used by many threads.

    Paths are relative to the root, which may be or contain a link; it is resolved once, here. Links to
    folders inside the root are followed, and resolved only once, on first use: by ``make`` if they are
    older than this object, with ``follow`` (for sending) always. Any other link has replaced a folder and is
    an error.

    After writing, leaving the context raises TemporaryFailure if a folder was moved in the meantime.
    """

    def __init__(self, root: str, *, follow: bool = False) -> None:
        self.root = root
        self._real_root = os.path.realpath(root)
        self.follows = follow
        self._began = time.time()
        with reading(self.root) if follow else creating(self.root):
            self._top = Folder(os.open(self._real_root, FOLDER), "")
        self._top.users = 1
        self._open: dict[str, Folder] = {}  # most recently used last
        self._links: dict[str, str] = {}
        self._moved: list[str] = []
        self._new: list[str] = []
        self._lock = threading.Lock()
        self._closed = False

    # -- what a transfer does ----------------------------------------------------------------------

    def make(self, path: str) -> None:
        """Make the folder and its parents; they may exist."""
        if path in self._open:  # nearly always: files come folder by folder
            return
        with creating(below(self.root, path)):
            self.release(self.hold(path, make=True))

    def keep_folders(self) -> None:
        """Keep the folders created so far, even if the transfer fails."""
        self._new.clear()

    def remove_folders(self) -> None:
        """Remove the folders that were created and are empty."""
        for path in reversed(self._new):
            with suppress(OSError, RedError), self.file(path) as folder:
                os.rmdir(folder.name, dir_fd=folder.folder)

    @contextmanager
    def file(self, path: str) -> Iterator[LocalFile]:
        """The file's name in its folder, which stays open during the block."""
        shown = below(self.root, path)
        parent, _, name = path.rpartition("/")
        try:
            folder = self.hold(parent)
        except OSError as error:
            raise cannot_create(shown, error) from error
        try:
            yield LocalFile(folder.fd, name, shown)
        finally:
            self.release(folder)

    def open(self, path: str) -> int:
        """A descriptor to read the file, or whatever else has its name by now."""
        with self.one_by_one() as files:
            return files.open(path)

    @property
    def has_links(self) -> bool:
        """Whether any folder was reached through a link."""
        return bool(self._links)

    def one_by_one(self) -> "OneByOne":
        """For many small files in one thread."""
        return OneByOne(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._closed = True
            self._close_idle(0)
        self.release(self._top)
        if self._moved and not error and not self.follows:
            more = f" and {len(self._moved) - MOST_NAMED} more" if len(self._moved) > MOST_NAMED else ""
            raise TemporaryFailure(
                f"{', '.join(self._moved[:MOST_NAMED])}{more}: moved, replaced or removed during the transfer"
            )

    # -- folders -----------------------------------------------------------------------------------

    def hold(self, path: str, *, make: bool = False) -> Folder:
        """The folder, open until it is released; OSError if it cannot be opened."""
        with self._lock:
            folder = self._enter(path, make) if path else self._top
            folder.users += 1
            return folder

    def release(self, folder: Folder) -> None:
        with self._lock:
            folder.users -= 1
            if self._closed and not folder.users:
                self._close(folder)

    def _enter(self, path: str, make: bool) -> Folder:
        """Open it step by step from the nearest open folder."""
        at = path = self._without_links(path) if self._links else path
        missing = []
        while at and at not in self._open:
            missing.append(at)
            at = at.rpartition("/")[0]
        folder = self._top
        if at:
            folder = self._open[at] = self._open.pop(at)
        for step in reversed(missing):
            name = step.rpartition("/")[2]
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder.fd)
                    self._new.append(step)
            try:
                fd = os.open(name, INNER, dir_fd=folder.fd)
            except NotADirectoryError:
                there = os.lstat(name, dir_fd=folder.fd)
                if not stat.S_ISLNK(there.st_mode):
                    raise
                self._settle_link(step, allowed=self.follows or (make and there.st_ctime <= self._began))
                return self._enter(path, make)
            folder = self._open[step] = Folder(fd, step)
            self._close_idle(MOST_OPEN)
        return folder

    def _close_idle(self, most: int) -> None:
        while len(self._open) > most:
            path = next((path for path, folder in self._open.items() if not folder.users), None)
            if path is None:
                break
            self._close(self._open.pop(path))

    def _close(self, folder: Folder) -> None:
        if place_of(folder.fd) != folder.place and not self._is_still(folder):
            self._moved.append(below(self.root, folder.path))
        os.close(folder.fd)

    def _is_still(self, folder: Folder) -> bool:
        """Whether the folder still has its path, ignoring case: the kernel reports the last spelling used."""
        path = below(self._real_root, folder.path) if folder.path else self._real_root
        try:
            return os.path.realpath(path) == path and os.path.samestat(os.stat(path), os.fstat(folder.fd))
        except OSError:
            return False

    # -- links -------------------------------------------------------------------------------------

    def _settle_link(self, path: str, *, allowed: bool) -> None:
        """Resolve the link at ``path``, once for the whole transfer."""
        if not allowed or path in self._links:
            raise OSError(errno.ENOTDIR, f"{below(self.root, path)} was replaced by a link")
        self._links[path] = self.follow(path)

    def follow(self, path: str) -> str:
        """The target of the link at ``path``, as a path in the tree; an error if it is outside."""
        real = os.path.realpath(below(self._real_root, path))
        if os.path.commonpath((self._real_root, real)) != self._real_root:
            what = f"{below(self.root, path)}: it is a link that leads out of {self.root}"
            raise DataError(f"cannot send {what}") if self.follows else CannotCreate(f"cannot use {what}")
        return "" if real == self._real_root else os.path.relpath(real, self._real_root)

    def _without_links(self, path: str) -> str:
        at = ""
        for name in path.split("/"):
            at = f"{at}/{name}" if at else name
            at = self._links.get(at, at)
        return at


class OneByOne:
    """The files of a ``tree`` for one thread; a context manager. The folder of one file stays open for the
    next: looking it up each time would take a tenth of the time for small files.
    """

    def __init__(self, tree: LocalTree) -> None:
        self._tree = tree
        self._parent: str | None = None
        self._folder: Folder

    def find(self, path: str) -> tuple[int, str]:
        """A descriptor of the file's folder, open until the next call, and its name; or OSError."""
        parent, _, name = path.rpartition("/")
        if parent != self._parent:
            self._let_go()
            self._folder = self._tree.hold(parent)
            self._parent = parent
        return self._folder.fd, name

    def open(self, path: str) -> int:
        """A descriptor to read the file, or whatever else has its name by now."""
        try:
            try:
                folder, name = self.find(path)
                return os.open(name, READ, dir_fd=folder)
            except OSError as error:
                if error.errno != errno.ELOOP or not self._tree.follows:
                    raise
            folder, name = self.find(self._tree.follow(path))
            return os.open(name, READ, dir_fd=folder)
        except OSError as error:
            raise cannot_read(below(self._tree.root, path), error) from error

    def _let_go(self) -> None:
        if self._parent is not None:
            self._tree.release(self._folder)
            self._parent = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._let_go()


@contextmanager
def single_file(local: str) -> Iterator[LocalFile]:
    """The place for a single file; if ``local`` is a link, that of its target."""
    folder, name = os.path.split(os.path.realpath(local))
    with LocalTree(folder) as tree, tree.file(name) as file:
        yield file._replace(path=local)


def place_of(fd: int) -> str:
    """The path of an open file or folder according to the kernel; "" if unknown."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:  # no /proc, or deeper than a path may be long
        return ""
