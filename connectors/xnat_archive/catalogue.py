"""What a resource holds: the rows of XNAT's list of files, and which file each of them means."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from connectors.errors import ProtocolViolation
from connectors.transfer.checksum import DIGEST_SIZES, Checksum
from connectors.web.reply import whole_number
from connectors.xnat_archive.place import meant_by, put_as

BEHIND = re.compile(r"/resources/[^/]+/files/(.+)", re.DOTALL)
DIGEST = re.compile(f"[0-9a-f]{{{2 * DIGEST_SIZES['md5']}}}")


class Row(NamedTuple):
    """A file in a resource: ``kept`` is what XNAT calls it, ``name`` what was meant.

    ``size`` is in bytes; ``checksum`` is None where the site keeps none.
    """

    name: str
    kept: str
    size: int
    checksum: Checksum | None


class Catalogue:
    """The files of one resource, by both names."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._kept = {row.kept: row for row in rows}
        self._named = {row.name: row for row in self._kept.values()}

    def find(self, name: str) -> Row | None:
        """The file that ``name`` means."""
        row = self._named.get(name)
        return row or next((self._kept[one] for one in (*put_as(name), name) if one in self._kept), None)

    def below(self, folder: str) -> Iterator[tuple[str, Row]]:
        """The files in ``folder`` ("": all), with their names as seen from there."""
        start = f"{folder}/" if folder else ""
        return ((name[len(start) :], row) for name, row in self._named.items() if name.startswith(start))

    @property
    def size(self) -> int:
        """Of all files, in bytes."""
        return sum(row.size for row in self._kept.values())


def of(rows: Iterable[Mapping[str, str]], container: str, shown: str) -> Catalogue:
    """The catalogue that the ``rows`` of a list of files make.

    Where a scan's ID is another scan's type, XNAT lists the files of both; only those of the ``container``
    (as it stands in addresses, e.g. "/scans/1") count. ``shown`` names the resource for messages.
    """
    rows = list(rows)
    if len({row.get("cat_ID", "") for row in rows}) > 1:
        rows = [row for row in rows if _owner(row).endswith(container)]
        if len({row.get("cat_ID", "") for row in rows}) != 1:
            raise ProtocolViolation(f"{shown}: XNAT takes this for several resources")
    found = [_facts(row, shown) for row in rows]
    taken = {kept for kept, _, _ in found}
    meant: set[str] = set()
    result = []
    for kept, size, checksum in found:
        name = meant_by(kept)
        if name != kept and (name in taken or name in meant):
            name = kept  # another file is called so: each keeps a name of its own
        meant.add(name)
        result.append(Row(name, kept, size, checksum))
    return Catalogue(result)


def _owner(row: Mapping[str, str]) -> str:
    """The address of what a file's resource belongs to, as XNAT has it."""
    return re.sub("/(in|out)$", "", row.get("URI", "").partition("/resources/")[0])


def _facts(row: Mapping[str, str], shown: str) -> tuple[str, int, Checksum | None]:
    uri, number = row.get("URI", ""), row.get("cat_ID", "")
    _, found, kept = uri.partition(f"/resources/{number}/files/")
    match = BEHIND.search(uri)
    kept = kept if found else match[1] if match else ""
    size = whole_number(row.get("Size", ""))
    if not kept or size is None:
        raise ProtocolViolation(f"{shown}: XNAT lists a file without a place or a size")
    digest = row.get("digest", "").lower()
    return kept, size, Checksum("md5", digest) if DIGEST.fullmatch(digest) else None
