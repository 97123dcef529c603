"""The contract between the engine and the connectors, and nothing else.

A connector is a Remote. The engine gives it a Sink to write received bytes into and a Source to read the
bytes to send from; a connector opens no local file. What only some remotes can do is an attribute that is
None in the others: ``many`` and ``file_system``. A variant of a connector is a Decorated.

Paths are relative to the place that the access document names, with ``/`` between their segments;
``""`` is that place itself. A Remote raises nothing but the errors of connectors.errors: each
connector translates what its library throws at one border. All methods may be called from several
threads at once.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, NamedTuple, Protocol

from connectors.local.names import staging_name
from connectors.model import Checksum, Entry, Verb, Version

Opened = Callable[[], BinaryIO]
"""Gives a file, open at its start."""


class Remote(Protocol):
    """A location in a data store, with the connection to it."""

    presents_password: bool
    """Whether each file is requested with a password or token that may be wrong."""

    @property
    def many(self) -> "ManyAtOnce | None":
        """Small files together, where one by one would cost a round trip each."""

    @property
    def file_system(self) -> "FileSystem | None":
        """Serves the directory by FUSE, for mount-dir."""

    def describe(self, path: str = "") -> str:
        """The name of ``path`` in messages and receipts, such as its URL without secrets."""

    def identity(self, path: str) -> str:
        """Identifies ``path``, secrets included; bytes of two identities are never combined."""

    def open(self) -> None:
        """Connect and log in, as far as the protocol has that: called first, in a worker, and again if it
        raised a TemporaryFailure. ``connect`` itself does not contact the server."""

    def check(self, verb: Verb, path: str) -> None:
        """Check that the server is reachable, the log-in works and ``path`` exists (or is writable), without
        transferring data or changing anything."""

    def read(self, path: str, sink: "Sink") -> None:
        """Deliver the file's bytes into ``sink``, from ``sink.offset`` on if the server can."""

    def write(self, path: str, source: "Source") -> None:
        """Take the file's bytes from ``source``; on return they are on the server, whole and verified.

        Directories on the way to ``path`` are made where they are missing. Where names can be changed it
        goes to ``source.staging_name(name)`` first; if anything ends it, Cancelled included, that name is
        removed within job.TIDY_SECONDS.
        """

    def inspect(self, opened: Opened, name: str) -> None:
        """Raise DataError unless this remote may transfer the file, called ``name`` in messages.

        Called before a file is sent, and after one was received, before it appears.
        """

    def entries(self) -> Iterable[Entry]:
        """All files and directories, at any depth, in any order; their names as they are.

        Yielded as they are found: there may be millions, and the engine stops at RED_MAX_ENTRIES. A directory
        that is not empty may be omitted. A listing that cannot be completed is an error, never an empty
        directory. ConfigError with a hint if the server cannot list.
        """

    def make_dir(self, path: str) -> None:
        """Make an empty directory and its parents; it may exist."""


class Sink(Protocol):
    """One file that is received: ``begin``, then ``write`` until its end; or ``keep``.

    Any of these may raise: errors of connectors.errors and Cancelled pass through ``Remote.read``.
    """

    @property
    def offset(self) -> int:
        """How many bytes are here already; ask for the rest.

        Never the whole file, so that there is an answer which proves that the source is still the same.
        """

    @property
    def version(self) -> Version:
        """The version that the bytes up to ``offset`` belong to."""

    @property
    def current_if(self) -> str:
        """The validator of the copy that is here already: if the source still has it, ``keep`` the copy."""

    @property
    def size(self) -> int:
        """How many bytes are here now."""

    def begin(self, version: Version, offset: int = 0) -> None:
        """Bytes of ``version`` follow, from ``offset`` on: 0, or up to ``self.offset`` of the same.

        DataError if its size is not what was promised. TemporaryFailure, and nothing is kept, if it is not
        the version of the bytes before ``offset``.
        """

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes. DataError if there are more than ``begin`` announced."""

    def learn(self, late: tuple[Checksum, ...]) -> None:
        """Checksums of the whole file that were said behind its bytes, which are read once more for them."""

    def keep(self) -> None:
        """The server says that what is here is current."""

    def discard(self) -> None:
        """Throw away what has arrived; the next ``begin`` starts afresh."""

    def verify(self) -> None:
        """What is here is what was announced and promised, or TemporaryFailure (cut short), DataError or
        ChecksumError. The engine calls it after ``Remote.read``; a connector may, to know before.
        """


class Source(Protocol):
    """One file that is sent: ``read`` until it is empty, and ``rewind`` before each further attempt."""

    @property
    def path(self) -> str:
        """The local path, for messages."""

    @property
    def size(self) -> int:
        """In bytes: so many leave, or the transfer fails."""

    @property
    def mode(self) -> int:
        """Its permission bits."""

    @property
    def is_through(self) -> bool:
        """Whether all of it has been read since it was last rewound."""

    def rewind(self) -> None:
        """From the start, for another attempt."""

    def read(self, count: int) -> bytes:
        """The next bytes, at most ``count``; empty at the end.

        DataError if the file has changed since it was opened, before its last bytes have left: so what is
        half the one and half the other is never complete at the server.
        """

    def checksum(self, algorithm: str) -> Checksum:
        """Of the whole file, read for the purpose."""

    def staging_name(self, name: str) -> str:
        """The hidden name to send it under until it is complete and can be called ``name``."""

    def skip(self) -> None:
        """It is not sent, and that is no error: it gets no receipt."""


SMALL = 1 << 16
"""Bytes: larger files gain nothing from being transferred together."""

MOST_TOGETHER = 10_000
"""Files and directories of a large tree that are in memory at once."""


def is_small(entry: Entry, most: int = SMALL) -> bool:
    """Whether it may be transferred together with others; an entry of unknown size may."""
    return not entry.is_dir and (entry.size is None or entry.size <= most)


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

    def staging_name(self, name: str) -> str:
        """As that of a Source."""
        return staging_name(name, self.source, self.token)


Load = Callable[[Sequence[Entry]], Iterator[Leaving]]
"""Reads files: yields those that can be read and match the listing."""


class ManyAtOnce(Protocol):
    """Small files together.

    All methods take the files of a tree and skip what does not succeed at the first attempt, silently; the
    engine then transfers the rest one by one, with retries and messages. Called in one thread.
    """

    @property
    def most_together(self) -> int:
        """A larger tree comes in parts, of so many files and directories: usually MOST_TOGETHER."""

    @property
    def most_packed(self) -> int:
        """The size in bytes of the largest file that ``write_small`` gets: usually SMALL."""

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        """Yield those of the ``files`` that exist and may be read."""

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        """Yield files that have been received whole, in any order."""

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        """Yield those of the ``files`` that are on the server, whole and verified, under their final names.

        ``load`` reads them one by one; missing folders are made.
        """


class Program(NamedTuple):
    """A program that mounts, stays in the foreground, and takes the mount point as its last argument.

    ``kind`` and ``source`` are what mountinfo shows of it; ``inherited`` are descriptors that it gets.
    Of the environment it sees no more than where programs are. An error may be a line of JSON as
    connectors.log writes it; anything else that it says is put into one.
    """

    command: Sequence[str]
    kind: str
    source: str
    read_only: bool
    inherited: Sequence[int] = ()


FileSystem = Callable[[], AbstractContextManager[Program]]
"""The program that mounts the directory, to be started any number of times before the end of the block.

Called when check(MOUNT_DIR, "") has succeeded. Unavailable if it is not installed.
"""


class Decorated(Remote):
    """Wraps another remote of any protocol and changes part of it: the base of every variant.

    Each file passes ``inspect``, and ``read`` or ``write``: the fast paths of the wrapped remote are not
    offered, unless a subclass offers them again.
    """

    many: ManyAtOnce | None = None
    file_system: FileSystem | None = None

    def __init__(self, remote: Remote) -> None:
        self.remote = remote
        self.presents_password = remote.presents_password

    def describe(self, path: str = "") -> str:
        return self.remote.describe(path)

    def identity(self, path: str) -> str:
        return self.remote.identity(path)

    def open(self) -> None:
        self.remote.open()

    def check(self, verb: Verb, path: str) -> None:
        self.remote.check(verb, path)

    def read(self, path: str, sink: Sink) -> None:
        self.remote.read(path, sink)

    def write(self, path: str, source: Source) -> None:
        self.remote.write(path, source)

    def inspect(self, opened: Opened, name: str) -> None:
        self.remote.inspect(opened, name)

    def entries(self) -> Iterable[Entry]:
        return self.remote.entries()

    def make_dir(self, path: str) -> None:
        self.remote.make_dir(path)
