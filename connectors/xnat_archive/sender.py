"""Sending to a resource of XNAT, one file after another: several writers at once break its catalogue.

XNAT answers 200 to a file that it has not stored, because it exists or because the user may not write. So
everything is looked for afterwards.
"""

import threading
from collections.abc import Generator, Iterator, Sequence

from connectors.access import secrets
from connectors.errors import CannotCreate, DataError, ProtocolViolation, RedError
from connectors.remote import Entry, Leaving, Load
from connectors.transfer.checksum import Checksum, hasher
from connectors.transfer.departure import Departure
from connectors.web.exchange import Source
from connectors.web.reply import Reply
from connectors.xnat_archive import bodies, place
from connectors.xnat_archive.catalogue import Catalogue, Row
from connectors.xnat_archive.place import Place, in_url, query
from connectors.xnat_archive.resource import Resource
from connectors.xnat_archive.session import Session

LARGE = 1 << 20  # bytes: before more than that is sent, it is asked whether it may be
LARGEST_ARCHIVE = 32 << 20  # bytes: it is made in memory
OCTETS = "application/octet-stream"
ARCHIVE_NAME = "red-connectors.zip"


class Sender:
    def __init__(self, session: Session, place: Place, resource: Resource, *, of_directory: bool) -> None:
        self._session = session
        self._place = place
        self._resource = resource
        self._of_directory = of_directory
        self._writing = threading.Lock()
        self._tried: set[str] = set()
        self._refusal: RedError | None = None

    def check(self, path: str) -> None:
        """What can be known without changing anything; whether this user may write cannot."""
        name = self._place.name(path)
        if self._of_directory or not self._resource.is_owned or self._place.overwrite:
            return
        if self._resource.catalogue().find(name):
            raise self._exists(name)

    def make_resource(self) -> None:
        with self._writing:
            self._resource.make_owner()
            self._resource.make()

    # -- one file ----------------------------------------------------------------------------------

    def write(self, path: str, departure: Departure, shown: str) -> None:
        with self._writing:
            if self._refusal:
                raise self._refusal
            try:
                self._write(self._place.name(path), departure, shown)
            except RedError:
                self._resource.forget()  # whatever has come of it: the next attempt looks first
                raise

    def _write(self, name: str, departure: Departure, shown: str) -> None:
        again = name in self._tried
        # XNAT says itself that a file exists; only another spelling, or a large file, is looked for before.
        looks = self._of_directory or again or departure.size > LARGE or in_url(name) != name
        self._resource.make_owner()
        before = self._resource.catalogue().find(name) if looks else None
        leaving = bodies.Leaving(departure)
        looks_the_same = before and (self._of_directory or again) and before.size == departure.size
        if before and looks_the_same and self._checksum_of(before) == leaving.read_through():
            return
        if before and not self._place.overwrite:
            raise self._exists(name)
        self._must_be_replaceable(name, before)
        if departure.size > LARGE or (before and not before.checksum):
            self._ask_for_leave()
        self._tried.add(name)
        taken = self._put(name, leaving)
        self._resource.forget()
        after = self._resource.catalogue().find(name)
        if not taken:
            if after and not looks:
                raise self._exists(name)
            self._must_be_there(name, after or self._repaired(name), leaving)
            return
        is_it = after and _is(after, leaving.size, leaving.checksum)
        if not is_it or not (looks or (after and after.checksum)):  # it may be the old one
            self._ask_for_leave()
        if not after:
            raise ProtocolViolation(f"{shown}: XNAT took the file, and does not list it")
        if not is_it:
            raise DataError(f"{shown}: XNAT has other bytes than were sent: {after.size}, {after.checksum}")

    def _put(self, name: str, source: Source) -> bool:
        """Whether XNAT has taken it: False if it says that there is such a file."""
        facts = dict(self._place.facts)
        if self._place.overwrite:
            facts["overwrite"] = "true"
        kind = OCTETS
        if source.size:
            facts["inbody"] = "true"
        else:
            source.rewind()  # nothing is to be read of it, but that may be counted
            empty, kind = bodies.empty_file()
            source = bodies.Content(empty)
        reply = self._session.ask(
            "PUT",
            f"{self._place.files}/{in_url(name)}{query(facts)}",
            headers={"Content-Type": kind},
            source=source,
        )
        if not reply.ok:
            raise self._session.failure(reply)
        return b'"duplicates"' not in reply.body

    def _repaired(self, name: str) -> Row | None:
        """A file that is on XNAT's disk and not in its list, left by a writer whom another one disturbed."""
        facts = query({"resource": self._place.own_resource.removeprefix("/data"), "options": "append"})
        self._session.ask("POST", f"/data/services/refresh/catalog{facts}")
        self._resource.forget()
        return self._resource.catalogue().find(name)

    def _must_be_there(self, name: str, row: Row | None, leaving: bodies.Leaving) -> None:
        """That somebody has sent the same is as good."""
        if not row or self._checksum_of(row) != leaving.checksum:
            raise self._exists(name)

    def _must_be_replaceable(self, name: str, before: Row | None) -> None:
        """Put again, it would be there twice, in two spellings, and nobody could say which one is meant."""
        if before and before.kept not in place.put_as(name):
            raise CannotCreate(
                f"{self._shown(name)}: it is there as {before.kept}, which cannot be replaced by this name",
                hint="remove that file first",
            )

    def _ask_for_leave(self) -> None:
        self._refusal = self._resource.may_be_written()
        if self._refusal:
            raise self._refusal

    def _checksum_of(self, row: Row) -> Checksum:
        """Of a file in the archive; where the site keeps none, by fetching the file."""
        if row.checksum:
            return row.checksum
        digest = hasher("md5")

        def begin(reply: Reply) -> None:
            if not reply.ok:
                raise self._session.failure(reply)

        address = f"{self._place.files}/{in_url(row.name)}"
        self._session.ask("GET", address, on_reply=begin, sink=digest.update)
        return Checksum("md5", digest.hexdigest())

    def _exists(self, name: str) -> RedError:
        return CannotCreate(
            f"{self._shown(name)}: a file of this name exists"
            + (", with other content" if self._of_directory else ""),
            hint="set overwriteExistingFile to true to replace it",
        )

    def _shown(self, name: str) -> str:
        return secrets.shown_url(f"{self._session.base}{self._place.files}/{in_url(name)}")

    # -- small ones --------------------------------------------------------------------------------

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        """In archives that XNAT unpacks, as far as names stay the same by that; the others one by one."""
        with self._writing:
            self._resource.make_owner()  # a round trip only if there is none
            before = self._resource.catalogue()
            self._ask_for_leave()
            sent: list[tuple[Leaving, Checksum]] = []
            try:
                for left, checksum in self._sent(before, files, load):
                    there = before.find(self._place.name(left.entry.path))
                    if there and _is_surely(there, left.size, checksum):
                        yield left
                    else:
                        sent.append((left, checksum))
            finally:
                self._resource.forget()
            after = self._resource.catalogue() if sent else before
            for left, checksum in sent:
                row = after.find(self._place.name(left.entry.path))
                if row and _is(row, left.size, checksum):
                    yield left

    def _sent(
        self, before: Catalogue, files: Sequence[Entry], load: Load
    ) -> Iterator[tuple[Leaving, Checksum]]:
        """Those that were sent, or need not be because they are there."""
        packed: list[Leaving] = []
        size = 0
        for left in load(files):
            name = self._place.name(left.entry.path)
            row = before.find(name)
            checksum = bodies.md5(left.content)
            if row and _is_surely(row, left.size, checksum):
                yield left._replace(content=b""), checksum
            elif row and (not self._place.overwrite or not row.checksum):
                continue  # left to ``write``, which has the time and the words
            elif place.is_kept(name) and (not row or row.kept == name):
                packed.append(left)
                size += left.size
                yield left._replace(content=b""), checksum
            elif not row or row.kept in place.put_as(name):
                self._put(name, bodies.Content(left.content))
                yield left._replace(content=b""), checksum
            if size > LARGEST_ARCHIVE:
                self._extract(packed)
                packed, size = [], 0
        if packed:
            self._extract(packed)

    def _extract(self, packed: Sequence[Leaving]) -> None:
        """XNAT unpacks into the top of the resource, whatever the address says."""
        content = bodies.archive((self._place.name(left.entry.path), left.content) for left in packed)
        facts = {**self._place.facts, "inbody": "true", "extract": "true"}
        if self._place.overwrite:
            facts["overwrite"] = "true"
        reply = self._session.ask(
            "PUT",
            f"{self._place.files}/{ARCHIVE_NAME}{query(facts)}",
            headers={"Content-Type": "application/zip"},
            source=bodies.Content(content),
        )
        if not reply.ok:
            raise self._session.failure(reply)


def _is(row: Row, size: int, checksum: Checksum) -> bool:
    """Whether a file in the archive is one of this size and checksum, as far as the site says."""
    return row.size == size and row.checksum in (None, checksum)


def _is_surely(row: Row, size: int, checksum: Checksum) -> bool:
    return row.size == size and row.checksum == checksum
