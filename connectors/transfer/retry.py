"""Another attempt where that is safe: growing, jittered pauses, and what the server asks for."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from connectors import log
from connectors.errors import TemporaryFailure
from connectors.transfer.job import Job
from connectors.transfer.pace import FIRST_PAUSE, LONGEST_PAUSE

if TYPE_CHECKING:
    from tenacity import RetryCallState


def persistently(job: Job, attempt: Callable[[], None]) -> None:
    """Call ``attempt`` until it raises no TemporaryFailure that may be repeated.

    At most ``settings.retries`` further calls are made. A pause that the server asks for is kept, up
    to ``settings.timeout`` seconds. Once the pace is lost, what was refused has been repeated already.
    """
    try:
        attempt()
        return
    except TemporaryFailure as failure:
        if not failure.repeatable or not job.settings.retries or job.pace.is_lost:
            raise
        first = [failure]

    import tenacity  # 30 ms: only when something went wrong

    growing = tenacity.wait_exponential_jitter(multiplier=FIRST_PAUSE, max=LONGEST_PAUSE, jitter=FIRST_PAUSE)

    def again() -> None:
        if first:
            raise first.pop()  # the attempt that was made without tenacity is its first
        attempt()

    def pause(state: "RetryCallState") -> float:
        failure = _failure(state)
        seconds = growing(state)
        if failure.retry_after is not None:
            seconds = min(max(seconds, failure.retry_after), job.settings.timeout)
        return seconds

    def announce(state: "RetryCallState") -> None:
        seconds = state.next_action.sleep if state.next_action else 0
        log.warning(
            f"{_failure(state).message}; trying again in {seconds:.1f} s", attempt=state.attempt_number
        )

    def may_pass(error: BaseException) -> bool:
        return isinstance(error, TemporaryFailure) and error.repeatable and not job.pace.is_lost

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(may_pass),
        stop=tenacity.stop_after_attempt(job.settings.retries + 1),
        wait=pause,
        before_sleep=announce,
        sleep=job.pause,
        reraise=True,
    )
    retrying(again)


def _failure(state: "RetryCallState") -> TemporaryFailure:
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, TemporaryFailure)
    return failure
