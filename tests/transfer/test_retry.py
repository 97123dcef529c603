"""One loop repeats log-ins, large files and what is left of many small files."""

import threading
import time
from collections.abc import Iterator

import pytest

from connectors.errors import NotAuthenticated, TemporaryFailure
from connectors.settings import Settings
from connectors.transfer import pace
from connectors.transfer.job import Cancelled, Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from connectors.transfer.retry import persistently


class Impatient(Job):
    """Notes its pauses, and does not make them."""

    def __init__(self, retries: int = 4) -> None:
        super().__init__(Settings(timeout=60, retries=retries), Progress(), Receipts(""))
        self.pauses: list[float] = []

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)


class Attempts:
    """Raises one failure after the other, then succeeds; a number is what is done by then."""

    def __init__(self, *outcomes: Exception | int) -> None:
        self.made = self.done = 0
        self._outcomes: Iterator[Exception | int] = iter(outcomes)

    def __call__(self) -> None:
        self.made += 1
        outcome = next(self._outcomes, None)
        if isinstance(outcome, int):
            self.done += outcome
            raise cut()
        if outcome:
            raise outcome


def cut(retry_after: float | None = None, *, repeatable: bool = True) -> TemporaryFailure:
    return TemporaryFailure("cut", retry_after=retry_after, repeatable=repeatable)


def test_success_needs_one_attempt() -> None:
    job, attempts = Impatient(), Attempts()
    persistently(job, attempts)
    assert attempts.made == 1
    assert job.pauses == []


def test_pauses_double_up_to_a_limit() -> None:
    job = Impatient(retries=9)
    persistently(job, Attempts(*(cut() for _ in range(9))))
    expected = [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert [min(paused, least) for paused, least in zip(job.pauses, expected, strict=True)] == expected
    assert all(paused <= least + pace.FIRST_PAUSE for paused, least in zip(job.pauses, expected, strict=True))


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_there_are_as_many_further_attempts_as_settings_say(retries: int) -> None:
    job, attempts = Impatient(retries), Attempts(*(cut() for _ in range(9)))
    with pytest.raises(TemporaryFailure):
        persistently(job, attempts)
    assert attempts.made == retries + 1


def test_retry_after_is_obeyed_up_to_the_timeout() -> None:
    job = Impatient()
    persistently(job, Attempts(cut(7), cut(3600)))
    assert job.pauses == [7, 60]


@pytest.mark.parametrize("failure", [cut(repeatable=False), NotAuthenticated("wrong password")])
def test_what_must_not_be_repeated_is_not_repeated(failure: Exception) -> None:
    job, attempts = Impatient(), Attempts(failure)
    with pytest.raises(type(failure)):
        persistently(job, attempts)
    assert attempts.made == 1


def test_nothing_is_repeated_once_the_server_refuses_everything() -> None:
    job, attempts = Impatient(retries=1), Attempts(cut())
    for turn in range(2):
        job.pace.refused(turn, 0, None, "too many requests")
    assert job.pace.is_lost
    with pytest.raises(TemporaryFailure):
        persistently(job, attempts)
    assert attempts.made == 1


def test_an_attempt_that_made_progress_does_not_count() -> None:
    job, attempts = Impatient(), Attempts(*range(1, 9), cut(), 5, cut(), cut())
    with pytest.raises(TemporaryFailure):
        persistently(job, attempts, in_vain=1, done=lambda: attempts.done)
    assert attempts.made == 11
    assert all(paused <= 2 * pace.FIRST_PAUSE for paused in job.pauses)


def test_without_retries_an_attempt_that_made_progress_is_the_last() -> None:
    job, attempts = Impatient(retries=0), Attempts(1)
    with pytest.raises(TemporaryFailure):
        persistently(job, attempts, in_vain=1, done=lambda: attempts.done)
    assert attempts.made == 1


def test_a_pause_ends_when_the_call_is_interrupted() -> None:
    job = Job(Settings(timeout=60), Progress(), Receipts(""))
    threading.Timer(0.2, job.cancelled.set).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        persistently(job, Attempts(cut(30)))
    assert time.monotonic() - begun < 5
