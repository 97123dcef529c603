"""Listings: a directory's files and folders in the format of the Common Workflow Language.

[{class: File, basename: a.csv, size: 4, checksum: "sha1$…"},
 {class: Directory, basename: b, listing: […]}]
"""

from collections.abc import Callable
from typing import Any

from connectors import checksum as checksums
from connectors.local.names import safe_segment
from connectors.model import Checksum, Entry

KEYS = {"File": ("class", "basename", "size", "checksum"), "Directory": ("class", "basename", "listing")}
IGNORED = ("location", "path", "dirname", "nameroot", "nameext", "format")
"""Other CWL keys, ignored: only the basename and the access document say where a file is."""

Fault = Callable[[str, str], None]


def parse(raw: Any, fault: Fault) -> list[Entry]:
    """The files and folders of ``raw``, parents before their children, in the listing's order.

    ``fault(path, message)`` is called for each fault, with a path like ``[0].listing[2].basename``;
    entries with a fault are left out.
    """
    if not isinstance(raw, list):
        fault("", "must be a list of files and directories")
        return []
    entries: list[Entry] = []
    levels = [_Level(raw, "", "")]
    while levels:  # no recursion: a listing may be deeply nested
        level = levels[-1]
        if level.next == len(level.items):
            levels.pop()
            continue
        place, item = f"{level.place}[{level.next}]", level.items[level.next]
        level.next += 1
        entry = _entry(item, place, level, fault)
        if entry:
            entries.append(entry)
        if isinstance(item, dict) and item.get("class") == "Directory" and item.get("listing") is not None:
            below = item["listing"]
            if isinstance(below, list):
                levels.append(_Level(below, f"{place}.listing", f"{entry.path}/" if entry else ""))
            else:
                fault(f"{place}.listing", "must be a list of files and directories")
    return entries


class _Level:
    """A list being read: its remaining items, its place in the document, and the path of its folder."""

    def __init__(self, items: list[Any], place: str, folder: str) -> None:
        self.items = items
        self.place = place
        self.folder = folder
        self.next = 0
        self.names: dict[str, int] = {}


def _entry(item: Any, place: str, level: _Level, fault: Fault) -> Entry | None:
    if not isinstance(item, dict):
        fault(place, "must be a mapping with class and basename")
        return None
    kind = item.get("class")
    if kind not in ("File", "Directory"):
        fault(f"{place}.class", "must be File or Directory")
        return None
    _check_keys(item, kind, place, fault)
    name = _basename(item, place, level, fault)
    known_size = size(item.get("size"), lambda message: fault(f"{place}.size", message))
    known_checksum = checksum(item.get("checksum"), lambda message: fault(f"{place}.checksum", message))
    if name is None:
        return None
    if kind == "Directory":
        return Entry(level.folder + name, True)
    return Entry(level.folder + name, False, known_size, known_checksum)


def _basename(item: dict[str, Any], place: str, level: _Level, fault: Fault) -> str | None:
    name = item.get("basename")
    if not isinstance(name, str):
        fault(
            f"{place}.basename",
            "required: the name, a string" if name is None else "must be a string: put it in quotes",
        )
        return None
    try:
        safe_segment(name)
    except ValueError as error:
        fault(f"{place}.basename", str(error))
        return None
    if name in level.names:
        fault(f"{place}.basename", f"the same name as entry [{level.names[name]}] of this list: keep one")
        return None
    level.names[name] = level.next - 1
    return name


def _check_keys(item: dict[str, Any], kind: str, place: str, fault: Fault) -> None:
    for key in item:
        if key not in KEYS[kind] and key not in IGNORED:
            from connectors.access.document import unknown
            from connectors.wording import join

            fault(join(place, key), unknown(key, KEYS[kind]))


def size(value: Any, fault: Callable[[str], None]) -> int | None:
    """A size in bytes; None if missing (CWL allows null) or after a ``fault``."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        fault("must be a number of bytes: an integer, 0 or more")
        return None
    return value


def checksum(value: Any, fault: Callable[[str], None]) -> Checksum | None:
    """A checksum; None if missing (CWL allows null) or after a ``fault``."""
    if value is None:
        return None
    try:
        return checksums.parse(value if isinstance(value, str) else "")
    except ValueError as error:
        fault(str(error))
        return None
