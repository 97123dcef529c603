"""Runs many cases in several processes concurrently, each with its own servers."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.servers.xnat.server import Server
from torture import kinds
from torture.case import KINDS, Case, Kind, Violation
from torture.place import Place
from torture.program import Program, preload

assert kinds  # fills KINDS


class Result(NamedTuple):
    """``violation`` is the broken promise, or empty; ``story`` is for people."""

    number: int
    group: str
    kind: str
    violation: str
    story: str
    seconds: float


def run(seed: int, numbers: Sequence[int], workers: int, chosen: Sequence[Kind] = KINDS) -> Iterator[Result]:
    """The results of these cases, as they arrive."""
    context = multiprocessing.get_context("fork")
    results: Any = context.SimpleQueue()
    following = context.Value("q", 0)
    processes = [
        context.Process(target=_work, args=(seed, numbers, following, results, chosen), daemon=True)
        for _ in range(min(workers, len(numbers)))
    ]
    for process in processes:
        process.start()
    try:
        left = len(processes)
        while left:
            result = results.get()
            if result is None:
                left -= 1
            elif isinstance(result, str):
                raise RuntimeError(result)
            else:
                yield result
    finally:
        for process in processes:
            if process.is_alive():
                process.terminate()
            process.join()


def _work(seed: int, numbers: Sequence[int], following: Any, results: Any, chosen: Sequence[Kind]) -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(143))
    folder = Path(tempfile.mkdtemp(prefix="red-torture-"))
    folder.chmod(0o755)
    Server.handle_error = lambda self, request, address: None  # type: ignore[method-assign]  # the client has gone
    try:
        preload()
        program = Program(folder)
        place = Place(folder, program)
        with contextlib.closing(program), place.running():
            able = [one for one in chosen if place.has(one.needs)]
            for name, reason in place.missing.items() if not following.value else ():
                print(f"not tried, {name}: {reason}", flush=True)
            while (number := _next(numbers, following)) is not None:
                results.put(_one(seed, number, place, able))
    except BaseException:
        results.put(traceback.format_exc())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        results.put(None)


def _next(numbers: Sequence[int], following: Any) -> int | None:
    with following.get_lock():
        following.value += 1
        return numbers[following.value - 1] if following.value <= len(numbers) else None


def _one(seed: int, number: int, place: Place, chosen: Sequence[Kind]) -> Result:
    case = Case(seed, number, place, chosen)
    broken = ""
    began = time.monotonic()
    try:
        with case.at_work():
            case.kind.try_it(case)
    except Violation as violation:
        broken = str(violation)
    except Exception:  # an error in this harness must not count as a success
        broken = traceback.format_exc()
    seconds = time.monotonic() - began
    return Result(number, case.kind.group, case.kind.name, broken, "\n".join(_told(case)), seconds)


def _told(case: Case) -> Iterable[str]:
    yield from case.notes
    for outcome in case.outcomes:
        yield f"exit {outcome.code} after {outcome.seconds:.2f} s"
        yield outcome.stderr.rstrip()
