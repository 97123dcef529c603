"""Whether this is a container, and which host folders it sees. Files outside volumes are lost with it."""

import os

SIGNS = ("/.dockerenv", "/run/.containerenv")
KUBERNETES = "KUBERNETES_SERVICE_HOST"
LAYERED = ("overlay", "fuse.fuse-overlayfs", "aufs")
"""File systems of a container's root. SIGNS alone do not suffice: a virtual machine may have them too."""


def is_container() -> bool:
    """Whether this looks like a container; a virtual machine may look like one too."""
    return KUBERNETES in os.environ or any(map(os.path.exists, SIGNS))


def is_lost(folder: str) -> bool:
    """Whether ``folder`` is deleted with this container because it is not on a volume."""
    if not is_container():
        return False
    folder = os.path.realpath(folder)
    try:
        if os.stat(folder).st_dev != os.stat("/").st_dev:
            return False
        return _mounted(folder) == ("/", True)
    except OSError:
        return False


def _mounted(folder: str) -> tuple[str, bool]:
    """The mount point above ``folder``, and whether its file system is LAYERED."""
    from connectors.local.mountinfo import mounts  # imports re; needed in containers only

    found = ("", False)
    for mounted in mounts():
        below = folder == mounted.path or folder.startswith(mounted.path.rstrip("/") + "/")
        if below and len(mounted.path) >= len(found[0]):
            found = mounted.path, mounted.kind in LAYERED
    return found


def warn_of_loss(target: str) -> None:
    """Warn if ``target``, the file or directory to receive, will be deleted with this container.

    Only if the container ends with this process: under the RED agent, for example, other programs in the
    container use the received files.
    """
    if 1 not in (os.getpid(), os.getppid()):  # 1 is the parent under docker run --init
        return
    folder = os.path.realpath(target)
    if not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    if is_lost(folder):
        from connectors import log

        here = _working_directory()
        inside = f"{folder}/".startswith(f"{here.rstrip('/')}/") and here != "/"
        advice = _mounting(here) if inside else f"{_mounting(here)}, and write to {os.path.basename(target)}"
        log.warning(f"{target} is not on a volume: it will be deleted with this container; {advice}")


def hint(path: str) -> str:
    """A hint for when ``path`` does not exist; "" outside containers."""
    if not is_lost("/"):
        return ""
    folder, name = _split(path)
    if not folder or os.path.isdir(folder):
        folder = folder or _working_directory()
        advice = _mounting(folder) if is_lost(folder) else f"is it in the folder that is mounted at {folder}?"
        return f"a container sees only what is mounted: {advice}"
    there = folder
    while there not in ("", "/") and not os.path.isdir(there):
        there = os.path.dirname(there)
    if not is_lost(there or "/"):
        return ""  # the folder is missing on a volume
    from shlex import quote

    mount = f"docker run -v {quote(folder)}:/data"
    return f"the container does not see {folder} of the host: {mount}, and write {name} in place of {path}"


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError:  # it has been removed
        return "/"


def _mounting(folder: str) -> str:
    """How to mount a volume at ``folder``."""
    return f'mount a folder with docker run -v "$PWD:{folder if folder != "/" else "/data"}"'


def _split(path: str) -> tuple[str, str]:
    """Folder and name of an absolute ``path``, also a Windows one; the folder is "" if it is relative."""
    if path[1:3] in (":\\", ":/"):
        folder, _, name = path.replace("\\", "/").rpartition("/")
        return folder, name
    return (os.path.dirname(path), os.path.basename(path)) if os.path.isabs(path) else ("", path)
