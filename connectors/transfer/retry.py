"""The one retry loop: for log-ins, large files, many small files and everything else."""

from collections.abc import Callable

from connectors import log
from connectors.errors import TemporaryFailure
from connectors.transfer.job import Job
from connectors.transfer.pace import pause_after


def persistently(
    job: Job,
    attempt: Callable[[], None],
    *,
    in_vain: int | None = None,
    done: Callable[[], int] = lambda: 0,
    announcement: str = "trying again",
) -> None:
    """Call ``attempt`` until it succeeds, or fails with something that another attempt would not mend.

    Raises the TemporaryFailure after ``in_vain`` further attempts (``settings.retries`` at most).
    An attempt during which ``done`` grew does not count; with ``settings.retries`` 0 there is no further
    attempt at all. Pauses grow with the attempts that count. A pause that the server asks for is honoured, up
    to ``settings.timeout`` seconds. Once the pace is lost, refused requests have already been repeated.
    """
    retries = job.settings.retries
    most = retries if in_vain is None else min(in_vain, retries)
    attempts = failed = 0
    while True:
        before = done()
        attempts += 1
        try:
            return attempt()
        except TemporaryFailure as failure:
            failed += done() == before
            if failed > most or not retries or not failure.repeatable or job.pace.is_lost:
                raise
            seconds = pause_after(max(failed, 1), failure.retry_after, job.settings.timeout)
            log.warning(f"{failure.message}; {announcement} in {seconds:.1f} s", attempt=attempts)
        job.pause(seconds)
