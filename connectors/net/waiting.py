"""Waiting with a timeout, ended early if the call is cancelled."""

import threading
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

from connectors.errors import TemporaryFailure

LOOK_EVERY = 0.05  # seconds, to see whether the call was cancelled

T = TypeVar("T")


class Cancellable(Protocol):
    """What can be cancelled during a wait, such as a transfer's Job."""

    def check_cancelled(self) -> None:
        """Raise to end the wait if it was cancelled."""


def for_event(
    event: threading.Event, job: Cancellable, seconds: float, complaint: str, *, since: float | None = None
) -> None:
    """Wait for ``event``; TemporaryFailure(``complaint``) after ``seconds``, counted from ``since``."""
    deadline = (time.monotonic() if since is None else since) + seconds
    while not event.wait(min(LOOK_EVERY, seconds)):
        job.check_cancelled()
        if time.monotonic() > deadline:
            raise TemporaryFailure(f"{complaint} within {seconds:g} s")
    job.check_cancelled()


def for_answer(ask: Callable[[], T], job: Cancellable, seconds: float, complaint: str) -> T:
    """What ``ask`` returns or raises. It cannot be stopped: its thread may be left running."""
    done = threading.Event()
    answers: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            answers.append(ask())
        except BaseException as error:  # raised again in the caller's thread
            errors.append(error)
        done.set()

    threading.Thread(target=run, daemon=True).start()
    for_event(done, job, seconds, complaint)
    if errors:
        raise errors[0]
    return answers[0]
