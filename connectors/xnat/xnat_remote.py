"""A resource of XNAT, or a file or folder in it, as a Remote."""

from collections.abc import Callable, Generator, Iterator, Sequence

from connectors import log, secrets
from connectors.archives import unzip
from connectors.checksum import matches
from connectors.errors import ChecksumError, DataError, NotFound, RedError, TemporaryFailure
from connectors.http.ranges import check_end, go_on
from connectors.http.transport.pulled import pulled
from connectors.http.transport.reply import Reply, whole_number
from connectors.model import Entry, Verb, Version
from connectors.remote import Arrived, Leaving, Load, ManyAtOnce, Opened, Sink, Source, is_small
from connectors.xnat.addresses import Place
from connectors.xnat.catalogue import Catalogue, Row
from connectors.xnat.resource import Resource
from connectors.xnat.sender import MOST_PACKED, Sender
from connectors.xnat.xnat_session import Session

HTML_NAMES = (".htm", ".html", ".xhtml", ".shtml")
OVERHEAD = 4096  # bytes per file in an archive in addition to its content: mostly its names


class XnatRemote:
    """The file or folder at ``place``, through ``session``."""

    presents_password = False  # the first request, in ``open``, detects a wrong one
    file_system = None
    most_together = 1_000_000  # one archive contains all: each batch would download it again
    most_packed = MOST_PACKED

    def __init__(self, session: Session, place: Place, verb: Verb) -> None:
        self._session = session
        self._place = place
        self._resource = Resource(session, place, sends=verb.sends)
        self._sender = Sender(session, place, self._resource, of_directory=verb.of_directory)

    def describe(self, path: str = "") -> str:
        return secrets.shown_url(self.identity(path))

    def identity(self, path: str) -> str:
        return self._session.base + self._place.url_of(self._place.name(path))

    def open(self) -> None:
        """Log in with the first request."""
        self._resource.resolve()

    def inspect(self, opened: Opened, name: str) -> None:
        """Any file may be transferred."""

    def check(self, verb: Verb, path: str) -> None:
        if verb.sends:
            self._sender.check(path)
        elif verb.of_directory and not path:
            for _ in self.entries():
                break
        else:
            self._row(path, self._resource.catalogue())

    # -- receiving ---------------------------------------------------------------------------------

    def read(self, path: str, sink: Sink) -> None:
        """Resume at ``sink.offset`` if the version is the same: XNAT does not support If-Range
        (docs/xnat-rest-api.md, 5.16)."""
        catalogue = self._resource.catalogue()
        row = self._row(path, catalogue)
        offset = sink.offset
        if offset and row.checksum and sink.version.validator != str(row.checksum):
            offset = 0
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        end = -1

        def begin(reply: Reply) -> None:
            nonlocal end
            if reply.status in (206, 416) and offset:
                end = go_on(reply, _version(reply, row), sink, self.describe(path))
            elif reply.status == 200 and self._is_it(reply, row):
                sink.begin(_version(reply, row))
            else:
                self._resource.forget()
                raise self._not_it(reply, row, path)

        try:
            self._session.ask(
                "GET",
                self._place.file_url(row.name, row.kept, catalogue.number),
                headers=headers,
                on_reply=begin,
                sink=sink.write,
            )
            if end >= 0:
                check_end(sink, end, self.describe(path))
            sink.verify()
        except ChecksumError:
            self._resource.forget()  # the listed checksum may be of a replaced file
            raise

    @staticmethod
    def _is_it(reply: Reply, row: Row) -> bool:
        """Whether this is the file: its length must be the one that XNAT lists, because an HTML page or a
        newer file can come with 200 as well. Without a digest, HTML is accepted only for an HTML file."""
        is_page = reply.is_html and not row.checksum and not row.name.lower().endswith(HTML_NAMES)
        return whole_number(reply.headers.get("content-length", "")) == row.size and not is_page

    def _not_it(self, reply: Reply, row: Row, path: str) -> RedError:
        if reply.status == 200:
            return TemporaryFailure(
                f"{self.describe(path)}: XNAT lists {row.size} bytes and delivers something else",
                hint="it may be a page about maintenance, or the file has just been replaced",
            )
        failure = self._session.failure(reply)
        if isinstance(failure, NotFound):
            failure.message += "; XNAT lists this file but does not have it"
            failure.hint = (
                "either it has just been removed, or the site has lost it: ask the site's administrator"
            )
        return failure

    def _row(self, path: str, catalogue: Catalogue) -> Row:
        name = self._place.name(path)
        row = catalogue.find(name)
        if row:
            return row
        if not len(catalogue):
            self._resource.must_exist()
        alike = catalogue.lookalike(name)
        raise NotFound(
            f"{self.describe(path)}: no such file in the resource {self._place.resource}",
            hint=f"there is {alike}: compare case, and letters with accents" if alike else "",
        )

    # -- directories -------------------------------------------------------------------------------

    def entries(self) -> Iterator[Entry]:
        """Files only: in XNAT, folders are part of file names."""
        is_empty = True
        for path, row in self._resource.catalogue().below(self._place.base):
            is_empty = False
            yield Entry(path, False, row.size, row.checksum)
        if is_empty:
            self._resource.must_exist()
            if self._place.base:
                raise NotFound(f"{self.describe()}: no such folder in the resource {self._place.resource}")

    def make_dir(self, path: str) -> None:
        if self._place.name(path):
            log.warning(f"{self.describe(path)}: not created: XNAT has no empty folders")
        self._sender.make_resource()

    # -- many files --------------------------------------------------------------------------------

    @property
    def many(self) -> ManyAtOnce:
        return self

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        catalogue = self._resource.catalogue()
        return (file for file in files if catalogue.find(self._place.name(file.path)))

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        """Receive the files in one archive, unless most of its bytes would be other files."""
        catalogue = self._resource.catalogue()
        wanted: dict[str, tuple[Entry, Row]] = {}
        for file in files:
            row = catalogue.find(self._place.name(file.path))
            if row and is_small(Entry(file.path, False, row.size)):
                wanted[row.kept] = file, row
        size = sum(row.size for _, row in wanted.values())
        if len(wanted) < 2 or catalogue.size > 2 * size:
            return
        try:
            yield from self._unpacked(wanted, catalogue)
        except (DataError, NotFound) as failure:
            log.info(f"{failure.message}; continuing one by one")

    def _unpacked(self, wanted: dict[str, tuple[Entry, Row]], catalogue: Catalogue) -> Iterator[Arrived]:
        """The ``wanted`` files that arrive, each once; the keys are XNAT's names for them."""
        most = catalogue.size + OVERHEAD * (len(catalogue) + 1)
        labels = (self._place.resource, catalogue.number or self._place.resource)
        with pulled(lambda sink: self._archive(catalogue, sink)) as blocks:
            for name, content in unzip.members(blocks, most):
                label, _, inside = name.partition("/resources/")[2].partition("/files/")
                found = wanted.pop(inside, None) if label in labels else None
                if not found:
                    continue
                file, row = found
                data = _all(content, row.size)
                if len(data) == row.size and matches(data, row.checksum):
                    checksums = (row.checksum,) if row.checksum else ()
                    yield Arrived(file, Version("", row.size, checksums), data)

    def _archive(self, catalogue: Catalogue, sink: Callable[[bytes], None]) -> None:
        def begin(reply: Reply) -> None:
            if not reply.ok:
                raise self._session.failure(reply)

        self._session.ask(
            "GET", f"{self._place.files_of(catalogue.number)}?format=zip", on_reply=begin, sink=sink
        )

    # -- sending -----------------------------------------------------------------------------------

    def write(self, path: str, source: Source) -> None:
        self._sender.write(path, source)

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        return self._sender.write_small(files, load)


def _version(reply: Reply, row: Row) -> Version:
    """The version by digest, or by date if the site stores no digests."""
    if row.checksum:
        return Version(str(row.checksum), row.size, (row.checksum,))
    return Version(reply.modified, row.size)


def _all(blocks: Iterator[bytes], most: int) -> bytes:
    """The ``blocks`` joined; if longer than ``most``, cut, but still longer than ``most``."""
    parts: list[bytes] = []
    size = 0
    for block in blocks:
        if size <= most:
            parts.append(block)
        size += len(block)
    return b"".join(parts)
