"""File names: the ones that come from outside, and the hidden ones that belong to a transfer.

The one door for names from outside is ``safe_path``: whatever a listing, a server or an archive calls a
file passes it.
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
    """``name`` as it is, if it can only mean a file of its own inside a folder; else ValueError says why."""
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
    """``path`` as it is, if every segment is safe and it is relative; else ValueError says why not."""
    if path.startswith("/"):
        raise ValueError("must not be absolute")
    folder, _, name = path.rpartition("/")
    if folder:
        _safe_folder(folder)
    safe_segment(name)
    return path


@lru_cache(maxsize=64)
def _safe_folder(path: str) -> None:
    """Once for all of the files that are in it."""
    for segment in path.split("/"):
        safe_segment(segment)


def hidden_name(name: str, kind: str) -> str:
    """The name beside ``name`` for the file of ``kind`` (part, state) that belongs to it, at any time."""
    hidden = f".{name}.red-{kind}"
    if 4 * len(hidden) > LONGEST_NAME and len(os.fsencode(hidden)) > LONGEST_NAME:  # UTF-8: 4 at most
        hidden = f".{fingerprint(name)}.red-{kind}"
    return hidden


def is_hidden_name(name: str) -> bool:
    """Whether ``name`` is one that hidden_name makes: never payload."""
    return name.startswith(".") and name.endswith(HIDDEN_KINDS)


def hidden_in(path: str) -> str:
    """The beginning of ``path`` that is called as hidden_name makes names; "" if there is none."""
    if ".red-" not in path:  # nearly always
        return ""
    segments = path.split("/")
    for number, name in enumerate(segments, 1):
        if is_hidden_name(name):
            return "/".join(segments[:number])
    return ""


def warn_of_hidden(paths: Sequence[str]) -> None:
    """Say that files of such names were left out, if there are any."""
    if paths:
        more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
        log.warning(f"left out: {', '.join(paths[:MOST_NAMED])}{more}: the names of part files of transfers")


def staging_name(name: str, source: str, token: str = "") -> str:
    """The hidden name to send ``source`` under until it is complete and can be called ``name``.

    It is the same for this file of this machine in every later call, so that what a killed one has left is
    written over, and another one for any other sender. ``token`` is what transfer.departure.claim says.
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
    """64 characters that stand for ``text`` and do not tell it."""
    return hasher("sha256", text.encode("utf-8", "surrogateescape")).hexdigest()


def clean(path: str) -> str:
    """``path`` without empty segments and ``.``; ``..`` stays, as the folder before it may be a link."""
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    return ("/" if path.startswith("/") else "") + "/".join(segments) or "."


def parents_first(folders: Iterable[str]) -> list[str]:
    """The ``folders``, relative paths, and all that they are in, "" too."""
    found = {""}
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = os.path.dirname(folder)
    return sorted(found, key=lambda folder: (folder.count("/") + bool(folder), folder))


def below(root: str, path: str) -> str:
    """The local path of what is called ``path`` in the folder ``root``, a clean one."""
    if not path or root == ".":
        return path or root
    return f"{root}{path}" if root == "/" else f"{root}/{path}"
