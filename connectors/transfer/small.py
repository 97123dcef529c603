"""Small files in batches, for a Remote with ``many`` (connectors.remote.ManyAtOnce).

A file that fits into memory needs no part file to resume from. Failures are not handled here: the first three
functions return the files that remain, all of them if the Remote has no ``many``, and the engine transfers
those one by one, with retries and messages.
"""

import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial

from connectors import checksum as checksums
from connectors import log
from connectors.checksum import matches
from connectors.errors import (
    CannotCreate,
    DataError,
    NotFound,
    NotPermitted,
    ProtocolViolation,
    RedError,
    TemporaryFailure,
)
from connectors.local.names import HIDDEN_KINDS, below, hidden_name
from connectors.model import Entry, Verb, Version
from connectors.remote import SMALL, Arrived, Leaving, ManyAtOnce, Remote, is_small
from connectors.transfer import workers
from connectors.transfer.departure import claimed, moment
from connectors.transfer.folders import LocalTree, OneByOne
from connectors.transfer.job import Job
from connectors.transfer.mode import settle_mode
from connectors.transfer.part import NEW, is_called, ready_name, remember_version
from connectors.transfer.retry import persistently

IN_VAIN = 1  # further attempts after one that completed no file

Files = Sequence[Entry]


def check(remote: Remote, job: Job, files: Files) -> Files:
    """Check that the ``files`` exist and may be read."""

    def step(many: ManyAtOnce, rest: Files, done: set[str]) -> None:
        done.update(file.path for file in many.check_many(rest))

    return _left(remote, job, files, files, step)


def receive(remote: Remote, job: Job, tree: LocalTree, files: Files, there: set[str]) -> Files:
    """Receive the small ``files`` into ``tree``; ``there`` are the paths that existed before.

    Files that an earlier call left unfinished are skipped: an Arrival resumes them and cleans up.
    """
    left = {path for path in there if path.endswith(HIDDEN_KINDS)}
    wanted = [file for file in files if is_small(file) and not (left and left & _hidden(file.path))]

    def step(many: ManyAtOnce, rest: Files, done: set[str]) -> None:
        began = time.monotonic()
        for arrived in many.read_small(rest):
            path, size = arrived.entry.path, len(arrived.content)
            replace = path in there or tree.has_links  # it omits what links lead to
            if not install(job, places, remote.identity(path), arrived, replace=replace):
                continue
            done.add(path)
            if size != arrived.entry.size:
                job.progress.expect(size - (arrived.entry.size or 0))
            job.progress.moved(size)
            if job.receipts.wanted:
                sha256, seconds = checksums.of("sha256", arrived.content).digest, time.monotonic() - began
                target, place = below(tree.root, path), remote.describe(path)
                job.receipts.add(Verb.RECEIVE_DIR, target, place, size, sha256, seconds, 1)

    with tree.one_by_one() as places:
        return _left(remote, job, files, wanted, step)


def _hidden(path: str) -> set[str]:
    """The hidden files that an earlier call may have left for ``path``."""
    folder, slash, name = path.rpartition("/")
    return {f"{folder}{slash}{hidden_name(name, kind)}" for kind in ("part", "state")}


def send(remote: Remote, job: Job, tree: LocalTree, files: Files) -> Files:
    """Send the small ``files`` in ``tree``."""
    most = remote.many.most_packed if remote.many else SMALL
    wanted = [file for file in files if is_small(file, most)]

    def step(many: ManyAtOnce, rest: Files, done: set[str]) -> None:
        began = time.monotonic()
        with (
            claimed(tree.root) as token,
            closing(many.write_small(rest, partial(load, job, tree, token, most))) as sent,
        ):
            for left in sent:
                path = left.entry.path
                done.add(path)
                job.progress.moved(left.size)
                if job.receipts.wanted:
                    place, seconds = remote.describe(path), time.monotonic() - began
                    job.receipts.add(Verb.SEND_DIR, left.source, place, left.size, left.sha256, seconds, 1)

    return _left(remote, job, files, wanted, step)


def _left(
    remote: Remote,
    job: Job,
    files: Files,
    wanted: Files,
    step: Callable[[ManyAtOnce, Files, set[str]], None],
) -> Files:
    """The ``files`` that remain after ``step`` has processed those ``wanted``, if worthwhile; ``step`` adds
    the paths of finished files to the set it gets.

    After an interruption ``step`` gets the rest, and once more if that completed no file. Files that still
    fail are left for one by one.
    """
    many = remote.many
    if many is None or len(wanted) < 2:
        return files
    done: set[str] = set()

    def attempt() -> None:
        if rest := [file for file in wanted if file.path not in done]:
            step(many, rest, done)

    def attempts() -> None:
        try:
            persistently(
                job,
                attempt,
                in_vain=IN_VAIN,
                done=lambda: len(done),
                announcement="continuing with the rest",
            )
        except (
            TemporaryFailure,
            ProtocolViolation,
            NotPermitted,
            CannotCreate,
            DataError,
            NotFound,
        ) as failure:
            if failure.for_all:
                raise
            log.info(f"{failure.message}; continuing one by one")

    workers.run(job, [attempts], 1)
    return [file for file in files if file.path not in done]


def install(job: Job, places: OneByOne, source: str, arrived: Arrived, *, replace: bool) -> bool:
    """Put the file in its place if it is as promised; otherwise do nothing and return False.

    With ``replace`` the path may exist already; only a regular file is replaced. Unlike a larger file, the
    new file is not synced individually: on a disk that would take most of the time.
    """
    job.check_cancelled()
    entry, version, content = arrived
    if entry.size not in (None, len(content)) or (entry.checksum and not matches(content, entry.checksum)):
        return False
    try:
        folder, name = places.find(entry.path)
        return _appear(folder, name, source, version, content, replace)
    except OSError:
        return False


def _appear(folder: int, name: str, source: str, version: Version, content: bytes, replace: bool) -> bool:
    old = _old(folder, name) if replace else None
    if old and not stat.S_ISREG(old.st_mode):
        return False
    ready = ready_name(name)
    mode = 0o600 if old else 0o777 if version.executable else 0o666
    fd = os.open(ready, NEW, mode, dir_fd=folder)
    try:
        whole = os.write(fd, content) == len(content)
        here = os.fstat(fd)
        remember_version(fd, here, source, version)
        if old:
            settle_mode(fd, old, executable=version.executable)
        if whole:
            os.rename(ready, name, src_dir_fd=folder, dst_dir_fd=folder)
            return is_called(fd, here, name, folder)
    except OSError:
        whole = False
    finally:
        os.close(fd)
    with suppress(OSError):
        os.unlink(ready, dir_fd=folder)
    return False


def _old(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def load(job: Job, tree: LocalTree, token: str, most: int, entries: Sequence[Entry]) -> Iterator[Leaving]:
    """Yield the ``entries`` of ``tree`` that can be read, have at most ``most`` bytes and are as promised."""
    with tree.one_by_one() as places:
        for entry in entries:
            job.check_cancelled()
            try:
                fd = places.open(entry.path)
                try:
                    before = os.fstat(fd)
                    is_file = stat.S_ISREG(before.st_mode)
                    content = os.read(fd, min(most, before.st_size) + 1) if is_file else b""
                    after = os.fstat(fd)
                finally:
                    os.close(fd)
            except (OSError, RedError):
                continue
            size = len(content)
            unchanged = size == before.st_size and moment(before) == moment(after)
            promised = entry.size in (None, size) and matches(content, entry.checksum)
            if unchanged and promised and is_file:
                sha256 = checksums.of("sha256", content).digest if job.receipts.wanted else ""
                mode, source = stat.S_IMODE(before.st_mode), below(tree.root, entry.path)
                yield Leaving(entry, size, sha256, mode, source, token, content)
