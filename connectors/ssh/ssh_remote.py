"""A location on an SSH server as a Remote: SFTP, and the server's shell where that is faster."""

import os
import stat
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from connectors.errors import (
    CannotCreate,
    DataError,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.local.names import parents_first
from connectors.model import Entry, Verb, Version
from connectors.remote import (
    MOST_TOGETHER,
    SMALL,
    Arrived,
    Leaving,
    Load,
    ManyAtOnce,
    Opened,
    Program,
    Sink,
    Source,
)
from connectors.ssh.sftp import conversation, places, small_files, wire
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.large_file import Download, upload
from connectors.ssh.sftp.walk import Tree
from connectors.ssh.sftp.wire import Attributes, Status, failure
from connectors.ssh.shell import tar_transfer
from connectors.transfer.job import Job

if TYPE_CHECKING:
    from connectors.ssh.login.ssh_session import Session

JUST_NOW = 0.25  # seconds; another attempt at the same file is made after twice as long, or longer
A_DAY = 86400  # seconds by which no clock is ahead
SETTLED = 2  # seconds after which a time of modification, in whole seconds, stands for one version
ROOT = 0  # the number of the user who may do anything; among accounts of a system its folders are its alone


class SshRemote:
    """The file or directory ``path`` (see Place) on the server of ``session``."""

    presents_password = False  # one log-in serves all files
    most_together = MOST_TOGETHER
    most_packed = SMALL

    def __init__(self, session: "Session", path: str, job: Job) -> None:
        self._session = session
        self._path = path.rstrip("/") or path[:1]
        self._job = job
        self._lock = threading.Lock()
        self._origin = f"ssh://{session.user}@{session.host}/{path}"
        self._sftp: Sftp | None = None
        self._failure: RedError | None = None  # of the latest attempt to open SFTP, and when
        self._failed = 0.0

    # -- names -------------------------------------------------------------------------------------

    def describe(self, path: str = "") -> str:
        return f"{self._session.host}:{self._join(path)}"

    def identity(self, path: str) -> str:
        return f"{self._origin}/{path}"

    def _join(self, path: str) -> str:
        if not path:
            return self._path or "."
        return os.path.join(self._path, path)

    def _name(self, path: str) -> bytes:
        return places.encoded(self._join(path))

    # -- the conversation --------------------------------------------------------------------------

    def open(self) -> None:
        self._talk()

    def _talk(self) -> Sftp:
        """The conversation; a new one if the last was lost.

        Where that was tried in vain just now, by another thread say, it is not tried, and waited for, again.
        """
        with self._lock:
            if self._sftp is None or not self._sftp.alive:
                if self._failure and time.monotonic() - self._failed < JUST_NOW:
                    raise self._failure
                try:
                    self._sftp = conversation.start(self._session, self._job)
                except RedError as failure:
                    self._failure, self._failed = failure, time.monotonic()
                    raise
            return self._sftp

    @contextmanager
    def _about(self, path: str) -> Iterator[Sftp]:
        """The conversation; what the server refuses in it is told in our words, about ``path``."""
        try:
            yield self._talk()
        except Status as status:
            raise failure(status, self.describe(path)) from None

    def _attributes(self, path: str) -> Attributes:
        """The attributes of the file, or of the target of the link at ``path``."""
        with self._about(path) as talk:
            return wire.attributes(talk.ask(wire.STAT, self._name(path)))

    # -- looking -----------------------------------------------------------------------------------

    def check(self, verb: Verb, path: str) -> None:
        if verb.sends:
            self._check_target(verb, path)
        elif verb.of_directory and not path:
            self._check_directory()
        else:
            self._regular(path)
            with self._about(path) as talk:
                talk.close(talk.ask(wire.OPEN, self._name(path), wire.FOR_READING_ONLY))

    def file_system(self) -> AbstractContextManager[Program]:
        from connectors.ssh.mount import sshfs

        return sshfs.program(self._session.pinned(), self._session.timeout)

    @property
    def many(self) -> ManyAtOnce:
        return self

    def check_many(self, files: Sequence[Entry]) -> Iterator[Entry]:
        with self._about("") as talk:
            yield from small_files.readable(talk, ((file, self._name(file.path)) for file in files))

    def _check_directory(self) -> None:
        here = self._attributes("")
        if here.mode is not None and not stat.S_ISDIR(here.mode):
            raise NotFound(f"{self.describe()} is not a directory")
        with self._about("") as talk:
            talk.close(talk.ask(wire.OPENDIR, self._name("")))
            try:
                talk.ask(wire.STAT, self._name("."))
            except Status as status:  # it may be readable but not searchable
                if status.status == wire.PERMISSION_DENIED:  # else it is a server that knows no "."
                    raise

    def _check_target(self, verb: Verb, path: str) -> None:
        """Check as far as possible that it can be written: the nearest existing folder allows it."""
        place = self._join(path)
        with self._about(path) as talk:
            if verb is Verb.SEND_FILE:
                if here := places.find(talk, place):
                    self._check_replaceable(here, path)
                place = os.path.dirname(place)
            place, folder = places.nearest(talk, place)
            if not stat.S_ISDIR(folder.mode or stat.S_IFDIR):
                raise CannotCreate(f"{places.named(talk, place)} exists and is not a directory")
            if not self._may_write(folder):
                raise NotPermitted(f"{places.named(talk, place)}: {self._session.user} may not write there")

    def _may_write(self, folder: Attributes) -> bool:
        """False if the folder's mode certainly forbids writing: SFTP does not tell the user's groups."""
        if folder.mode is None or self._session.user == "root":
            return True
        is_roots = folder.owner == ROOT and self._session.has_system_accounts
        return bool(folder.mode & (0o022 if is_roots else 0o222))

    def _check_replaceable(self, here: Attributes, path: str) -> None:
        if here.mode is not None and not stat.S_ISREG(here.mode):
            kind = "it is a directory" if stat.S_ISDIR(here.mode) else "it is not a regular file"
            raise CannotCreate(f"cannot replace {self.describe(path)}: {kind}")

    def _regular(self, path: str) -> Attributes:
        """The file's attributes; opening anything else could hang (a FIFO) or never end (a device)."""
        here = self._attributes(path)
        if here.mode is not None and not stat.S_ISREG(here.mode):
            if stat.S_ISDIR(here.mode):
                raise DataError(f"{self.describe(path)} is a directory", hint="receive-dir receives those")
            raise DataError(f"{self.describe(path)} is not a regular file")
        return here

    def inspect(self, opened: Opened, name: str) -> None:
        """Any file may be moved."""

    def entries(self) -> Iterable[Entry]:
        self._check_directory()
        with self._about("") as talk:
            tree = Tree(self._session, talk, os.fsencode(self._join("")), self.describe())
            now = time.time()
            for path, here in tree.entries():
                if stat.S_ISDIR(here.mode or 0):
                    yield Entry(path, True)
                else:
                    yield Entry(path, False, here.size, None, version_of(here, now))

    # -- reading -----------------------------------------------------------------------------------

    def read(self, path: str, sink: Sink) -> None:
        here = self._settled(path)
        version = version_of(here, time.time())
        if version.validator and sink.current_if == version.validator:
            sink.keep()
            return
        with self._about(path) as talk:
            handle = talk.ask(wire.OPEN, self._name(path), wire.FOR_READING_ONLY)
            try:
                same = sink.version.validator == version.validator
                sink.begin(version, sink.offset if same else 0)
                download = Download(talk, handle, sink)
                download.run(version.size)
                now = wire.attributes(talk.ask(wire.FSTAT, handle))
            finally:
                talk.close(handle)
        if (now.size, now.modified) != (here.size, here.modified):
            sink.discard()
            raise TemporaryFailure(f"{self.describe(path)} changed while it was received")
        if download.goes_on:
            raise ProtocolViolation(
                f"{self.describe(path)}: the server states {here.size} bytes, but the file has more",
                hint="is it on a file system that states wrong sizes?",
            )

    def _settled(self, path: str) -> Attributes:
        """The file's attributes. A file that changed a moment ago could change again within the same second,
        which would go unnoticed during a transfer: wait until it has settled.
        """
        here = self._regular(path)
        age = time.time() - (here.modified or 0)
        if (here.size or 0) > wire.SAFE_BLOCK and -SETTLED < age < SETTLED:
            self._job.pause(SETTLED)
            here = self._regular(path)
        return here

    def read_small(self, files: Sequence[Entry]) -> Iterator[Arrived]:
        with self._about("") as talk:
            done = yield from tar_transfer.read(talk, self._session, self._join(""), files)
            rest = (file for file in files if file.path not in done)
            for wanted, here, content in small_files.read(talk, map(self._wanted, rest)):
                yield Arrived(
                    wanted, wanted.version or version_of(here or Attributes(), time.time()), content
                )

    def _wanted(self, file: Entry) -> small_files.Wanted:
        return small_files.Wanted(file, self._name(file.path), file.size if file.version else None)

    # -- writing -----------------------------------------------------------------------------------

    def write(self, path: str, source: Source) -> None:
        target = self._join(path)
        folder, name = os.path.split(target)
        staging = os.path.join(folder, source.staging_name(name))
        with self._about(path) as talk:
            there = places.find(talk, target)
            if there:
                self._check_replaceable(there, path)
            mode = source.mode if there is None or there.mode is None else stat.S_IMODE(there.mode)
            handle = places.create(talk, staging, mode)
            try:
                upload(talk, handle, source)
                if there:
                    places.set_mode(talk, handle, mode)
                size = wire.attributes(talk.ask(wire.FSTAT, handle)).size
                talk.ask(wire.CLOSE, handle)
                if size != source.size:
                    arrived = f"{size} of {source.size} bytes arrived"
                    raise TemporaryFailure(f"{self.describe(path)}: {arrived}")
                places.rename(talk, staging, target)
                sent = places.find(self._talk(), target)  # in a new conversation, if this one has been lost
                if sent is None or sent.size not in (None, source.size):
                    raise TemporaryFailure(f"{self.describe(path)}: renamed, but not there; was it moved?")
            except BaseException:
                talk.remove([places.encoded(staging)])
                raise

    def make_dir(self, path: str) -> None:
        with self._about(path) as talk:
            places.make_folder(talk, self._join(path))

    def write_small(self, files: Sequence[Entry], load: Load) -> Generator[Leaving, None, None]:
        with self._about("") as talk:
            places.make_folder(talk, os.path.dirname(self._join("")))
            done = yield from tar_transfer.write(talk, self._session, self._join(""), files, load)
            rest = [file for file in files if file.path not in done]
            if not rest:
                return
            self.make_dir("")
            folders = parents_first({os.path.dirname(file.path) for file in rest})
            new = small_files.make_dirs(talk, {folder: self._name(folder) for folder in folders})
            old = {file.path: self._name(file.path) for file in rest if os.path.dirname(file.path) not in new}
            there = small_files.found(talk, old)

            def outgoing() -> Iterator[small_files.Outgoing]:
                for file in load(rest):
                    path = file.entry.path
                    known = there.get(path)
                    if known and not stat.S_ISREG(known.mode or 0):
                        continue  # a directory is in the way, or a link
                    mode = stat.S_IMODE(known.mode or 0) if known else file.mode
                    folder, name = os.path.split(path)
                    staging = self._name(os.path.join(folder, file.staging_name(name)))
                    yield small_files.Outgoing(
                        file, self._name(path), staging, file.content, mode, exactly=bool(known)
                    )

            yield from small_files.write(talk, outgoing())


def version_of(here: Attributes, now: float) -> Version:
    """Which version of a file this is at ``now``, as time.time(): SFTP tells only its size and a second.

    A file of no size may still have content, as those in /proc have. A time to come is that of a clock which
    is ahead, and the file may be changing; or it means nothing, as does one before 1970.
    """
    size, _, mode, modified = here
    validator = ""
    if size is not None and modified is not None and not -A_DAY < now - modified < SETTLED:
        validator = f"{modified}-{size}"
    return Version(validator, size or None, (), bool(mode and mode & stat.S_IXUSR))
