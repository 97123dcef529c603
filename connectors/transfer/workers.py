"""Runs tasks concurrently, in threads that never delay the end of the program.

The executors of the standard library wait for their threads at exit, and importing them costs 13 ms;
a termination signal must not wait for a server that has gone silent.
"""

import threading
import time
from collections.abc import Callable, Iterable

from connectors.transfer.job import TIDY_SECONDS, Cancelled, Job

GRACE = TIDY_SECONDS + 0.5  # seconds until cancelled tasks are given up
GROW_EVERY = 0.01  # seconds after which the number of workers may double
BUSY = 0.5  # of a processor: above that, the workers hardly wait


def run(job: Job, tasks: Iterable[Callable[[], None]], parallel: int) -> None:
    """Run all ``tasks``, up to ``parallel`` concurrently; an exception in one ends all, and is raised.

    Workers are added while they mostly wait. If one keeps the interpreter busy, more would only compete for
    its lock: a thousand small files from a nearby server took twice as long. The calling thread just waits,
    so that it can run signal handlers at any time.
    """
    queue = iter(tasks)
    lock = threading.Lock()
    raised: list[BaseException] = []
    finished = threading.Semaphore(0)

    def work() -> None:
        try:
            while not job.cancelled.is_set():
                with lock:
                    task = next(queue, None)
                if task is None:
                    break
                task()
        except Cancelled:
            pass
        except BaseException as error:  # passed on to the caller
            raised.append(error)
            job.cancelled.set()
        finally:
            finished.release()

    started = ended = 0

    def start(count: int) -> None:
        nonlocal started
        for _ in range(count):
            threading.Thread(target=work, daemon=True).start()
            started += 1

    try:
        start(1)
        while ended < started:
            wall, busy = time.monotonic(), time.process_time()
            growing = started < parallel
            if finished.acquire(timeout=GROW_EVERY if growing else None):
                ended += 1
                parallel = started  # no task is left for another worker
            elif time.process_time() - busy < BUSY * (time.monotonic() - wall):
                try:
                    start(min(started, parallel - started))
                except RuntimeError:  # no more threads can be started
                    parallel = started
    except BaseException:
        job.cancelled.set()
        deadline = time.monotonic() + GRACE
        while ended < started and finished.acquire(timeout=max(0.0, deadline - time.monotonic())):
            ended += 1
        raise
    if raised:
        raise raised[0]
