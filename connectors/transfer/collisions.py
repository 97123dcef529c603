"""Entries for which there is no room: two that would be one file here, and a file where a folder must be."""

import os
from collections.abc import Iterable, Iterator

from connectors.errors import CannotCreate, Failures
from connectors.remote import Entry
from connectors.transfer.inventory import Inventory
from connectors.transfer.names import hidden_name
from connectors.transfer.spelling import Spellings

LONGEST_PATH = 4095
"""Bytes of a path that Linux opens (PATH_MAX, less the NUL at its end)."""

SHOWN = 60  # characters of a path that is too long

MOST_COMPARED = 16
"""Spellings of one name. A server that shows more makes them up."""


def check(inventory: Inventory, local: str) -> None:
    """CannotCreate unless ``local`` can hold all entries; one error reports all that it cannot hold.

    The inventory is sorted by ``spelling.folded``.
    """
    failures = Failures()
    longest = LONGEST_PATH - len(os.fsencode(local)) - len(hidden_name("/", "part"))
    for _, entry in inventory.with_keys():
        path = entry.path
        if len(path) > longest // 4 and len(os.fsencode(path)) > longest:  # a character takes up to 4
            why = f"the path is {len(os.fsencode(path))} bytes long, {longest} are possible here"
            failures.add(path, CannotCreate(f"cannot create {local}/{path[:SHOWN]}...: {why}"))
    for one, other in collisions(inventory.with_keys(), Spellings(local)):
        failures.add(other.path, CannotCreate(f"cannot create {local}/{other.path}: {_why(one, other)}"))
    if failures:
        hint = "receive what collides into another directory, by a listing (--listing) that names it"
        raise failures.error(f"{failures.count} names have no place in {local}", hint=hint)


def _why(one: Entry, other: Entry) -> str:
    if one.path == other.path:
        return "it is a file and a directory"
    if other.path.startswith(f"{one.path}/"):
        return f"{one.path} is a file"
    return f"{one.path} has the same name on this file system"


def collisions(entries: Iterable[tuple[str, Entry]], spellings: Spellings) -> Iterator[tuple[Entry, Entry]]:
    """Pairs of which only one can be here: both in one place and not both folders, or one inside a file.

    The entries come with what ``spelling.folded`` makes of their paths, and sorted by that.
    """
    last = ""
    alike: list[Entry] = []  # what has this key
    below, files = "", list[Entry]()  # the latest files, and how keys begin that are below them
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
