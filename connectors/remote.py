"""The one interface between the engine and the connectors.

Paths are relative to the place that the access document names, with ``/`` between their segments;
``""`` is that place itself. A Remote raises nothing but the errors of connectors.errors: each
connector translates what its library throws at one border. All methods may be called from several
threads at once.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol

from connectors.model import Entry, Verb, Version

if TYPE_CHECKING:
    from connectors.transfer.arrival import Arrival
    from connectors.transfer.departure import Departure


Opened = Callable[[], BinaryIO]
"""Gives a file, open at its start."""


class Remote(Protocol):
    """An open conversation with a data store."""

    presents_password: bool
    """Whether each file shows a password or token that could be wrong."""

    def describe(self, path: str = "") -> str:
        """How to name ``path`` to people and in receipts, e.g. its URL without anything secret."""

    def identity(self, path: str) -> str:
        """What makes ``path`` itself, secrets included; bytes of two identities are never put together."""

    def open(self) -> None:
        """Reach the server and log in, as far as its protocol has such a thing: called first, in a worker,
        and again if it raised a TemporaryFailure. ``connect`` itself asks nobody yet."""

    def check(self, verb: Verb, path: str) -> None:
        """Reachable, let in, and there (or writable): learnt without moving payload or changing anything."""

    def read(self, path: str, arrival: "Arrival") -> None:
        """Deliver the file's bytes into ``arrival``, from ``arrival.offset`` on if the server can."""

    def write(self, path: str, departure: "Departure") -> None:
        """Take the file's bytes from ``departure``; on return they are on the server, whole and verified.

        Directories on the way to ``path`` are made where they are missing. Where names can be changed it
        goes to ``departure.staging_name`` first; if anything ends it, Cancelled included, that name is
        removed within job.TIDY_SECONDS.
        """

    def inspect(self, opened: Opened, name: str) -> None:
        """DataError unless the file, called ``name``, is of the kind that is moved here.

        Called before a file is sent, and when one has been received and is not there yet.
        """

    def entries(self) -> Iterable[Entry]:
        """All files and directories, at any depth, in any order; their names as they are.

        One by one, as they are found: there may be millions, and the engine stops where RED_MAX_ENTRIES says.
        A directory that has something in it may be left out. What cannot be listed to its end is an error,
        never an empty directory. ConfigError with a hint where the server cannot tell.
        """

    def make_dir(self, path: str) -> None:
        """Make a directory that holds no file, and its parents; it may exist."""


SMALL = 1 << 16
"""Bytes: larger files gain nothing from going together."""

MOST_TOGETHER = 10_000
"""Files and directories of a large tree that are in memory at once."""


class Arrived(NamedTuple):
    """A file that was received whole: its content."""

    entry: Entry
    version: Version
    content: bytes


class Leaving(NamedTuple):
    """A file to send: its size in bytes, its SHA-256 if that is for a receipt, its permission bits, where it
    is, the token for its staging_name, and its content; may be empty once delivery has been reported.
    """

    entry: Entry
    size: int
    sha256: str
    mode: int
    source: str
    token: str
    content: bytes


Load = Callable[[Sequence[Entry]], Iterator[Leaving]]
"""Reads files: gives those that can be read and are what was promised."""


class ManyAtOnce(Protocol):
    """What a Remote may offer beside: small files together, where one by one would cost a round trip each.

    All of them take the files of a tree and pass over in silence what does not work out at once; the engine
    then does the rest one by one, with retries and words. Called in one thread.

    A large tree comes in parts, of MOST_TOGETHER files or of ``most_together`` if the Remote has that.
    ``write_small`` gets files of up to SMALL bytes, or of ``most_packed`` if the Remote has that.
    """

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        """Those of the ``files`` that are there and may be read."""

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        """Files that have arrived whole, in any order."""

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        """Those of the ``files`` that are on the server now, whole and verified, under their names.

        ``load`` reads them, one after the other; folders that they are in are made where they are missing.
        """
