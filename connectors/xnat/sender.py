"""Sending to a resource of XNAT, one file after another: concurrent writers break its catalogue (5.8).

XNAT answers 200 to a file that it has not stored, because it exists or because the user may not write
(5.4, 5.6). So everything is looked for afterwards. The numbers are those of docs/xnat-rest-api.md.
"""

import json
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple

from connectors import secrets
from connectors.checksum import hasher
from connectors.errors import (
    CannotCreate,
    DataError,
    NotPermitted,
    ProtocolViolation,
    RedError,
)
from connectors.http.transport.reply import Reply
from connectors.model import Checksum, Entry
from connectors.remote import Leaving, Load, Source
from connectors.xnat import addresses, bodies
from connectors.xnat.addresses import Place, in_url, query
from connectors.xnat.bodies import Content, HashedSource
from connectors.xnat.catalogue import Catalogue, Row
from connectors.xnat.resource import Resource
from connectors.xnat.xnat_session import Session

LARGE = 1 << 20  # bytes: before a larger file is sent, check the permission
MOST_PACKED = 8 << 20  # bytes: larger files gain little from an archive
LARGEST_ARCHIVE = 12 << 20  # bytes: it grows in memory, which takes 73 MiB at most; with 16 << 20 it took 88
SMALLEST_ARCHIVE = 64 << 10  # bytes: whatever a server refuses as too large, archives do not get smaller
TOO_LARGE = 413
ARCHIVE_NAME = "red-connectors.zip"


class Before(NamedTuple):
    """What existed before a file was sent, if that was looked up."""

    looked: bool
    row: Row | None = None

    @property
    def surely_nothing(self) -> bool:
        return self.looked and not self.row


class Sender:
    def __init__(self, session: Session, place: Place, resource: Resource, *, of_directory: bool) -> None:
        self._session = session
        self._place = place
        self._resource = resource
        self._of_directory = of_directory
        self._writing = threading.Lock()  # one writer at a time (5.8)
        self._tried: set[str] = set()
        self._refusal: RedError | None = None
        self._largest_archive = LARGEST_ARCHIVE

    def check(self, path: str) -> None:
        """Check what is possible without changing anything; write permission is not."""
        name = self._place.name(path)
        if self._of_directory or not self._resource.is_owned:
            return
        catalogue = self._resource.catalogue()
        if obstacle := self._obstacle(name, catalogue):
            raise obstacle
        if catalogue.find(name) and not self._place.overwrite:
            raise self._exists(name)

    def make_resource(self) -> None:
        """Make the resource unless it contains something."""
        with self._writing:
            self._resource.make_owner()
            if not len(self._resource.catalogue()):
                self._check_write_permission()

    # -- one file ----------------------------------------------------------------------------------

    def write(self, path: str, source: Source) -> None:
        with self._writing:
            if self._refusal:
                raise self._refusal
            try:
                self._write(self._place.name(path), HashedSource(source))
            except RedError:
                self._resource.forget()  # the next attempt looks first
                raise

    def _write(self, name: str, leaving: HashedSource) -> None:
        self._resource.make_owner()
        before = self._looked_for(name, leaving)
        if before.row and self._is_same(name, before.row, leaving):
            return
        if before.row and not self._place.overwrite:
            raise self._exists(name)
        if before.row and (fixed := self._fixed(name, before.row)):
            raise fixed
        if leaving.size > LARGE:
            self._check_write_permission()
        self._tried.add(name)
        source, kind = bodies.of_file(leaving)
        if self._put(name, source, kind):
            self._must_have_arrived(name, before, leaving)
        else:
            self._must_be_the_same(name, leaving, may_be_ours=before.looked or source.was_repeated)

    def _looked_for(self, name: str, leaving: HashedSource) -> Before:
        """Looked for are the files of a directory, which may be there and be the same; what an attempt before
        this one has tried; a large file, before it is sent; and what may be there in another spelling (5.13).
        Of any other XNAT says itself that it exists (5.4)."""
        again = name in self._tried
        if not (self._of_directory or again or leaving.size > LARGE or in_url(name) != name):
            return Before(looked=False)
        catalogue = self._resource.catalogue()
        if obstacle := self._obstacle(name, catalogue):
            raise obstacle
        return Before(looked=True, row=catalogue.find(name))

    def _is_same(self, name: str, row: Row, leaving: HashedSource) -> bool:
        """Whether what is there need not be sent: twice is the same as once, but for a single file, which is
        not to exist, unless an attempt before this one has sent it."""
        matters = self._of_directory or name in self._tried
        return matters and row.size == leaving.size and self._checksum_of(row) == leaving.read_through()

    def _put(self, name: str, source: HashedSource | Content, kind: str) -> bool:
        """Whether XNAT accepted it: False if it says that the file exists."""
        facts = dict(self._place.facts)
        if self._place.overwrite:
            facts["overwrite"] = "true"
        if kind == bodies.OCTETS:
            facts["inbody"] = "true"
        reply = self._session.ask(
            "PUT",
            self._place.url_of(name) + query(facts),
            headers={"Content-Type": kind},
            source=source,
        )
        if reply.status == 500:  # what cannot be, and what may pass: the list tells
            self._resource.forget()
            if obstacle := self._obstacle(name, self._resource.catalogue()):
                raise obstacle
            if addresses.is_xnats_own(name):
                raise self._irreplaceable(name)
        return self._has_taken(reply)

    def _has_taken(self, reply: Reply) -> bool:
        """Success is 200 and nothing else in the answer (5.3), or a list of what was there already (5.4):
        anything else, a page above all, comes from a proxy in front of XNAT."""
        if not reply.ok:
            raise self._session.failure(reply)
        if reply.status == 200 and not reply.body.strip():
            return True
        try:
            if reply.status == 200 and isinstance(json.loads(reply.body)["duplicates"], list):
                return False
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise self._session.nonsense(reply)

    def _must_have_arrived(self, name: str, before: Before, leaving: HashedSource) -> None:
        self._resource.forget()
        row = self._resource.catalogue().find(name)
        if self._has_arrived(row, before, leaving):
            return
        self._check_write_permission()
        shown = self._shown(name)
        if not row:
            raise ProtocolViolation(f"{shown}: XNAT accepted the file but does not list it")
        raise DataError(
            f"{shown}: XNAT has other bytes than were sent: {row.size}, {row.checksum or 'no MD5'}"
        )

    def _has_arrived(self, row: Row | None, before: Before, leaving: HashedSource) -> bool:
        """Without digests on the site, a file that may have existed before is read again."""
        if row is None or row.size != leaving.size:
            return False
        surely_new = before.surely_nothing and not row.checksum
        return surely_new or self._checksum_of(row) == leaving.checksum

    def _must_be_the_same(self, name: str, leaving: HashedSource, *, may_be_ours: bool) -> None:
        """XNAT says that the file exists. If it was not there before, or was sent twice because the first
        answer was lost, it may be this one. A file that is on XNAT's disk and not in its list may be as well:
        a writer whom another one disturbed leaves that."""
        self._resource.forget()
        row = self._resource.catalogue().find(name)
        if row and not may_be_ours:
            raise self._exists(name)
        if not row:
            row = self._repaired(name)
        if not row or self._checksum_of(row) != leaving.checksum:
            raise self._exists(name)

    def _repaired(self, name: str) -> Row | None:
        """Make XNAT list a file that is only on its disk (5.9)."""
        facts = query({"resource": self._place.resource_url.removeprefix("/data"), "options": "append"})
        self._session.ask("POST", f"/data/services/refresh/catalog{facts}")
        self._resource.forget()
        return self._resource.catalogue().find(name)

    # -- what cannot be ----------------------------------------------------------------------------

    def _obstacle(self, name: str, catalogue: Catalogue) -> CannotCreate | None:
        """Why there can be no file of this name: XNAT would say 500, today and for ever (5.26, 5.27)."""
        if addresses.is_catalogue(self._place.resource, name):
            return CannotCreate(
                f"{self._shown(name)}: XNAT keeps its own list of the files of this resource under that name",
                hint="give the file another name, or the resource another label",
            )
        other = catalogue.in_the_way(name)
        if other == name:
            return CannotCreate(f"{self._shown(name)}: {name} is a folder in this resource")
        if other:
            return CannotCreate(f"{self._shown(name)}: {other} is a file in this resource, not a folder")
        return None

    def _fixed(self, name: str, row: Row) -> CannotCreate | None:
        """Why the file that is there cannot be replaced. Put again in another spelling, it would be there
        twice, and nobody could say which one is meant (5.13)."""
        if row.kept not in addresses.put_as(name):
            return CannotCreate(
                f"{self._shown(name)}: it is there as {row.kept}, which cannot be replaced by this name",
                hint="remove that file first",
            )
        return self._irreplaceable(name) if addresses.is_xnats_own(name) else None

    def _irreplaceable(self, name: str) -> CannotCreate:
        """For a name that is one of XNAT's own (5.26)."""
        return CannotCreate(
            f"{self._shown(name)}: XNAT treats a file with this name as its own and cannot replace it",
            hint="give it another name, or remove the existing one first",
        )

    def _check_write_permission(self) -> None:
        """A file that may not be written gets 200 like any other; the resource itself is answered truly
        (4.3, 5.6)."""
        try:
            self._resource.make()
        except NotPermitted as refusal:
            refusal.for_all = True
            self._refusal = refusal
            raise

    def _exists(self, name: str) -> RedError:
        return CannotCreate(
            f"{self._shown(name)}: a file of this name exists"
            + (", with other content" if self._of_directory else ""),
            hint="set overwriteExistingFile to true to replace it",
        )

    def _shown(self, name: str) -> str:
        return secrets.shown_url(self._session.base + self._place.url_of(name))

    def _checksum_of(self, row: Row) -> Checksum:
        """The checksum of a file in the archive; without digests on the site, fetch the file."""
        if row.checksum:
            return row.checksum
        digest = hasher("md5")

        def begin(reply: Reply) -> None:
            if not reply.ok:
                raise self._session.failure(reply)

        address = self._place.file_url(row.name, row.kept, self._resource.catalogue().number)
        self._session.ask("GET", address, on_reply=begin, sink=digest.update)
        return Checksum("md5", digest.hexdigest())

    # -- many files --------------------------------------------------------------------------------

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        """In archives that XNAT unpacks, as far as names stay the same by that; the others one by one, all
        looked for with one list for each archive. Container and resource are made if need be."""
        with self._writing:
            self._resource.make_owner()
            before = self._resource.catalogue()
            self._check_write_permission()
            try:
                yield from self._sent(before, load(files))
            finally:
                self._resource.forget()

    def _sent(self, before: Catalogue, loaded: Iterator[Leaving]) -> Iterator[Leaving]:
        """Those that have arrived, or are up to date already."""
        archive, under_way = bodies.Archive(), list[tuple[Leaving, Checksum]]()
        for left in loaded:
            name, checksum = self._place.name(left.entry.path), bodies.md5(left.content)
            row = before.find(name)
            if row and _is_surely(row, left.size, checksum):
                yield left._replace(content=b"")
                continue
            if not self._is_easy(name, row, before):
                continue
            if addresses.is_kept(name) and (not row or row.kept == name):
                if archive.count and archive.size + left.size > self._largest_archive:
                    yield from self._arrived(archive, under_way)
                    archive, under_way = bodies.Archive(), []
                archive.add(name, left.content)
            elif not self._has_put(name, left.content):
                continue
            under_way.append((left._replace(content=b""), checksum))
        if under_way:
            yield from self._arrived(archive, under_way)

    def _is_easy(self, name: str, row: Row | None, before: Catalogue) -> bool:
        """Otherwise it is left to ``write``, with its retries and messages."""
        if self._obstacle(name, before):
            return False
        if not row:
            return True
        return self._place.overwrite and row.checksum is not None and not self._fixed(name, row)

    def _has_put(self, name: str, content: bytes) -> bool:
        try:
            return self._put(name, *bodies.of_file(Content(content)))
        except CannotCreate:  # this file alone
            return False

    def _arrived(
        self, archive: bodies.Archive, under_way: Sequence[tuple[Leaving, Checksum]]
    ) -> Iterator[Leaving]:
        """Those that are there once the ``archive`` has been sent too. Where the site keeps no digests, none
        of these was there before."""
        all_new = not archive.count or self._extract(archive)
        self._resource.forget()
        after = self._resource.catalogue()
        for left, checksum in under_way:
            row = after.find(self._place.name(left.entry.path))
            if row and row.size == left.size and (row.checksum == checksum or (all_new and not row.checksum)):
                yield left

    def _extract(self, archive: bodies.Archive) -> bool:
        """Whether all has been taken. XNAT unpacks into the resource's top, whatever the address says
        (5.10).

        What is too large for the server, or for a proxy in front of it, is sent in two halves, and what
        follows in archives of that size.
        """
        facts = {**self._place.facts, "inbody": "true", "extract": "true"}
        if self._place.overwrite:
            facts["overwrite"] = "true"
        reply = self._session.ask(
            "PUT",
            self._place.url_of(ARCHIVE_NAME) + query(facts),
            headers={"Content-Type": "application/zip"},
            source=Content(archive.finished()),
        )
        if reply.status != TOO_LARGE:
            return self._has_taken(reply)
        self._largest_archive = max(SMALLEST_ARCHIVE, min(self._largest_archive, archive.size) // 2)
        if archive.count == 1:
            return False
        taken = [self._extract(half) for half in archive.halves()]
        return all(taken)


def _is_surely(row: Row, size: int, checksum: Checksum) -> bool:
    return row.size == size and row.checksum == checksum
