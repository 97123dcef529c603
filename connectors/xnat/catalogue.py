"""The content of a resource: the rows of XNAT's list of files, and the file that each row means.

Numbers refer to docs/xnat-rest-api.md.
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
"""Size and MD5 (may be empty) of a file, packed to save memory: there may be 100,000 of them."""


class Row(NamedTuple):
    """A file in a resource: ``kept`` is XNAT's name for it, ``name`` the original one.

    ``size`` is in bytes; ``checksum`` is None if the site stores none.
    """

    name: str
    kept: str
    size: int
    checksum: Checksum | None


class Catalogue:
    """The files of one resource, by both names.

    ``number`` is "" if the resource's label is unambiguous; otherwise the number identifies it. ``others``
    are the numbers of the resources whose files were in the same list.
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
        """A name that differs from ``name`` only in case or Unicode normal form; "" if there is none."""
        wanted = _folded(name)
        return next((one for one in self._names() if _folded(one) == wanted), "")

    def in_the_way(self, name: str) -> str:
        """What prevents a file ``name``: a folder of that name, or a file with the name of one of its
        folders; "" if nothing."""
        if name in self._folders:
            return name
        return next((one for one in _folders(name) if self.find(one)), "")

    @cached_property
    def _folders(self) -> set[str]:
        return {folder for name in (*self._called, *self._kept) for folder in _folders(name)}

    def below(self, folder: str) -> Iterator[tuple[str, Row]]:
        """The files in ``folder`` ("": all), with their names relative to it."""
        start = f"{folder}/" if folder else ""
        for kept in self._kept:
            name = self._meant.get(kept, kept)
            if name.startswith(start):
                yield name[len(start) :], self._row(kept)

    @property
    def size(self) -> int:
        """The total size of all files in bytes."""
        return sum(int.from_bytes(packed[:SIZE_BYTES]) for packed in self._kept.values())


class Listing:
    """Collects the rows of XNAT's list of files. ``shown`` names the resource in messages."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._found: dict[tuple[str, str], dict[str, Packed]] = {}
        """By the address of the resource's owner, and by the resource's number."""

    def take(self, row: Mapping[str, object]) -> bool:
        """Add ``row``; False if it is not a row of a list of files.

        Only the URI contains the full name of a file (5.18, 5.19). ProtocolViolation, which quotes the URI,
        for a row that cannot mean a file.
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
                f"{self._shown}: XNAT lists a file without a path or size: {_quoted(uri)}"
            )
        try:
            kept.encode()
        except UnicodeEncodeError:  # a lone surrogate: valid in JSON, not in a file name
            raise ProtocolViolation(
                f"{self._shown}: XNAT lists a file with an invalid character: {_quoted(uri)}"
            ) from None
        digest = str(row.get("digest", "")).lower()
        md5 = bytes.fromhex(digest) if DIGEST.fullmatch(digest) else b""
        group = self._found.setdefault((re.sub("/(in|out)$", "", before), number), {})
        group[kept] = size.to_bytes(SIZE_BYTES) + md5
        return True

    def of(self, container: str) -> Catalogue:
        """The catalogue of the files listed.

        If a scan's ID is another scan's type, XNAT lists the files of both, or only of the other (2.2); only
        those of the ``container`` (as in addresses, such as "/scans/1") count.
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
            raise ProtocolViolation(f"{self._shown}: this name matches several resources in XNAT")
        files = next(iter(mine.values()), {})
        if len(mine) > 1:  # the same resource at several addresses
            files = {kept: packed for some in mine.values() for kept, packed in some.items()}
        return Catalogue(files, number, every - numbers)


def _names(kept: Mapping[str, Packed]) -> dict[str, str]:
    """Maps the names that XNAT changed to the original ones, as long as these are unique: if two would be the
    same, one keeps XNAT's name."""
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
    """Whether ``owner`` is the address of the ``container``, if there is one."""
    if not container:
        return True
    _, kind, name = container.split("/", 2)
    return owner.partition(f"/{kind}/")[2].replace("[SLASH]", "/") == name


def _folded(name: str) -> str:
    import unicodedata  # for an error only

    return unicodedata.normalize("NFC", name).casefold()


def _folders(name: str) -> Iterator[str]:
    """The folders that contain the file, innermost first."""
    while name := name.rpartition("/")[0]:
        yield name


def _quoted(uri: str) -> str:
    return ascii(uri)[:LONGEST_SHOWN]
