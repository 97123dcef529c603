"""The end of a session while its last answer is under way: a round trip less."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from connectors.transfer.job import TIDY_SECONDS


class Parting:
    """``end``, a request that waits for the condition that it gets once it has a connection.

    ``prepare`` lets a connection be made for it, ``now`` lets it be sent if that has happened. ``begun`` is
    set once the request has been released. ``finish`` waits for what comes of it, or calls it off.
    """

    def __init__(self, end: Callable[[Callable[[], bool]], None]) -> None:
        self._end = end
        self._decided = threading.Event()
        self._wanted = False
        self.begun = False
        self._thread: threading.Thread | None = None

    def prepare(self) -> None:
        if self._thread:  # once: what goes wrong is left to who ends sessions in the end
            return
        thread = threading.Thread(target=self._end, args=(self._when,), daemon=True)
        with suppress(RuntimeError):  # the machine gives us no more threads
            thread.start()
            self._thread = thread

    def now(self) -> None:
        if self._thread:
            self._wanted = True
            self._decided.set()

    def finish(self, until: float) -> None:
        """Not longer than ``until``, in the seconds of time.monotonic."""
        self._decided.set()
        if self._thread:
            self._thread.join(max(0.0, until - time.monotonic()))

    def _when(self) -> bool:
        self.begun = self._decided.wait(TIDY_SECONDS) and self._wanted
        return self.begun
