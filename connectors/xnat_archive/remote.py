"""A resource of XNAT, or a file or folder in it, as a Remote."""

import re
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

from connectors import log
from connectors.access import secrets
from connectors.errors import DataError, NotFound, ProtocolViolation, TemporaryFailure
from connectors.remote import Arrived, Entry, Leaving, Load
from connectors.transfer.arrival import Arrival
from connectors.transfer.departure import Departure
from connectors.transfer.job import Job
from connectors.transfer.part import Version
from connectors.transfer.small import is_small, matches
from connectors.transfer.tree import parents_first
from connectors.verbs import Verb
from connectors.web.reply import Reply, whole_number
from connectors.xnat_archive import unzip
from connectors.xnat_archive.catalogue import Row
from connectors.xnat_archive.place import Place, in_url, put_as
from connectors.xnat_archive.resource import Resource
from connectors.xnat_archive.sender import Sender
from connectors.xnat_archive.session import Session
from connectors.xnat_archive.stream import pulled

CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
WASTE = 1.0  # bytes of other files that an archive may bring, for each byte that is wanted


class XnatRemote:
    """The file or folder at ``place``. Everything is asked of XNAT within one session."""

    presents_password = False  # once, when the session begins

    def __init__(self, session: Session, place: Place, job: Job) -> None:
        self._session = session
        self._place = place
        self._resource = Resource(session, place, sends=job.verb.sends)
        self._sender = Sender(session, place, self._resource, of_directory=job.verb.of_directory)
        self._looking = threading.Lock()

    def describe(self, path: str = "") -> str:
        return secrets.shown_url(self.identity(path))

    def identity(self, path: str) -> str:
        name = self._place.name(path)
        return f"{self._session.base}{self._place.files}{'/' if name else ''}{in_url(name)}"

    def open(self) -> None:
        """The log-in: it rides on the first thing that is asked, which is small."""
        self._resource.resolve()

    def inspect(self, local: str, name: str) -> None:
        """Any file will do."""

    def check(self, verb: Verb, path: str) -> None:
        if verb.sends:
            self._sender.check(path)
        elif verb.of_directory and not path:
            for _ in self.entries():
                break
        else:
            self._row(path)

    # -- receiving ---------------------------------------------------------------------------------

    def read(self, path: str, arrival: Arrival) -> None:
        """From ``arrival.offset`` on, if it is of the same version: XNAT knows no If-Range.

        Only what has the length that XNAT lists is taken for the file: a page of HTML can come with 200, and
        so can the file that has just replaced it.
        """
        row = self._row(path)
        offset = arrival.offset
        if offset and row.checksum and arrival.version.validator != str(row.checksum):
            offset = 0
        headers = {"Range": f"bytes={offset}-"} if offset else {}

        def begin(reply: Reply) -> None:
            if reply.status == 206 and offset:
                self._continue(reply, row, path, arrival)
            elif reply.status == 200:
                length = reply.headers.get("content-length", "")
                if whole_number(length) != row.size:
                    self._resource.forget()
                    raise TemporaryFailure(
                        f"{self.describe(path)}: XNAT lists {row.size} bytes and delivers something else",
                        hint="it may be a page about maintenance, or the file has just been replaced",
                    )
                arrival.begin(_version(reply, row))
            elif reply.status == 416 and offset:
                arrival.discard()
                raise TemporaryFailure(f"{self.describe(path)}: has become shorter; starting afresh")
            else:
                self._resource.forget()
                raise self._session.failure(reply)

        self._session.ask("GET", self._address(row), headers=headers, on_reply=begin, sink=arrival.write)

    def _continue(self, reply: Reply, row: Row, path: str, arrival: Arrival) -> None:
        match = CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
        version = _version(reply, row)
        starts_right = match and (int(match[1]), int(match[3])) == (arrival.offset, row.size)
        if not starts_right or version.validator != arrival.version.validator:
            arrival.discard()
            raise TemporaryFailure(f"{self.describe(path)}: continued with something else; starting afresh")
        arrival.begin(version, arrival.offset)

    def _address(self, row: Row) -> str:
        """Where a file can be got: under the name that it was put under, or else under the one it has."""
        name = row.name if row.kept in put_as(row.name) else row.kept
        return f"{self._place.files}/{in_url(name)}"

    def _row(self, path: str) -> Row:
        name = self._place.name(path)
        with self._looking:
            row = self._resource.catalogue().find(name)
        if not row:
            raise NotFound(f"{self.describe(path)}: no such file in the resource {self._place.resource}")
        return row

    # -- directories -------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        found = list(self._resource.catalogue().below(self._place.base))
        if not found:
            self._resource.must_exist()
            if self._place.base:
                raise NotFound(f"{self.describe()}: no such folder in the resource {self._place.resource}")
        folders = parents_first(path.rpartition("/")[0] for path, _ in found)
        for folder in folders:
            if folder:
                yield Entry(folder, True)
        for path, row in found:
            yield Entry(path, False, row.size, row.checksum)

    def make_dir(self, path: str) -> None:
        if path:
            log.warning(f"{self.describe(path)}: not made, XNAT has no empty folders")
        else:
            self._sender.make_resource()

    # -- many at once ------------------------------------------------------------------------------

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        catalogue = self._resource.catalogue()
        return (file for file in files if catalogue.find(self._place.name(file.path)))

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        """In one archive, unless it would bring more of other files than of these."""
        catalogue = self._resource.catalogue()
        wanted: dict[str, tuple[Entry, Row]] = {}
        for file in files:
            row = catalogue.find(self._place.name(file.path))
            if row and is_small(Entry(file.path, False, row.size)):
                wanted[row.kept] = file, row
        size = sum(row.size for _, row in wanted.values())
        if len(wanted) < 2 or catalogue.size - size > WASTE * size:
            return
        try:
            yield from self._unpacked(wanted)
        except (DataError, NotFound) as failure:
            log.info(f"{failure.message}; going on one by one")

    def _unpacked(self, wanted: Mapping[str, tuple[Entry, Row]]) -> Iterator[Arrived]:
        """What arrives of the ``wanted`` files, by the names that XNAT keeps them under."""
        with pulled(self._archive) as blocks:
            for name, content in unzip.members(blocks):
                inside = name.partition("/resources/")[2].partition("/files/")[2]
                found = wanted.get(inside)
                if not found:
                    continue
                file, row = found
                data = _all(content, row.size)
                if len(data) == row.size and matches(data, row.checksum):
                    checksums = (row.checksum,) if row.checksum else ()
                    yield Arrived(file, Version("", row.size, checksums), data)

    def _archive(self, sink: Callable[[bytes], None]) -> None:
        def begin(reply: Reply) -> None:
            if not reply.ok:
                raise self._session.failure(reply)
            if "html" in reply.headers.get("content-type", ""):
                raise ProtocolViolation(f"{self.describe()}: a page of HTML in place of an archive")

        self._session.ask("GET", f"{self._place.files}?format=zip", on_reply=begin, sink=sink)

    # -- sending -----------------------------------------------------------------------------------

    def write(self, path: str, departure: Departure) -> None:
        self._sender.write(path, departure, self.describe(path))

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        return self._sender.write_small(files, load)


def _version(reply: Reply, row: Row) -> Version:
    """By its digest; where the site keeps none, by its date, as good as that is."""
    if row.checksum:
        return Version(str(row.checksum), row.size, (row.checksum,))
    return Version(reply.headers.get("last-modified", ""), row.size)


def _all(blocks: Iterator[bytes], most: int) -> bytes:
    """The ``blocks`` together; of what is longer than ``most``, only so much that this shows."""
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        if size <= most:
            parts.append(block)
        size += len(block)
    return b"".join(parts)
