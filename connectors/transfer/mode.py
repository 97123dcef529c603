"""The mode of a received file: that of the file it replaces, otherwise according to the umask."""

import os
import stat
from contextlib import suppress


def settle_mode(fd: int, old: os.stat_result | None, *, executable: bool) -> None:
    """Give the file the mode of the ``old`` file that it replaces, and its owner and group if permitted;
    without one the mode stays. ``executable``: make it executable for those who may read it.

    If the group cannot be kept, the new group gets the permissions of others.
    """
    if not (old or executable):
        return
    here = os.fstat(fd)
    mode = stat.S_IMODE(here.st_mode)
    if old:
        mode = old.st_mode & 0o777
        if old.st_gid != here.st_gid and not _give(fd, -1, old.st_gid):
            mode = mode & 0o707 | (mode & 0o007) << 3
    if executable:
        mode |= (mode & 0o444) >> 2
    if mode != stat.S_IMODE(here.st_mode):
        with suppress(OSError):  # a file system without modes; the mode stays as created
            os.fchmod(fd, mode)
    if old and old.st_uid != here.st_uid:
        _give(fd, old.st_uid, -1)


def _give(fd: int, user: int, group: int) -> bool:
    try:
        os.fchown(fd, user, group)
    except OSError:
        return False
    return True


def umask() -> int:
    """Read from /proc: setting and restoring it would affect other threads. 0o077 if /proc lacks it."""
    with (
        suppress(OSError, ValueError),
        open("/proc/self/status", encoding="ascii", errors="replace") as lines,
    ):
        for line in lines:
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    return 0o077
