"""Runs an action for many files concurrently. Continues after failures, and reports them together."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

from connectors.errors import Exit, Failures, RedError
from connectors.model import Entry
from connectors.transfer import workers
from connectors.transfer.job import Job

GIVE_UP_AFTER = 8  # files in a row, each with its retries used up


class FileByFile:
    """Runs ``action`` for all files passed to ``run``, in one or several calls.

    The first ``alone`` files run one by one: if each file sends a password, a wrong one is tried once, not
    once per worker. If file after file uses up its retries, the server is down, and the rest is not tried.
    """

    def __init__(self, job: Job, action: Callable[[Entry], None], alone: int = 0) -> None:
        self.done = 0
        self._job = job
        self._action = action
        self._alone = alone
        self._lock = threading.Lock()
        self._failures = Failures()
        self._in_a_row = 0
        self._untried = 0

    @property
    def failed(self) -> bool:
        return bool(self._failures)

    @property
    def given_up(self) -> bool:
        return self._in_a_row >= max(GIVE_UP_AFTER, self._job.settings.parallel)

    def run(self, files: Sequence[Entry]) -> None:
        tasks = [partial(self._task, entry) for entry in files]
        workers.run(self._job, tasks[: self._alone], 1)
        workers.run(self._job, tasks[self._alone :], self._job.settings.parallel)
        self._alone = max(0, self._alone - len(files))

    def leave(self, count: int) -> None:
        """Count ``count`` files as not tried."""
        with self._lock:
            self._untried += count

    def finish(self, what: str) -> None:
        """One error, "3 ``what``", if any failed."""
        if self._failures:
            summary = f"{self._failures.count} {what}"
            if self._untried:
                summary += f", and {self._untried} not tried because of repeated failures"
            raise self._failures.error(summary)

    def _task(self, entry: Entry) -> None:
        if self.given_up:
            self.leave(1)
            return
        try:
            self._action(entry)
            self.done += 1
            self._in_a_row = 0
        except RedError as failure:
            if failure.for_all:
                raise
            with self._lock:
                self._failures.add(entry.path, failure)
                self._in_a_row = self._in_a_row + 1 if failure.code == Exit.TEMPFAIL else 0
