"""The ways to move files. What is the same for every data store happens here, once."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, cast

from connectors import log
from connectors.errors import (
    CannotCreate,
    ChecksumError,
    ConfigError,
    Exit,
    ProtocolViolation,
    RedError,
    SeveralFailures,
)
from connectors.remote import Entry, Remote
from connectors.transfer import small, workers
from connectors.transfer.arrival import Arrival, check_target, check_target_dir
from connectors.transfer.departure import Departure, check_source, open_file
from connectors.transfer.folders import LocalTree, single_file
from connectors.transfer.job import Job
from connectors.transfer.local import make_dir, reading
from connectors.transfer.names import below, hidden_in, safe_path, warn_of_hidden
from connectors.transfer.part import version_of
from connectors.transfer.retry import persistently
from connectors.transfer.tree import listed, local_tree, names_below
from connectors.verbs import Verb

if TYPE_CHECKING:
    from connectors.access.prepare import Prepared

GIVE_UP_AFTER = 8  # files in a row, each with its retries used up


def check_local(verb: Verb, local: str) -> None:
    """The local side of ``verb`` can work: found out before anybody is called."""
    if verb is Verb.RECEIVE_FILE:
        if local.endswith("/"):
            raise CannotCreate(f"cannot create {local}: that is the name of a directory")
        check_target(os.path.realpath(local))
    elif verb is Verb.SEND_FILE:
        check_source(local)
    elif verb is Verb.RECEIVE_DIR:
        check_target_dir(local)
    elif verb is Verb.MOUNT_DIR:
        from connectors.transfer import mount

        mount.check_local(local)
    elif verb is Verb.SEND_DIR:
        with reading(local):
            os.listdir(local)


def open_remote(remote: Remote, job: Job) -> None:
    """Reach the far end, with the retries that this may take."""
    workers.run(job, [lambda: persistently(job, remote.open)], 1)


def check(remote: Remote, job: Job, listing: Sequence[Entry] | None) -> None:
    """The far end answers, lets us in, and has all that is to be read, or lets it be written."""
    files = [entry for entry in listing or () if not entry.is_dir]
    if files and not job.verb.sends:
        rest = small.check(remote, job, files)
        summary = f"of {len(files)} files cannot be received"
        _all(job, rest, lambda entry: _check(remote, job, entry.path), summary, alone=1)
        return
    try:
        workers.run(job, [lambda: _check(remote, job, "")], 1)
    except ConfigError:  # it cannot tell what it holds; with a listing that asks for no file, it need not
        if listing is None:
            raise


def _check(remote: Remote, job: Job, path: str) -> None:
    persistently(job, lambda: remote.check(job.verb, path))


def total_size(files: Sequence[Entry]) -> int:
    """In bytes, as far as it is known."""
    return sum(entry.size or 0 for entry in files)


def receive_file(remote: Remote, job: Job, local: str, promise: "Prepared") -> None:
    """One file, to ``local``; where that is a symbolic link, to where it leads."""
    job.progress.expect(promise.size or 0)
    with single_file(local) as target:
        arrival = Arrival(target, remote.identity(""), job, size=promise.size, checksum=promise.checksum)
        workers.run(job, [lambda: _receive(remote, job, "", arrival)], 1)


def _receive(remote: Remote, job: Job, path: str, arrival: Arrival) -> None:
    began = time.monotonic()
    attempts = -job.pace.repeats  # a repeated request is an attempt as well

    def attempt() -> None:
        nonlocal attempts
        attempts += 1
        remote.read(path, arrival)
        arrival.verify()

    with arrival:
        try:
            persistently(job, attempt)
        except ChecksumError as error:  # perhaps of bytes that were here already: once more, from the start
            log.warning(f"{error.message}; thrown away, trying once more")
            arrival.discard()
            persistently(job, attempt)
        if arrival.moved:
            remote.inspect(arrival.open, arrival.path)
        arrival.commit()
    if job.receipts.wanted and arrival.moved:
        seconds = time.monotonic() - began
        attempts += job.pace.repeats
        sha256 = arrival.hexdigest("sha256")
        place = remote.describe(path)
        job.receipts.add(job.verb, arrival.path, place, arrival.size, sha256, seconds, attempts)


def send_file(remote: Remote, job: Job, local: str, promise: "Prepared") -> None:
    """The file ``local``, which must have the size and checksum that are promised, if any."""
    entry = Entry("", False, promise.size, promise.checksum)
    with reading(local):
        job.progress.expect(os.stat(local).st_size)
    workers.run(job, [lambda: _send(remote, job, entry, local, partial(open_file, local))], 1)


def _send(remote: Remote, job: Job, entry: Entry, local: str, opener: Callable[[], int]) -> None:
    began = time.monotonic()
    attempts = -job.pace.repeats  # a repeated request is an attempt as well

    def attempt() -> None:
        nonlocal attempts
        attempts += 1
        departure.rewind()
        remote.write(entry.path, departure)

    with Departure(local, job, opener, promised_size=entry.size, checksum=entry.checksum) as departure:
        remote.inspect(departure.open, local)
        persistently(job, attempt)
    if job.receipts.wanted and departure.moved:
        seconds = time.monotonic() - began
        attempts += job.pace.repeats
        place = remote.describe(entry.path)
        job.receipts.add(job.verb, local, place, departure.size, departure.sha256, seconds, attempts)


def receive_dir(remote: Remote, job: Job, local: str, promise: "Prepared") -> None:
    """The directory's contents into ``local``: what the listing names, or all that the far end shows.

    A file that is there and has its checksum is not fetched again. ``local`` is made if need be, and
    removed again if nothing came to be in it.
    """
    made = not os.path.isdir(local)
    make_dir(local)
    try:
        with LocalTree(local) as tree:
            _receive_tree(remote, job, tree, promise.listing)
    except RedError:
        if made:
            with suppress(OSError):  # not empty: some of it has arrived, or may go on
                os.rmdir(local)
        raise


def _receive_tree(remote: Remote, job: Job, tree: LocalTree, listing: Sequence[Entry] | None) -> None:
    entries = _discovered(remote, job) if listing is None else listing
    for entry in entries:
        tree.make(entry.path if entry.is_dir else entry.path.rpartition("/")[0])
    files = [entry for entry in entries if not entry.is_dir]
    job.progress.expect(total_size(files))
    there = names_below(tree.root)
    here = _already_right(remote, job, tree, [entry for entry in files if entry.path in there])

    def receive(entry: Entry) -> None:
        source = remote.identity(entry.path)
        # what was seen a while ago is no promise
        size, checksum = (None, None) if listing is None else (entry.size, entry.checksum)
        with tree.file(entry.path) as target:
            arrival = Arrival(
                target, source, job, size=size, checksum=checksum, refresh=True, expected=entry.size
            )
            _receive(remote, job, entry.path, arrival)

    to_fetch = [entry for entry in files if entry.path not in here]
    alone = 1 if remote.presents_password and listing is not None else 0
    rest = small.receive(remote, job, tree, to_fetch, there)
    _all(job, rest, receive, f"of {len(to_fetch)} files were not received", alone)


def _discovered(remote: Remote, job: Job) -> list[Entry]:
    """What the far end shows, every name of it checked."""
    entries: list[Entry] = []
    hidden: dict[str, None] = {}

    def discover() -> None:
        entries.clear()
        hidden.clear()
        for entry in remote.entries():
            if part := hidden_in(entry.path):
                hidden[part] = None  # of a transfer to this directory: left there, or under way
                continue
            try:
                safe_path(entry.path)
            except ValueError as error:
                raise ProtocolViolation(
                    f"{remote.describe()} shows a dangerous name, {entry.path!r}: {error}",
                    hint="a listing (--listing) that does not name it leaves it out",
                ) from None
            entries.append(entry)

    workers.run(job, [lambda: persistently(job, discover)], 1)
    warn_of_hidden(list(hidden))
    return entries


def _already_right(remote: Remote, job: Job, tree: LocalTree, files: Sequence[Entry]) -> set[str]:
    """The paths of the ``files`` that are here: with the right checksum, or as they were received from there
    and still are. The right size alone is no proof.
    """
    right: set[str] = set()

    def look(entry: Entry) -> None:
        assert entry.checksum
        try:
            with Departure(below(tree.root, entry.path), job, partial(tree.open, entry.path)) as file:
                if entry.size not in (None, file.size):
                    return
                if file.checksum(entry.checksum.algorithm) == entry.checksum:
                    right.add(entry.path)
        except RedError:
            return  # then it is fetched
        job.progress.moved(entry.size or 0)

    with tree.one_by_one() as places:
        for entry in files:
            if entry.version and entry.version.validator and not entry.checksum:
                source = remote.identity(entry.path)
                with suppress(OSError):
                    if entry.version.validator == version_of(*places.find(entry.path), source):
                        right.add(entry.path)
                        job.progress.moved(entry.size or 0)
    candidates = [entry for entry in files if entry.checksum]
    workers.run(job, [partial(look, entry) for entry in candidates], job.settings.parallel)
    return right


def send_dir(remote: Remote, job: Job, local: str, promise: "Prepared") -> None:
    """The contents of ``local``, or those of them that the listing names; empty directories too."""
    entries = local_tree(local) if promise.listing is None else listed(local, promise.listing)
    with_contents = {os.path.dirname(entry.path) for entry in entries}
    empty = [entry.path for entry in entries if entry.is_dir and entry.path not in with_contents]
    files = [entry for entry in entries if not entry.is_dir]
    job.progress.expect(total_size(files))

    def send(entry: Entry) -> None:
        _send(remote, job, entry, below(local, entry.path), partial(tree.open, entry.path))

    def make_dirs() -> None:
        for path in empty if entries else [""]:
            remote.make_dir(path)

    alone = 1 if remote.presents_password else 0
    with LocalTree(local, follow=True) as tree:
        rest = small.send(remote, job, tree, files)
        _all(job, rest, send, f"of {len(files)} files were not sent", alone)
    workers.run(job, [lambda: persistently(job, make_dirs)], 1)


def _all(
    job: Job, files: Sequence[Entry], action: Callable[[Entry], None], what: str, alone: int = 0
) -> None:
    """``action`` for each file, several at once; one error, "3 ``what``", reports all that failed.

    The first ``alone`` go one by one: where each file presents a password, one that is wrong is tried
    once, not once by each worker. When file after file runs out of retries the far end is down, and the
    rest is not tried.
    """
    failures: dict[str, RedError] = {}
    untried: list[str] = []
    failing_in_a_row = 0

    def task(entry: Entry) -> None:
        nonlocal failing_in_a_row
        if failing_in_a_row >= max(GIVE_UP_AFTER, job.settings.parallel):
            untried.append(entry.path)
            return
        try:
            action(entry)
            failing_in_a_row = 0
        except RedError as failure:
            if failure.for_all:
                raise
            failures[entry.path] = failure
            failing_in_a_row = failing_in_a_row + 1 if failure.code == Exit.TEMPFAIL else 0

    tasks = [partial(task, entry) for entry in files]
    workers.run(job, tasks[:alone], 1)
    workers.run(job, tasks[alone:], job.settings.parallel)
    if failures:
        summary = f"{len(failures)} {what}"
        if untried:
            summary += f", and {len(untried)} not tried, as nothing got through any more"
        raise SeveralFailures(summary, [failures[entry.path] for entry in files if entry.path in failures])


def mount_dir(remote: Remote, job: Job, local: str, promise: "Prepared") -> None:
    """The directory as a part of the local file system; only what is read moves."""
    from connectors.transfer import mount  # 15 ms, for this verb only

    mount.mount_dir(cast("mount.Mountable", remote), job, local)


MOVES = {
    Verb.RECEIVE_FILE: receive_file,
    Verb.SEND_FILE: send_file,
    Verb.RECEIVE_DIR: receive_dir,
    Verb.SEND_DIR: send_dir,
    Verb.MOUNT_DIR: mount_dir,
}
