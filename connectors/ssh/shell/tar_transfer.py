"""Many small files as one stream, where the server has a shell for it; see connectors.ssh.shell.scripts.

Both functions return the paths of those that they have dealt with, after they have given them; what is
left goes by SFTP.
"""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain

from connectors.local.names import parents_first
from connectors.model import Entry
from connectors.remote import Arrived, Leaving, Load
from connectors.ssh.login.ssh_session import Session
from connectors.ssh.sftp import small_files, wire
from connectors.ssh.sftp.conversation import Sftp
from connectors.ssh.sftp.walk import real_name
from connectors.ssh.sftp.wire import Status, string
from connectors.ssh.shell import scripts
from connectors.ssh.shell.proof import Unusable

Done = set[str]
BATCH_FILES = 2000  # for each batch the server starts two programs, which takes it as long as 30 files
BATCH_BYTES = 6 << 20  # which wait in memory for tar's last word
SAMPLES = 4  # files


def read(talk: Sftp, session: Session, root: str, files: Sequence[Entry]) -> Generator[Arrived, None, Done]:
    """Those of the ``files`` below ``root`` that tar delivers as they are known to be.

    Some, taken at random, are read through SFTP as well, and must be the same. A file of no size may still
    have content, as those in /proc have, which tar does not see: it goes by SFTP alone.
    """
    wanted = {os.fsencode(file.path): file for file in files if file.version and file.size}
    done = Done()
    if len(wanted) < scripts.MANY:
        return done
    with suppress(Unusable, Status):
        real = real_name(talk, os.fsencode(root))
        samples = _samples(talk, real, wanted)
        in_order = {name: wanted[name] for name in samples} | wanted
        for batch in scripts.read(session, talk, real, _batches(in_order)):
            for name, content in batch:
                if samples.pop(name, content) != content:
                    raise Unusable
            if samples:  # they should all have been in the first batch
                raise Unusable
            for name, content in batch:
                file = wanted.get(name)
                if file and file.version and file.size == len(content):
                    yield Arrived(file, file.version, content)
                    done.add(file.path)
    return done


def _samples(talk: Sftp, root: bytes, files: Mapping[bytes, Entry]) -> dict[bytes, bytes]:
    """Name and content of some of the ``files``, as SFTP has them."""
    names = list(files)
    chosen = {names[int.from_bytes(os.urandom(4), "big") % len(names)] for _ in range(SAMPLES)}
    wanted = [small_files.Wanted(name, string(os.path.join(root, name)), files[name].size) for name in chosen]
    samples = {name: content for name, _, content in small_files.read(talk, wanted)}
    if samples.keys() != chosen:
        raise Unusable
    return samples


def _batches(wanted: Mapping[bytes, Entry]) -> Iterator[list[bytes]]:
    """The names, as many together as may wait in memory; at first fewer, so that we are not idle for long."""
    batch: list[bytes] = []
    size, most = 0, BATCH_BYTES // 8
    for name, file in wanted.items():
        batch.append(name)
        size += (file.size or 0) + 8 * len(name)
        if len(batch) == BATCH_FILES or size > most:
            yield batch
            batch, size, most = [], 0, BATCH_BYTES
    if batch:
        yield batch


def write(
    talk: Sftp, session: Session, root: str, files: Sequence[Entry], load: Load
) -> Generator[Leaving, None, Done]:
    """Those of the ``files`` whose outermost name is new in ``root``: together they appear, or not at all."""
    done = Done()
    if len(files) < scripts.MANY:
        return done
    folder, prefix = root, ""
    there = _names_in(talk, root, {file.path.partition("/")[0] for file in files})
    if there is None:  # then the root itself is what is new
        folder, name = os.path.split(root)
        prefix, there = f"{name}/", set()
    new = [file for file in files if file.path.partition("/")[0] not in there]
    if len(new) < scripts.MANY:
        return done
    leaving = load(new)
    first = next(leaving, None)
    if first is None:
        return done
    left: list[Leaving] = []

    def members() -> Iterator[tuple[bytes, int, bytes | None]]:
        for path in parents_first({(prefix + file.path).rpartition("/")[0] for file in new})[1:]:
            yield os.fsencode(path), 0o777, None
        for file in chain((first,), leaving):
            yield os.fsencode(prefix + file.entry.path), file.mode, file.content
            left.append(Leaving(*file[:-1], b""))  # the content is not kept

    staging = os.fsencode(first.staging_name("tree"))
    try:
        real = real_name(talk, os.fsencode(folder or "."))
        scripts.write(session, talk, real, staging, members())
    except (Unusable, Status):
        return done
    for file in left:
        done.add(file.entry.path)
        yield file
    return done


def _names_in(talk: Sftp, root: str, wanted: Iterable[str]) -> set[str] | None:
    """Which of the names that are ``wanted`` are in the folder; None if it is not there itself."""
    try:
        talk.ask(wire.STAT, string(os.fsencode(root)))
    except Status as status:
        if status.status == wire.NO_SUCH_FILE:
            return None
        raise
    names = {name: string(os.fsencode(os.path.join(root, name))) for name in wanted}
    return set(small_files.found(talk, names))
