"""Run programs in turn and note how long they take and how much memory they need."""

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple


class Contender(NamedTuple):
    """A program and how it is called; ``arguments`` gets a new empty folder for what is to be received.

    One that takes so long that chance does not matter may run ``most`` times only; 0 is always.
    """

    name: str
    arguments: Callable[[Path], Sequence[object]]
    env: Mapping[str, str] = {}
    most: int = 0


class Run(NamedTuple):
    """One run: wall-clock time, processor time, the largest resident size in bytes, and how often the server
    was asked for something, where that is counted."""

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
    """Run it to its end; RuntimeError with its output if that is not 0.

    ``ru_maxrss`` begins with the size of the process that starts it (Linux carries it over exec), which
    is why this package imports no more than it must.
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
    """Every contender once in each round, in an order that turns, after one round that does not count.

    ``fresh`` gives an empty folder; ``check`` raises if what was received into it is not all there;
    ``asked`` tells how many requests the server has had so far.
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
