"""File names: those from outside, and the hidden names of a transfer.

All names from outside pass through ``safe_path``, whether from a listing, a server or an archive.
"""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache

from connectors import log
from connectors.checksum import hasher
from connectors.local.files import reading

LONGEST_NAME = 255
"""Bytes: NAME_MAX of the file systems in use."""

HIDDEN_KINDS = (".red-part", ".red-state")
MOST_NAMED = 3
LONGEST_STEM = 90  # characters of a name that its hidden name repeats: some file systems take only 143 bytes


def safe_segment(name: str) -> str:
    """Return ``name`` if it can only denote a file inside a folder; ValueError says why not."""
    if not name:
        raise ValueError("must not be empty")
    if name in (".", ".."):
        raise ValueError(f"must not be '{name}': that is not a name inside the folder")
    if "/" in name:
        raise ValueError("must not contain '/': folders are entries of class Directory")
    if "\0" in name:
        raise ValueError("must not contain a NUL character")
    if is_hidden_name(name):
        raise ValueError("must not be the name of a part file: those belong to transfers under way")
    if name.isascii() and len(name) <= LONGEST_NAME:  # nearly always
        return name
    try:
        length = len(os.fsencode(name))
    except UnicodeEncodeError:
        raise ValueError(
            "contains half a character (a lone surrogate): no file can have such a name"
        ) from None
    if length > LONGEST_NAME:
        raise ValueError(f"must not be longer than {LONGEST_NAME} bytes, is {length}")
    return name


def safe_path(path: str) -> str:
    """Return ``path`` if it is relative and every segment is safe; ValueError says why not."""
    if path.startswith("/"):
        raise ValueError("must not be absolute")
    folder, _, name = path.rpartition("/")
    if folder:
        _safe_folder(folder)
    safe_segment(name)
    return path


@lru_cache(maxsize=64)
def _safe_folder(path: str) -> None:
    """Cached: checked once for all files in it."""
    for segment in path.split("/"):
        safe_segment(segment)


def hidden_name(name: str, kind: str) -> str:
    """The name of the hidden file of ``kind`` (part, state) for ``name``, always the same."""
    hidden = f".{name}.red-{kind}"
    if 4 * len(hidden) > LONGEST_NAME and len(os.fsencode(hidden)) > LONGEST_NAME:  # UTF-8: 4 at most
        hidden = f".{fingerprint(name)}.red-{kind}"
    return hidden


def is_hidden_name(name: str) -> bool:
    """Whether ``name`` has the form of hidden_name: never payload."""
    return name.startswith(".") and name.endswith(HIDDEN_KINDS)


def hidden_in(path: str) -> str:
    """``path`` up to and with its first hidden name; "" if there is none."""
    if ".red-" not in path:  # nearly always
        return ""
    segments = path.split("/")
    for number, name in enumerate(segments, 1):
        if is_hidden_name(name):
            return "/".join(segments[:number])
    return ""


def warn_of_hidden(paths: Sequence[str]) -> None:
    """Warn that hidden files were left out, if there are any."""
    if paths:
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        log.warning(f"left out: {', '.join(paths[:MOST_NAMED])}{more}: the names of part files of transfers")


def staging_name(name: str, source: str, token: str = "") -> str:
    """The hidden name under which ``source`` is sent until it is complete and renamed to ``name``.

    It is the same in every call for this file on this machine, so that leftovers of a killed call are
    overwritten, and differs for any other sender. ``token`` is the result of transfer.departure.claim.
    """
    folder, base = os.path.split(source)
    rest = "" if name == base and len(name) <= LONGEST_STEM else base
    return hidden_name(f"{name[:LONGEST_STEM]}.{_about(folder, rest)}{token}", "part")


@lru_cache(maxsize=64)
def _about(folder: str, rest: str) -> str:
    with reading(folder or "."):
        here = os.stat(folder or ".")
    place = f"{os.uname().nodename}:{here.st_dev}:{here.st_ino}:{os.path.realpath(folder)}/{rest}"
    return fingerprint(place)[:16]


def fingerprint(text: str) -> str:
    """A hash of ``text``, 64 characters, not reversible."""
    return hasher("sha256", text.encode("utf-8", "surrogateescape")).hexdigest()


def clean(path: str) -> str:
    """``path`` without empty segments and ``.``; ``..`` stays, as the folder before it may be a link."""
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(segments) or "."


def parents_first(folders: Iterable[str]) -> list[str]:
    """The relative paths ``folders`` and all their parents, with ""."""
    found = {""}
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = os.path.dirname(folder)
    return sorted(found, key=lambda folder: (folder.count("/") + bool(folder), folder))


def below(root: str, path: str) -> str:
    """The local path of ``path`` in the folder ``root``, which is clean."""
    if not path or root == ".":
        return path or root
    return f"{root}{path}" if root == "/" else f"{root}/{path}"
