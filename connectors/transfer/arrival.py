"""How a file appears: whole and checked under its name, or not at all.

Until then its bytes are in a hidden *part* file next to the target. A small *state* file records which
version of which source they belong to, so that the next attempt or the next process, even after a
``kill -9``, resumes where this one ended.
"""

import os
import stat
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from connectors.checksum import hasher
from connectors.errors import (
    CannotCreate,
    ChecksumError,
    DataError,
    RedError,
    TemporaryFailure,
)
from connectors.local import container
from connectors.local.files import cannot_create
from connectors.local.names import clean
from connectors.model import Checksum, Version
from connectors.transfer.folders import LocalFile
from connectors.transfer.job import Cancelled, Job
from connectors.transfer.part import Part, version_of

if TYPE_CHECKING:
    from hashlib import _Hash


class Arrival:
    """One file that is received into ``target``: a connectors.remote.Sink and a context manager.

    ``source`` identifies the origin: bytes of another origin are never resumed. ``size`` (bytes) and
    ``checksum`` were promised, for example by a listing. With ``refresh``, an existing file that
    is still current is not fetched again. ``expected`` (bytes) is only for progress.

    Leaving without ``commit`` keeps the part if a later call can resume from it, and removes it otherwise.
    """

    def __init__(
        self,
        target: LocalFile,
        source: str,
        job: Job,
        *,
        size: int | None = None,
        checksum: Checksum | None = None,
        refresh: bool = False,
        expected: int | None = None,
    ) -> None:
        self.path = target.path
        self.moved = True
        self._target = target
        self._source = source
        self._job = job
        self._promised_size = size
        self._promised = (checksum,) if checksum else ()
        self._refresh = refresh
        self._part: Part
        self._old: os.stat_result | None = None
        self._expected = expected or size or 0
        self._limit: int | None = None  # bytes
        self._hashes: dict[str, _Hash] = {}
        self._hashed = 0

    # -- what a connector uses: see Sink ------------------------------------------------------------

    @property
    def offset(self) -> int:
        version, size = self._part.version, self._part.size
        if not version.validator:
            return 0
        return size if version.size is None else max(0, min(size, version.size - 1))

    @property
    def version(self) -> Version:
        return self._part.version

    @property
    def current_if(self) -> str:
        if (
            not (self._refresh and self._old) or self.offset or self._promised
        ):  # a checksum has already been compared
            return ""
        if self._promised_size not in (None, self._old.st_size):
            return ""
        return version_of(self._target.folder, self._target.name, self._source)

    @property
    def size(self) -> int:
        return self._part.size

    def begin(self, version: Version, offset: int = 0) -> None:
        if self._promised_size is not None and version.size not in (None, self._promised_size):
            raise DataError(
                f"{self.path}: expected {self._promised_size} bytes, the server has {version.size}"
            )
        before = self._part.version
        if offset and (offset > self.offset or version.validator != before.validator):
            self.discard()
            raise TemporaryFailure(f"{self.path}: the source changed during the transfer")
        if offset:  # checksums of the whole file from an earlier response still apply
            version = version._replace(checksums=tuple({*before.checksums, *version.checksums}))
        self._job.progress.moved(offset - self._part.size)
        self._job.progress.expect((version.size or 0) - self._expected)
        self._expected = version.size or 0
        self._limit = self._promised_size if version.size is None else version.size
        self._part.begin(version, offset)
        self._rehash()

    def write(self, data: bytes | memoryview) -> None:
        """Called for every 16 KiB or so, so each line costs measurable time."""
        if self._job.cancelled.is_set():
            raise Cancelled
        part = self._part
        if self._limit is not None and part.size + len(data) > self._limit:
            raise DataError(f"{self.path}: more than {self._limit} bytes arrived")
        part.write(data)
        if self._hashes:
            for hash_ in self._hashes.values():
                hash_.update(data)
        self._hashed = part.size
        self._job.progress.moved(len(data))

    def learn(self, late: tuple[Checksum, ...]) -> None:
        version = self._part.version
        self._part.version = version._replace(checksums=(*version.checksums, *late))
        self._rehash()

    def keep(self) -> None:
        self.discard()
        self._job.progress.moved(self._expected)
        self.moved = False

    def discard(self) -> None:
        self._job.progress.moved(-self._part.size)
        self._part.begin(Version(), 0)

    def verify(self) -> None:
        if not self.moved:
            return
        version, here = self._part.version, self._part.size
        if version.size is not None and here < version.size:
            raise TemporaryFailure(f"{self.path}: cut short after {here} of {version.size} bytes")
        if self._promised_size not in (None, here):
            raise DataError(f"{self.path}: expected {self._promised_size} bytes, {here} arrived")
        for checksum in (*self._promised, *version.checksums):
            found = Checksum(checksum.algorithm, self.hexdigest(checksum.algorithm))
            if found != checksum:
                raise ChecksumError(f"{self.path}: checksum should be {checksum}, is {found}")

    # -- what the engine does ----------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._old = check_target(self.path, self._target)
        self._part = Part(self._target, self._source, self._old)
        self._job.progress.moved(self._part.size)
        return self

    def open(self) -> BinaryIO:
        """The bytes received, to inspect them before they are committed."""
        return self._part.read()

    def hexdigest(self, algorithm: str) -> str:
        """Of the bytes received, by an algorithm that was promised, announced, or is for receipts."""
        return self._hashes[algorithm].hexdigest()

    def commit(self) -> None:
        """Move the file to its name."""
        if self.moved:
            self._part.install(remember=self._refresh)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._part.open:
            return
        lasting = isinstance(error, RedError) and not isinstance(error, TemporaryFailure)
        if error and not lasting:
            self._part.leave()
        else:
            self._part.remove()

    def _rehash(self) -> None:
        """Update the needed hashes to the current end of the part."""
        wanted = {checksum.algorithm for checksum in (*self._promised, *self._part.version.checksums)}
        if self._job.receipts.wanted:
            wanted.add("sha256")
        if self._hashed == self._part.size and wanted <= self._hashes.keys():
            return
        self._hashes = {algorithm: hasher(algorithm) for algorithm in sorted(wanted)}
        for block in self._part.blocks() if wanted else ():
            self._job.check_cancelled()
            for hash_ in self._hashes.values():
                hash_.update(block)
        self._hashed = self._part.size


def check_target_dir(target: str) -> None:
    """CannotCreate unless the directory exists or can be made: its parent exists."""
    parent = os.path.dirname(clean(target)) or "."
    if os.path.exists(target) and not os.path.isdir(target):
        raise CannotCreate(f"{target} exists and is not a directory")
    if not os.path.isdir(parent):
        raise CannotCreate(
            f"cannot create {target}: there is no directory {parent}", hint=container.hint(target)
        )


def check_target(target: str, place: LocalFile | None = None) -> os.stat_result | None:
    """What a file called ``target`` would replace; ``place`` is its place, if its folder is open.

    CannotCreate unless its folder exists, and only a file is in the way.
    """
    if place and not os.access(place.name, os.F_OK, dir_fd=place.folder):  # faster than a failing stat
        return None
    try:
        old = os.stat(place.name, dir_fd=place.folder) if place else os.stat(target)
    except FileNotFoundError:
        folder = os.path.dirname(target) or "."
        if not place and not os.path.isdir(folder):
            message = f"cannot create {target}: there is no directory {folder}"
            raise CannotCreate(message, hint=container.hint(target)) from None
        return None
    except OSError as error:
        raise cannot_create(target, error) from None
    if stat.S_ISDIR(old.st_mode):
        raise CannotCreate(f"cannot create {target}: it is a directory")
    if not stat.S_ISREG(old.st_mode):
        raise CannotCreate(f"cannot replace {target}: it is not a regular file")
    return old
