"""Finds entries that collide: two that would be the same file here, or a file where a folder must be."""

import os
from collections.abc import Iterable, Iterator

from connectors.errors import CannotCreate, Failures
from connectors.local.names import hidden_name, is_hidden_name
from connectors.model import Entry
from connectors.transfer.inventory import Inventory
from connectors.transfer.local_tree import LISTING_HELPS
from connectors.transfer.spelling import Spellings

LONGEST_PATH = 4095
"""Bytes of a path that Linux opens (PATH_MAX, less the NUL at its end)."""

LONGEST_SHOWN = 1000  # characters of a path
MOST_COMPARED = 16  # spellings of one name; no honest server has more
MOST_FOLDERS = 10_000  # remembered as not being links


def check(inventory: Inventory, local: str, *, is_empty: bool) -> None:
    """CannotCreate unless ``local`` can hold all entries; one error reports all that it cannot hold.

    The inventory is sorted by ``spelling.folded``.
    """
    failures = Failures()
    for path, why in _obstacles(inventory, local, is_empty):
        failures.add(path, CannotCreate(f"cannot create {local}/{path[:LONGEST_SHOWN]}: {why}"))
    if failures:
        raise failures.error(f"{local} cannot hold {failures.count} of the names", hint=LISTING_HELPS)


def _obstacles(inventory: Inventory, local: str, is_empty: bool) -> Iterator[tuple[str, str]]:
    """Paths that cannot be created here, and why."""
    longest = LONGEST_PATH - len(os.fsencode(local)) - len(hidden_name("/", "part"))
    spellings = Spellings(local)
    for key, entry in inventory.with_keys():
        if ".red-" in key and any(map(is_hidden_name, key.split("\0"))) and not spellings.matter(entry.path):
            yield entry.path, "on this file system that may be the name of a part file"
        if len(entry.path) > longest // 4 and len(os.fsencode(entry.path)) > longest:  # 4 for a character
            here = len(os.fsencode(entry.path))
            yield entry.path, f"the path is {here} bytes long, at most {longest} are possible here"
    for one, other in collisions(inventory.with_keys(), spellings):
        yield other.path, _why(one, other)
    for path, other_path in () if is_empty else _linked(inventory, local):
        yield other_path, f"a link here makes it the same file as {path}"


def _why(one: Entry, other: Entry) -> str:
    if one.path == other.path:
        return "it is a file and a directory"
    if other.path.startswith(f"{one.path}/"):
        return f"{one.path} is a file"
    return f"{one.path} has the same name on this file system"


def collisions(entries: Iterable[tuple[str, Entry]], spellings: Spellings) -> Iterator[tuple[Entry, Entry]]:
    """Pairs that cannot both be created: the same path and not both folders, or one below a file.

    The entries come with the ``spelling.folded`` form of their paths, and sorted by it.
    """
    last = ""
    alike: list[Entry] = []  # entries with this key
    below, files = "", list[Entry]()  # the latest files, and the key prefix of what is below them
    for key, entry in entries:
        if key != last:
            last, alike = key, []
            if files and not key.startswith(below):
                files = []
        if alike or files:
            others = [one for one in (*files, *alike) if not (one.is_dir and entry.is_dir)]
            for other in others[-MOST_COMPARED:]:
                if spellings.one_place(entry.path, other.path):
                    yield other, entry
                    break
        alike.append(entry)
        if not entry.is_dir:
            below, files = f"{key}\0", [one for one in alike if not one.is_dir]


def _linked(inventory: Inventory, local: str) -> Iterator[tuple[str, str]]:
    """Pairs of paths that lead to the same file because a folder on the way is a link."""
    links = _links(inventory, local)
    if not links:
        return
    behind: dict[str, str] = {}  # files reached through a link, by resolved path
    for entry in inventory:
        place = _place(entry.path, links)
        if place != entry.path and not entry.is_dir:
            if place in behind:
                yield behind[place], entry.path
            behind[place] = entry.path
    for entry in inventory:
        if not entry.is_dir and entry.path in behind and _place(entry.path, links) == entry.path:
            yield entry.path, behind[entry.path]


def _links(inventory: Inventory, local: str) -> dict[str, str]:
    """The folders of the entries that are links here, with their targets in ``local``."""
    root = os.path.realpath(local)
    links: dict[str, str] = {}
    seen = {""}
    for entry in inventory:
        folder = entry.path if entry.is_dir else entry.path.rpartition("/")[0]
        while folder not in seen:
            place = os.path.join(local, folder)
            if os.path.islink(place):
                links[folder] = os.path.relpath(os.path.realpath(place), root)
            if len(seen) > MOST_FOLDERS:
                seen = {""}
            seen.add(folder)
            folder = folder.rpartition("/")[0]
    return links


def _place(path: str, links: dict[str, str]) -> str:
    at = path
    while at and at not in links:
        at = at.rpartition("/")[0]
    return os.path.normpath(f"{links[at]}{path[len(at) :]}") if at else path
