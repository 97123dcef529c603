"""What a resource holds: the rows of XNAT's list of files, and which file each of them means.

The numbers are those of docs/xnat-rest-api.md.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import NamedTuple

from connectors.errors import ProtocolViolation
from connectors.transfer.checksum import DIGEST_SIZES, Checksum
from connectors.web.reply import whole_number
from connectors.xnat_archive.place import meant_by, put_as

BEHIND = re.compile(r"/resources/[^/]+/files/(.+)", re.DOTALL)
DIGEST = re.compile(f"[0-9a-f]{{{2 * DIGEST_SIZES['md5']}}}")
LONGEST_SHOWN = 200


class Listed(NamedTuple):
    """What a row of the list says: the name that XNAT keeps a file under, size in bytes, checksum if the site
    keeps one, the address of what its resource belongs to, and the number of that resource."""

    kept: str
    size: int
    checksum: Checksum | None
    owner: str
    number: str


class Row(NamedTuple):
    """A file in a resource: ``kept`` is what XNAT calls it, ``name`` what was meant.

    ``size`` is in bytes; ``checksum`` is None where the site keeps none.
    """

    name: str
    kept: str
    size: int
    checksum: Checksum | None


class Catalogue:
    """The files of one resource, by both names.

    ``number`` is "" where the resource's label means this one alone; else only the number does. ``others``
    are the numbers of those whose files were listed with them.
    """

    def __init__(self, rows: Iterable[Row], number: str = "", others: Set[str] = frozenset()) -> None:
        self._kept = {row.kept: row for row in rows}
        self._named = {row.name: row for row in self._kept.values()}
        self.number = number
        self.others = others

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, name: str) -> Row | None:
        """The file that ``name`` means."""
        row = self._named.get(name)
        return row or next((self._kept[one] for one in (*put_as(name), name) if one in self._kept), None)

    def lookalike(self, name: str) -> str:
        """A name that looks like ``name``, and differs in case or in how its letters are put together; ""
        if there is none."""
        wanted = _folded(name)
        return next((one for one in self._named if _folded(one) == wanted), "")

    def in_the_way(self, name: str) -> str:
        """Why there can be no file ``name``: the folder that is called so, or the file that is called like a
        folder of it; "" if there can."""
        if name in self._folders:
            return name
        return next((one for one in _folders(name) if self.find(one)), "")

    @cached_property
    def _folders(self) -> set[str]:
        return {folder for name in (*self._named, *self._kept) for folder in _folders(name)}

    def below(self, folder: str) -> Iterator[tuple[str, Row]]:
        """The files in ``folder`` ("": all), with their names as seen from there."""
        start = f"{folder}/" if folder else ""
        return ((name[len(start) :], row) for name, row in self._named.items() if name.startswith(start))

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(row.size for row in self._kept.values())


def listed(row: Mapping[str, object], shown: str) -> Listed | None:
    """What a ``row`` says; None if it is no row of a list of files. ``shown`` names the resource.

    The whole name of a file stands in its URI alone (5.18, 5.19). ProtocolViolation, with that, for a
    row that cannot mean a file.
    """
    uri, number = row.get("URI"), str(row.get("cat_ID", ""))
    if not isinstance(uri, str):
        return None
    before, found, kept = uri.partition(f"/resources/{number}/files/")
    if not found:
        match = BEHIND.search(uri)
        before, kept = uri.partition("/resources/")[0], match[1] if match else ""
    size = whole_number(str(row.get("Size", "")))
    if not kept or size is None:
        raise ProtocolViolation(f"{shown}: XNAT lists a file without a place or a size: {_quoted(uri)}")
    try:
        kept.encode()
    except UnicodeEncodeError:  # JSON can hold half a character, no file name can
        raise ProtocolViolation(f"{shown}: XNAT lists a file with half a character: {_quoted(uri)}") from None
    digest = str(row.get("digest", "")).lower()
    checksum = Checksum("md5", digest) if DIGEST.fullmatch(digest) else None
    owner = re.sub("/(in|out)$", "", before)
    return Listed(kept, size, checksum, sys.intern(owner), sys.intern(number))  # the same for all: once


def of(found: Iterable[Listed], container: str, shown: str) -> Catalogue:
    """The catalogue that a list of files makes.

    Where a scan's ID is another scan's type, XNAT lists the files of both, or of that other one alone (2.2);
    only those of the ``container`` (as it stands in addresses, e.g. "/scans/1") count. ``shown`` is the
    resource's name in messages.
    """
    everything = list(found)
    is_scan = container.startswith("/scans/")
    mine = everything
    if is_scan or len(_numbers(everything)) > 1:
        mine = [row for row in everything if _belongs(row.owner, container)]
    numbers = _numbers(mine)
    number = next(iter(numbers), "") if len(mine) < len(everything) else ""
    unclear = len(numbers) > 1 or (everything and not mine and not is_scan)
    if unclear or (number and not number.isdigit()):
        raise ProtocolViolation(f"{shown}: XNAT takes this for several resources")
    names = _names([row.kept for row in mine])
    result = (Row(names[row.kept], row.kept, row.size, row.checksum) for row in mine)
    return Catalogue(result, number, _numbers(everything) - numbers)


def _names(kept: Sequence[str]) -> dict[str, str]:
    """For each name that XNAT keeps, what was meant by it, as far as that gives each file a name of its own:
    of two that would be called the same, one is called what it is kept as."""
    names = {one: meant_by(one) for one in kept}
    while True:
        holders: dict[str, str] = {}
        clashing: list[str] = []
        for one, name in names.items():
            other = holders.setdefault(name, one)
            if other != one:
                clashing.append(other if name == one else one)
                holders[name] = one if name == one else other
        if not clashing:
            return names
        names.update((one, one) for one in clashing)


def _numbers(rows: Iterable[Listed]) -> set[str]:
    return {row.number for row in rows}


def _belongs(owner: str, container: str) -> bool:
    """Whether the address ``owner`` is that of the ``container``, if there is one."""
    if not container:
        return True
    _, kind, name = container.split("/", 2)
    return owner.partition(f"/{kind}/")[2].replace("[SLASH]", "/") == name


def _folded(name: str) -> str:
    import unicodedata  # for an error only

    return unicodedata.normalize("NFC", name).casefold()


def _folders(name: str) -> Iterator[str]:
    """Those that a file is in, the innermost first."""
    while name := name.rpartition("/")[0]:
        yield name


def _quoted(uri: str) -> str:
    return ascii(uri)[:LONGEST_SHOWN]
