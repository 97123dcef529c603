"""Rate limiting: one pace for all workers of a call.

It has no effect until a server refuses a request because there are too many (HTTP: 429, 503). Then all
workers pause, requests are spaced out, and no more run concurrently than the server has accepted before.
Each success shortens the gap between requests, until there is none.
"""

import threading
import time
from collections.abc import Callable

from connectors import log

FIRST_PAUSE = 0.5  # seconds; doubled for each attempt, and up to half a second more at random
LONGEST_PAUSE = 30.0
FIRST_GAP = 0.1  # seconds between two requests after the first refusal; doubled by each further one
SHORTEST_GAP = 0.001  # seconds; a shorter gap is dropped
RECOVERY = 0.96  # the gap is multiplied by this after each success
SUCCESSES = 25  # after which one more request may run: by then the gap has more than halved
LOOK_EVERY = 0.05  # seconds between looks, while other requests have to end first


def pause_after(failures: int, retry_after: float | None, timeout: float) -> float:
    """Seconds to wait after ``failures`` (1 or more) in a row: growing, with jitter.

    At least ``retry_after`` seconds if the server asked for that, but no more than ``timeout``.
    """
    import random  # 3 ms: only after a failure

    pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE) + random.uniform(0, FIRST_PAUSE)
    return pause if retry_after is None else min(max(pause, retry_after), timeout)


class Pace:
    """Allows ``retries`` refusals in a row, for each request and for all requests together.

    A pause that the server asks for is honoured, up to ``timeout`` seconds. ``sleep`` is called to wait.
    """

    def __init__(self, retries: int, timeout: float, sleep: Callable[[float], None]) -> None:
        self._retries = retries
        self._timeout = timeout
        self._sleep = sleep
        self._lock = threading.Lock()
        self._under_way = 0
        self._most = 0  # concurrent requests, while there is a gap
        self._gap = 0.0
        self._next = 0.0  # when the next request may begin, by time.monotonic
        self._turn = 0  # how often a refusal has changed the pace
        self._in_vain = 0
        self._successes = 0
        self._of_thread = threading.local()

    @property
    def repeats(self) -> int:
        """How many requests this thread has repeated after a refusal."""
        return getattr(self._of_thread, "repeats", 0)

    @property
    def is_lost(self) -> bool:
        """Whether every request is refused, so that another attempt would be refused as well."""
        return self._in_vain > self._retries

    def enter(self) -> int:
        """Wait until a request may begin; the turn, an argument of ``refused``. ``leave`` must follow.

        A thread must not begin a request while it still runs another one.
        """
        while True:
            with self._lock:
                wait = self._wait()
                if wait <= 0:
                    self._under_way += 1
                    return self._turn
            self._sleep(wait)

    def _wait(self) -> float:
        if not self._gap:
            return 0.0
        now = time.monotonic()
        if now < self._next:
            return self._next - now
        if self._under_way >= self._most:
            return LOOK_EVERY
        self._next = now + self._gap
        return 0.0

    def leave(self) -> None:
        """The request has ended, with or without success."""
        with self._lock:
            self._under_way -= 1

    def succeeded(self) -> None:
        """The server has accepted the request."""
        if not self._gap:
            return
        with self._lock:
            self._in_vain = 0
            self._gap *= RECOVERY
            self._successes += 1
            if self._successes % SUCCESSES == 0:
                self._most += 1
            if self._gap < SHORTEST_GAP:
                self._gap = 0.0

    def refused(
        self, turn: int, before: int, retry_after: float | None, why: str, *, repeats: bool = True
    ) -> bool:
        """A request that began in ``turn`` was refused, after ``before`` earlier refusals; ``why`` is for the
        log. Returns whether to repeat it, through ``enter``; never if ``repeats`` is False.

        Requests that began before the pace changed were refused for the same reason and do not change it
        again. A request that is refused again while others succeed does not change it either: it waits alone.
        """
        with self._lock:
            self._most = max(1, min(self._most, self._under_way) if self._gap else self._under_way)
            first = turn == self._turn and (not before or self._in_vain > 0)
            changes = not self.is_lost and (first or not self._gap)
            if changes:
                self._turn += 1
                self._in_vain += 1
                self._gap = min(max(FIRST_GAP, 2 * self._gap), LONGEST_PAUSE)
            if before >= self._retries or self.is_lost:
                return False
            pause = pause_after(max(before + 1, self._in_vain), retry_after, self._timeout)
            if changes:
                self._next = time.monotonic() + pause
            if not repeats:
                return False
        if changes or before:
            log.warning(f"{why}; trying again in {pause:.1f} s", attempt=before + 1)
        if before and not changes:
            self._sleep(pause)
        self._of_thread.repeats = self.repeats + 1
        return True
