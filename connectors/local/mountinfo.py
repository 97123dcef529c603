"""What is mounted where, and by which processes. Nothing here touches a mounted file system itself: if its
server is gone, every access would hang."""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

MARK = "RED_MOUNT_POINT"
"""The environment variable that marks the processes of a mount made by a connector."""


class Mounted(NamedTuple):
    """One line of /proc/self/mountinfo; ``id`` is unique as long as the mount exists."""

    id: int
    path: str
    read_only: bool
    kind: str
    source: str

    @property
    def is_fuse(self) -> bool:
        """Whether a process serves it; fuseblk does not count, it is a disk."""
        return self.kind == "fuse" or self.kind.startswith("fuse.")


def mounts() -> Iterator[Mounted]:
    """All mounts that this process sees; a mount on top of another comes after it."""
    with open("/proc/self/mountinfo", "rb") as file:
        lines = file.read().splitlines()
    for line in lines:
        here, _, there = line.partition(b" - ")  # the number of fields before it varies
        words = here.split(b" ")
        kind, source, options = (there.split(b" ") + [b""] * 2)[:3]
        read_only = b"ro" in words[5].split(b",") + options.split(b",")
        yield Mounted(int(words[0]), _plain(words[4]), read_only, _plain(kind), _plain(source))


def _plain(word: bytes) -> str:
    """Undo the octal escapes, such as \\040 for a space."""
    return os.fsdecode(re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8) & 255]), word))


def at(path: str) -> Mounted | None:
    """The topmost mount at ``path`` (see mount_point), or None."""
    found = None
    for mounted in mounts():
        if mounted.path == path:
            found = mounted
    return found


def mount_point(local: str) -> str:
    """``local`` as mountinfo writes it: absolute and without links. Does not touch what is mounted there."""
    parent, name = os.path.split(local.rstrip("/"))
    if name not in ("", ".", ".."):
        path = os.path.join(os.path.realpath(parent), name)
        if at(path):
            return path
    return os.path.realpath(local)


def processes(path: str) -> list[int]:
    """The ids of the processes that serve a connector's mount at ``path``, in this mount namespace."""
    mark = os.fsencode(f"{MARK}={path}")
    ours = os.stat("/proc/self/ns/mnt").st_ino  # a container may have a mount at the same path
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                if mark not in file.read().split(b"\0"):
                    continue
            if os.stat(f"/proc/{name}/ns/mnt").st_ino == ours:
                found.append(int(name))
        except OSError:  # it has ended, or belongs to another user
            continue
    return found
