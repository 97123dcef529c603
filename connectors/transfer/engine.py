"""The verbs: what is the same for every data store is written here, once."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

from connectors import log
from connectors.errors import (
    CannotCreate,
    ChecksumError,
    ConfigError,
    NotFound,
    ProtocolViolation,
    RedError,
)
from connectors.local.files import make_dir, reading
from connectors.local.names import below, hidden_in, safe_path, warn_of_hidden
from connectors.model import Entry, Promise, Verb
from connectors.remote import MOST_TOGETHER, Remote
from connectors.transfer import collisions, small, workers
from connectors.transfer.arrival import Arrival, check_target, check_target_dir
from connectors.transfer.departure import Departure, check_source, open_file
from connectors.transfer.file_by_file import FileByFile
from connectors.transfer.folders import LocalTree, single_file
from connectors.transfer.inventory import Inventory, empty_folders
from connectors.transfer.job import Job
from connectors.transfer.local_tree import already_there, listed, local_tree
from connectors.transfer.part import version_of
from connectors.transfer.retry import persistently
from connectors.transfer.spelling import folded

MOST_HIDDEN = 10_000  # names of part files that are remembered, to count them


def check_local(verb: Verb, local: str) -> None:
    """Check the local side of ``verb``, before a server is contacted."""
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
        if os.path.isfile(local):
            raise NotFound(f"cannot send {local}: it is a file", hint="use send-file")
        with reading(local):
            os.listdir(local)


def open_remote(remote: Remote, job: Job) -> None:
    """Connect and log in, with retries."""
    workers.run(job, [lambda: persistently(job, remote.open)], 1)


def check(remote: Remote, job: Job, verb: Verb, promise: Promise) -> None:
    """Check that the log-in works, and that what is to be read exists or the target may be written."""
    files = [entry for entry in promise.listing or () if not entry.is_dir]
    if files and not verb.sends:
        each = FileByFile(job, lambda entry: _check(remote, job, verb, entry.path), alone=1)
        each.run(small.check(remote, job, files))
        each.finish(f"of {len(files)} files cannot be received")
        return
    try:
        workers.run(job, [lambda: _check(remote, job, verb, "")], 1)
    except ConfigError:  # the server cannot list; a listing without files does not need that
        if promise.listing is None:
            raise


def _check(remote: Remote, job: Job, verb: Verb, path: str) -> None:
    persistently(job, lambda: remote.check(verb, path))


def receive_file(remote: Remote, job: Job, local: str, promise: Promise) -> None:
    """Receive one file into ``local``, or into what ``local`` links to."""
    job.progress.expect(promise.size or 0)
    with single_file(local) as target:
        arrival = Arrival(target, remote.identity(""), job, size=promise.size, checksum=promise.checksum)
        workers.run(job, [lambda: _receive(remote, job, Verb.RECEIVE_FILE, "", arrival)], 1)


def _receive(remote: Remote, job: Job, verb: Verb, path: str, arrival: Arrival) -> None:
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
        except ChecksumError as error:  # perhaps of bytes from an earlier call: try once more from the start
            log.warning(f"{error.message}; deleted; trying once more")
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
        job.receipts.add(verb, arrival.path, place, arrival.size, sha256, seconds, attempts)


def send_file(remote: Remote, job: Job, local: str, promise: Promise) -> None:
    """Send the file ``local``, which must have the promised size and checksum, if any."""
    entry = Entry("", False, promise.size, promise.checksum)
    with reading(local):
        job.progress.expect(os.stat(local).st_size)
    workers.run(job, [lambda: _send(remote, job, Verb.SEND_FILE, entry, local, partial(open_file, local))], 1)


def _send(remote: Remote, job: Job, verb: Verb, entry: Entry, local: str, opener: Callable[[], int]) -> None:
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
        job.receipts.add(verb, local, place, departure.size, departure.sha256, seconds, attempts)


def receive_dir(remote: Remote, job: Job, local: str, promise: Promise) -> None:
    """Receive the directory's contents into ``local``: what the listing names, or all entries.

    A file that is there and has its checksum is not fetched again. ``local`` is made if need be. If nothing
    arrives in it, it is left as it was.
    """
    made = not os.path.isdir(local)
    make_dir(local)
    try:
        with LocalTree(local) as tree:
            _receive_tree(remote, job, tree, promise.listing)
    except BaseException:
        if made:
            with suppress(OSError):  # not empty: some files have arrived or can be resumed
                os.rmdir(local)
        raise


def _receive_tree(remote: Remote, job: Job, tree: LocalTree, listing: Sequence[Entry] | None) -> None:
    with reading(tree.root), os.scandir(tree.root) as names:
        was_empty = next(names, None) is None

    def receive(entry: Entry) -> None:
        source = remote.identity(entry.path)
        # a size that the server listed earlier is not binding
        size, checksum = (None, None) if listing is None else (entry.size, entry.checksum)
        with tree.file(entry.path) as target:
            arrival = Arrival(
                target, source, job, size=size, checksum=checksum, refresh=True, expected=entry.size
            )
            _receive(remote, job, Verb.RECEIVE_DIR, entry.path, arrival)

    alone = 1 if remote.presents_password and listing is not None else 0
    each = FileByFile(job, receive, alone)
    with Inventory(tree.root, folded) as inventory:
        if listing is None:
            _discover(remote, job, inventory)
        else:
            inventory.extend(listing)
        collisions.check(inventory, tree.root, is_empty=was_empty)
        job.progress.expect(inventory.bytes)
        wanted = seen = 0
        try:
            for chunk in inventory.chunks(_together(remote)):
                for entry in chunk:
                    tree.make(entry.path if entry.is_dir else entry.path.rpartition("/")[0])
                files = [entry for entry in chunk if not entry.is_dir]
                here = set[str]() if was_empty else _already_right(remote, job, tree, files)
                to_fetch = [entry for entry in files if entry.path not in here]
                there = set[str]() if was_empty else already_there(tree, to_fetch)
                rest = small.receive(remote, job, tree, to_fetch, there)
                each.done += len(to_fetch) - len(rest)
                each.run(rest)
                wanted, seen = wanted + len(to_fetch), seen + len(files)
                if each.given_up:
                    each.leave(inventory.files - seen)
                    break
                if each.done or not each.failed:
                    tree.keep_folders()
            each.finish(f"of {wanted} files were not received")
        except BaseException:
            if not each.done:
                tree.remove_folders()
            raise


def _together(remote: Remote) -> int:
    """How many entries of a large tree to process together."""
    return remote.many.most_together if remote.many else MOST_TOGETHER


def _discover(remote: Remote, job: Job, inventory: Inventory) -> None:
    """Put the server's entries into the ``inventory``; every name is checked."""
    hidden: dict[str, None] = {}
    most = job.settings.max_entries

    def discover() -> None:
        inventory.clear()
        hidden.clear()
        for number, entry in enumerate(remote.entries()):
            if number == most:
                raise ProtocolViolation(
                    f"{remote.describe()} shows more than {most:,} files and directories",
                    hint="raise RED_MAX_ENTRIES if it is that large; a listing moves only what it names",
                )
            if part := hidden_in(entry.path):
                if len(hidden) < MOST_HIDDEN:
                    hidden[part] = None  # of a transfer to this directory, unfinished or still running
                continue
            try:
                safe_path(entry.path)
            except ValueError as error:
                raise ProtocolViolation(
                    f"{remote.describe()} shows a dangerous name, {entry.path!r}: {error}",
                    hint="use a listing (--listing) that does not name it",
                ) from None
            inventory.add(entry)

    workers.run(job, [lambda: persistently(job, discover)], 1)
    warn_of_hidden(sorted(hidden))


def _already_right(remote: Remote, job: Job, tree: LocalTree, files: Sequence[Entry]) -> set[str]:
    """The paths of the ``files`` that are up to date: with the right checksum, or unchanged since they were
    received and still current. The right size alone is not enough.
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


def send_dir(remote: Remote, job: Job, local: str, promise: Promise) -> None:
    """Send the contents of ``local``, or what the listing names, empty directories included."""

    def send(entry: Entry) -> None:
        _send(remote, job, Verb.SEND_DIR, entry, below(local, entry.path), partial(tree.open, entry.path))

    each = FileByFile(job, send, alone=1 if remote.presents_password else 0)
    with Inventory(_scratch(local)) as inventory, LocalTree(local, follow=True) as tree:
        inventory.extend(local_tree(local) if promise.listing is None else listed(local, promise.listing))
        job.progress.expect(inventory.bytes)
        seen = 0
        for chunk in inventory.chunks(_together(remote)):
            files = [entry for entry in chunk if not entry.is_dir]
            each.run(small.send(remote, job, tree, files))
            seen += len(files)
            if each.given_up:
                each.leave(inventory.files - seen)
                break
        each.finish(f"of {seen} files were not sent")
        empty = empty_folders(inventory)
        tasks = (partial(persistently, job, partial(remote.make_dir, path)) for path in empty)
        workers.run(job, tasks, 1)


def _scratch(local: str) -> str | None:
    """A folder for temporary files, if there is one; ``local`` itself may be read-only."""
    places = (os.environ.get("TMPDIR", ""), "/tmp", "/var/tmp", local)
    return next((place for place in places if place and os.access(place, os.W_OK | os.X_OK)), None)


def mount_dir(remote: Remote, job: Job, local: str, promise: Promise) -> None:
    """Mount the directory; only what is read is transferred."""
    from connectors.transfer import mount  # 15 ms, for this verb only

    mount.mount_dir(remote, job, local)


MOVES = {
    Verb.RECEIVE_FILE: receive_file,
    Verb.SEND_FILE: send_file,
    Verb.RECEIVE_DIR: receive_dir,
    Verb.SEND_DIR: send_dir,
    Verb.MOUNT_DIR: mount_dir,
}
