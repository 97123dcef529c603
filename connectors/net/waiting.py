"""Waiting that ends in time and does not outlive a cancelled call."""

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from connectors.errors import TemporaryFailure

LOOK_EVERY = 0.05  # seconds, to see whether the call was cancelled

T = TypeVar("T")


class Cancellable(Protocol):
    """What is being waited for on behalf of, such as a transfer's Job."""

    def check_cancelled(self) -> None:
        """Raise what ends the wait, if it was cancelled."""


def for_event(
    event: threading.Event, job: Cancellable, seconds: float, complaint: str, *, since: float | None = None
) -> None:
    """Until ``event`` is set; TemporaryFailure(``complaint``) after ``seconds``, which began at ``since``."""
    deadline = (time.monotonic() if since is None else since) + seconds
    while not event.wait(min(LOOK_EVERY, seconds)):
        job.check_cancelled()
        if time.monotonic() > deadline:
            raise TemporaryFailure(f"{complaint} within {seconds:g} s")
    job.check_cancelled()


def for_answer(ask: Callable[[], T], job: Cancellable, seconds: float, complaint: str) -> T:
    """What ``ask`` returns or raises. It cannot be stopped: it has a thread that may be left behind."""
    done = threading.Event()
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException as error:  # whatever it is, it is the caller's to see
            errors.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    for_event(done, job, seconds, complaint)
    if errors:
        raise errors[0]
    return answers[0]
