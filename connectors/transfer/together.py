"""Small files many at once, for a Remote that can: see connectors.remote.ManyAtOnce.

Each function takes files and gives back those that are left for the engine to do one by one: all of them,
where the Remote has nothing of the kind.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

from connectors import log
from connectors.errors import NotPermitted, ProtocolViolation, TemporaryFailure
from connectors.remote import Entry, ManyAtOnce, Remote
from connectors.transfer import small, workers
from connectors.transfer.job import Job

Files = Sequence[Entry]


def check(remote: Remote, job: Job, files: Files) -> Files:
    """See that the ``files`` are there and may be read."""
    many = cast(ManyAtOnce, remote)

    def step(done: set[str]) -> None:
        done.update(file.path for file in many.check_many(files))

    return _left(job, files, step) if _worth_it(remote, files) else files


def receive(remote: Remote, job: Job, local: str, files: Files, there: set[str]) -> Files:
    """Receive the small ones of the ``files`` into ``local``; ``there`` is what was in it before."""
    wanted = [file for file in files if small.is_small(file)]
    many = cast(ManyAtOnce, remote)

    def step(done: set[str]) -> None:
        began = time.monotonic()
        for arrived in many.read_small(wanted):
            path, size = arrived.entry.path, len(arrived.content)
            target = f"{local}/{path}"  # os.path.join would take a tenth of all the time
            if not small.install(job, target, remote.identity(path), arrived, replace=path in there):
                continue
            done.add(path)
            job.progress.expect(size - (arrived.entry.size or 0))
            job.progress.moved(size)
            if job.receipts.wanted:
                sha256, seconds = small.hexdigest(arrived.content, "sha256"), time.monotonic() - began
                job.receipts.add(job.verb, target, remote.describe(path), size, sha256, seconds, 1)

    return _left(job, files, step) if _worth_it(remote, wanted) else files


def send(remote: Remote, job: Job, local: str, files: Files) -> Files:
    """Send the small ones of the ``files`` in ``local``."""
    wanted = [file for file in files if small.is_small(file)]
    many = cast(ManyAtOnce, remote)

    def step(done: set[str]) -> None:
        began = time.monotonic()
        for left in many.write_small(wanted, partial(small.load, job, local)):
            path = left.entry.path
            done.add(path)
            job.progress.moved(left.size)
            if job.receipts.wanted:
                source, seconds = f"{local}/{path}", time.monotonic() - began
                job.receipts.add(job.verb, source, remote.describe(path), left.size, left.sha256, seconds, 1)

    return _left(job, files, step) if _worth_it(remote, wanted) else files


def _worth_it(remote: Remote, files: Files) -> bool:
    return len(files) > 1 and hasattr(remote, "read_small")


def _left(job: Job, files: Files, step: Callable[[set[str]], None]) -> Files:
    """Those of the ``files`` whose paths ``step`` does not add to the set that it gets.

    What fails for a while, or for all files alike, is met again one by one, with retries and words.
    """
    done: set[str] = set()

    def attempt() -> None:
        try:
            step(done)
        except (TemporaryFailure, ProtocolViolation, NotPermitted) as failure:
            log.info(f"{failure.message}; going on one by one")

    workers.run(job, [attempt], 1)
    return [file for file in files if file.path not in done]
