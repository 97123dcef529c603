"""Run programs in turn and measure time and memory."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Contender(NamedTuple):
    """A program and its command line; ``arguments`` gets a new empty folder to receive into. A slow one can
    be limited to ``most`` runs; 0 is unlimited.
    """

    name: str
    arguments: Callable[[Path], Sequence[object]]
    env: Mapping[str, str] = {}
    most: int = 0


class Run(NamedTuple):
    """One run: wall-clock time, CPU time, peak resident size in bytes, and the number of requests, if
    counted."""

    seconds: float
    cpu: float
    peak: int
    requests: int = 0


class Result(NamedTuple):
    """All runs of one contender."""

    name: str
    runs: tuple[Run, ...]

    @property
    def seconds(self) -> float:
        return median(run.seconds for run in self.runs)

    @property
    def peak(self) -> int:
        return int(median(run.peak for run in self.runs))

    @property
    def requests(self) -> int:
        return int(median(run.requests for run in self.runs))


def once(command: Sequence[object], env: Mapping[str, str]) -> Run:
    """Run it; RuntimeError with its output if the exit code is not 0. ``ru_maxrss`` starts at the parent's
    size (Linux keeps it over exec), so this package imports as little as possible.
    """
    words = [str(word) for word in command]
    begun = time.perf_counter()
    process = subprocess.Popen(
        words, env=dict(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode:
        raise RuntimeError(
            f"{words[0]} ended with {process.returncode}: {output.decode(errors='replace')[-2000:]}"
        )
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def side_by_side(
    contenders: Sequence[Contender],
    rounds: int,
    fresh: Callable[[], Path],
    check: Callable[[Path], None],
    asked: Callable[[], int] = lambda: 0,
) -> list[Result]:
    """Every contender once per round, in rotating order, after a warm-up round. ``fresh`` returns an empty
    folder; ``check`` raises if the received files are incomplete; ``asked`` returns the number of requests
    so far.
    """
    runs: dict[str, list[Run]] = {contender.name: [] for contender in contenders}
    for number in range(rounds + 1):
        shift = number % len(contenders)
        for contender in [*contenders[shift:], *contenders[:shift]]:
            if contender.most and not 0 < number <= contender.most:
                continue
            folder = fresh()
            before = asked()
            run = once(contender.arguments(folder), contender.env)
            run = run._replace(requests=asked() - before)
            check(folder)
            if number:
                runs[contender.name].append(run)
    return [Result(contender.name, tuple(runs[contender.name])) for contender in contenders]
