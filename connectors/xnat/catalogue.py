"""What a resource holds: the rows of XNAT's list of files, and which file each of them means.

The numbers are those of docs/xnat-rest-api.md.
"""

import re
from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from typing import NamedTuple

from connectors.checksum import DIGEST_SIZES
from connectors.errors import ProtocolViolation
from connectors.http.transport.reply import whole_number
from connectors.model import Checksum
from connectors.xnat.addresses import meant_by, put_as

BEHIND = re.compile(r"/resources/[^/]+/files/(.+)", re.DOTALL)
DIGEST = re.compile(f"[0-9a-f]{{{2 * DIGEST_SIZES['md5']}}}")
LONGEST_SHOWN = 200
SIZE_BYTES = 8


Packed = bytes
"""Size and MD5 (may be empty) of a file, in as little memory as there is: there may be 100,000 of them."""


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

    def __init__(self, kept: Mapping[str, Packed], number: str = "", others: Set[str] = frozenset()) -> None:
        self._kept = kept
        self._meant = _names(kept)
        self._called = {name: one for one, name in self._meant.items()}
        self.number = number
        self.others = others

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, name: str) -> Row | None:
        """The file that ``name`` means."""
        if name in self._called:
            return self._row(self._called[name])
        if name in self._kept and name not in self._meant:
            return self._row(name)
        return next((self._row(one) for one in (*put_as(name), name) if one in self._kept), None)

    def _row(self, kept: str) -> Row:
        packed = self._kept[kept]
        digest = packed[SIZE_BYTES:].hex()
        checksum = Checksum("md5", digest) if digest else None
        return Row(self._meant.get(kept, kept), kept, int.from_bytes(packed[:SIZE_BYTES]), checksum)

    def _names(self) -> Iterator[str]:
        return (self._meant.get(one, one) for one in self._kept)

    def lookalike(self, name: str) -> str:
        """A name that looks like ``name``, and differs in case or in how its letters are put together; ""
        if there is none."""
        wanted = _folded(name)
        return next((one for one in self._names() if _folded(one) == wanted), "")

    def in_the_way(self, name: str) -> str:
        """Why there can be no file ``name``: the folder of that name, or the file that is called like a
        folder of it; "" if there can."""
        if name in self._folders:
            return name
        return next((one for one in _folders(name) if self.find(one)), "")

    @cached_property
    def _folders(self) -> set[str]:
        return {folder for name in (*self._called, *self._kept) for folder in _folders(name)}

    def below(self, folder: str) -> Iterator[tuple[str, Row]]:
        """The files in ``folder`` ("": all), with their names as seen from there."""
        start = f"{folder}/" if folder else ""
        for kept in self._kept:
            name = self._meant.get(kept, kept)
            if name.startswith(start):
                yield name[len(start) :], self._row(kept)

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(int.from_bytes(packed[:SIZE_BYTES]) for packed in self._kept.values())


class Listing:
    """The rows of XNAT's list of files as they come. ``shown`` names the resource in messages."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._found: dict[tuple[str, str], dict[str, Packed]] = {}
        """By the address of what the files' resource belongs to, and by the number of that resource."""

    def take(self, row: Mapping[str, object]) -> bool:
        """False for what is no row of a list of files.

        The whole name of a file stands in its URI alone (5.18, 5.19). ProtocolViolation, with that, for a
        row that cannot mean a file.
        """
        uri, number = row.get("URI"), str(row.get("cat_ID", ""))
        if not isinstance(uri, str):
            return False
        before, found, kept = uri.partition(f"/resources/{number}/files/")
        if not found:
            match = BEHIND.search(uri)
            before, kept = uri.partition("/resources/")[0], match[1] if match else ""
        size = whole_number(str(row.get("Size", "")))
        if not kept or size is None:
            raise ProtocolViolation(
                f"{self._shown}: XNAT lists a file without a place or a size: {_quoted(uri)}"
            )
        try:
            kept.encode()
        except UnicodeEncodeError:  # JSON can hold half a character, no file name can
            raise ProtocolViolation(
                f"{self._shown}: XNAT lists a file with half a character: {_quoted(uri)}"
            ) from None
        digest = str(row.get("digest", "")).lower()
        md5 = bytes.fromhex(digest) if DIGEST.fullmatch(digest) else b""
        group = self._found.setdefault((re.sub("/(in|out)$", "", before), number), {})
        group[kept] = size.to_bytes(SIZE_BYTES) + md5
        return True

    def of(self, container: str) -> Catalogue:
        """The catalogue that the list makes.

        Where a scan's ID is another scan's type, XNAT lists the files of both, or of that other one alone
        (2.2); only those of the ``container`` (as it stands in addresses, e.g. "/scans/1") count.
        """
        is_scan = container.startswith("/scans/")
        every = {number for _, number in self._found}
        mine = self._found
        if is_scan or len(every) > 1:
            mine = {place: files for place, files in self._found.items() if _belongs(place[0], container)}
        numbers = {number for _, number in mine}
        number = next(iter(numbers), "") if len(mine) < len(self._found) else ""
        unclear = len(numbers) > 1 or (self._found and not mine and not is_scan)
        if unclear or (number and not number.isdigit()):
            raise ProtocolViolation(f"{self._shown}: XNAT reads this as several resources")
        files = next(iter(mine.values()), {})
        if len(mine) > 1:  # one resource at several addresses
            files = {kept: packed for some in mine.values() for kept, packed in some.items()}
        return Catalogue(files, number, every - numbers)


def _names(kept: Mapping[str, Packed]) -> dict[str, str]:
    """For each name that XNAT keeps and that means another one, what was meant, as far as that gives each
    file a name of its own: of two that would be called the same, one is called what it is kept as."""
    meant = {one: name for one in kept if (name := meant_by(one)) != one}
    while True:
        holders: set[str] = set()
        clashing: list[str] = []
        for one, name in meant.items():
            if name in holders or (name in kept and name not in meant):
                clashing.append(one)
            holders.add(name)
        if not clashing:
            return meant
        for one in clashing:
            del meant[one]


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
