"""Names that a file system may treat as the same: they differ in case, normal form, or trailing dots."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from connectors.local.names import hidden_name

TRIED_IN = hidden_name("red-connectors-names", "part")
SPELLINGS = {
    "aéﬁß": ("Aéﬁß", "aÉﬁß", "ae\u0301ﬁß", "aéfiß", "aéﬁss", "aé\u200bﬁß", "aéﬁß.", "aéﬁß "),
    "a": ("A", "a.", "a "),  # where only ASCII can be stored
}
"""Names, and others that are the same on some file system: VFAT, NTFS, APFS, ZFS, ext4 with casefold."""

INVISIBLE = {*range(0xFE00, 0xFE10), 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0}
"""Code points that ext4 ignores, in addition to category Cf."""


def in_order(path: str) -> str:
    """The sort key by which a folder's content directly follows it."""
    return path.replace("/", "\0")


def folded(path: str) -> str:
    """A key like ``in_order``, but equal for all paths that may be the same on some file system."""
    text = path.replace("/", "\0")
    text = text.lower() if text.isascii() else _folded(text)
    if ".\0" in text or " \0" in text or text.endswith((".", " ")):
        return "\0".join(name.rstrip(". ") or "." for name in text.split("\0"))
    return text


def _folded(text: str) -> str:
    import unicodedata  # only for names that are not ASCII

    for _ in range(2):
        text = unicodedata.normalize("NFKD", text).upper().casefold()
    return "".join(one for one in text if unicodedata.category(one) != "Cf" and ord(one) not in INVISIBLE)


class Spellings:
    """Whether paths below ``root`` are the same, found out by trying.

    It tries in a hidden folder, and only when asked; existing files are not touched.
    """

    def __init__(self, root: str) -> None:
        self._root = root
        self._tells_apart: dict[str, bool] = {}

    def one_place(self, path: str, other: str) -> bool:
        """Whether both are the same path, up to the length of the shorter; their ``folded`` are equal."""
        folder = ""
        for name, twin in zip(path.split("/"), other.split("/"), strict=False):
            if name != twin and not self._one_name(folder, name, twin):
                return False
            folder = f"{folder}/{name}" if folder else name
        return True

    def matter(self, folder: str) -> bool:
        """Whether the folder distinguishes all spellings."""
        place = self._nearest(folder)
        if place not in self._tells_apart:
            self._tells_apart[place] = not any(_is_found(place, *pair) for pair in SPELLINGS.items())
        return self._tells_apart[place]

    def _one_name(self, folder: str, name: str, twin: str) -> bool:
        return not self.matter(folder) and _is_found(self._nearest(folder), name, (twin,))

    def _nearest(self, folder: str) -> str:
        """The folder, or its nearest existing parent: a new folder behaves like the one it is created in."""
        while folder and not os.path.isdir(os.path.join(self._root, folder)):
            folder = os.path.dirname(folder)
        return os.path.join(self._root, folder)


def _is_found(place: str, name: str, twins: tuple[str, ...]) -> bool:
    """Whether a file called ``name`` in ``place`` is found by any of the ``twins``. False if no file can be
    created there: then none can be lost.
    """
    with suppress(OSError), _empty_folder(place) as folder:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600, dir_fd=folder))
        return any(_exists(twin, folder) for twin in twins)
    return False


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


@contextmanager
def _empty_folder(place: str) -> Iterator[int]:
    """A hidden folder in ``place``, open; exclusive to this process if the file system has locks."""
    path = os.path.join(place, TRIED_IN)
    fd = _locked(path)
    try:
        _empty(fd)  # a killed call may have left something
        yield fd
    finally:
        with suppress(OSError):
            _empty(fd)
            os.rmdir(path)
        os.close(fd)


def _locked(path: str) -> int:
    for _ in range(100):
        with suppress(FileExistsError):
            os.mkdir(path, 0o700)
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX)
        if _is_still(path, fd):
            return fd
        os.close(fd)  # another process has just removed it
    raise FileNotFoundError(path)


def _is_still(path: str, fd: int) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _empty(folder: int) -> None:
    for name in os.listdir(folder):
        os.unlink(name, dir_fd=folder)
