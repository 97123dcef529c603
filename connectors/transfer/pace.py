"""How fast requests may follow each other: one pace for all workers of a call.

It only counts until a server refuses a request because there are too many (HTTP: 429, 503). Then all workers
pause, requests follow each other at a distance, and no more are under way than the server has put up with.
Each success makes the distance shorter again, until it is gone.
"""

import threading
import time
from collections.abc import Callable

from connectors import log

FIRST_PAUSE = 0.5  # seconds; doubled for each attempt, and up to half a second more at random
LONGEST_PAUSE = 30.0
FIRST_GAP = 0.1  # seconds between two requests after the first refusal; doubled by each further one
SHORTEST_GAP = 0.001  # seconds; what is shorter is no gap
RECOVERY = 0.96  # what a success leaves of the gap
SUCCESSES = 25  # after which one more request may be under way: by then the gap has halved, and more
LOOK_EVERY = 0.05  # seconds, while others have to end first


def pause_after(failures: int, retry_after: float | None, timeout: float) -> float:
    """Seconds to wait after so many ``failures`` (1 or more) of the same thing: growing, and jittered.

    At least ``retry_after`` seconds, which the server asked for, but then no more than ``timeout``.
    """
    import random  # 3 ms: only after a failure

    pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE) + random.uniform(0, FIRST_PAUSE)
    return pause if retry_after is None else min(max(pause, retry_after), timeout)


class Pace:
    """``retries`` refusals without any success between them are taken, by each request and by all together.

    A pause that the server asks for is kept, up to ``timeout`` seconds. ``sleep`` is called to wait.
    """

    def __init__(self, retries: int, timeout: float, sleep: Callable[[float], None]) -> None:
        self._retries = retries
        self._timeout = timeout
        self._sleep = sleep
        self._lock = threading.Lock()
        self._under_way = 0
        self._most = 0  # requests under way, if there is a gap
        self._gap = 0.0
        self._next = 0.0  # when the next request may begin, by time.monotonic
        self._turn = 0  # counts the refusals that have changed the pace
        self._in_vain = 0
        self._successes = 0
        self._of_thread = threading.local()

    @property
    def repeats(self) -> int:
        """How many requests this thread has repeated after a refusal."""
        return getattr(self._of_thread, "repeats", 0)

    @property
    def is_lost(self) -> bool:
        """Whether nothing gets through any more, so that another attempt would be refused as well."""
        return self._in_vain > self._retries

    def enter(self) -> int:
        """Wait until a request may begin; returns the turn that ``refused`` asks for. ``leave`` must follow.

        Nothing may begin a request, and wait for another one before it ends.
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
        """The request is over, whatever has become of it."""
        with self._lock:
            self._under_way -= 1

    def succeeded(self) -> None:
        """The server has dealt with the request."""
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
        """A request that began in ``turn`` was refused, as it was ``before`` so many times; ``why`` is for
        people. Returns whether to repeat it, by way of ``enter``; never where nobody ``repeats`` it.

        Requests that began before the pace was changed are refused for the same reason, and do not change it
        again. Nor does one that is refused again while others get through: it waits by itself.
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
