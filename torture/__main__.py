"""``python -m torture``: try random faults, show each broken promise, and write docs/reliability.md.

``python -m torture --seed S --case N`` repeats one case and shows its details.
"""

import argparse
import os
import random
import sys
import time

from torture import report
from torture.case import KINDS
from torture.run import Result, run

EVERY = 100  # cases between progress messages


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m torture", description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=1000, help="how many cases [1000]")
    parser.add_argument("--seed", type=int, help="the same seed makes the same cases; else a random one")
    parser.add_argument("--case", type=int, help="only the case of this number, and all about it")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case [0]")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), help="cases at once")
    parser.add_argument("--only", default="", help="only kinds whose group and name contain this")
    parser.add_argument("--list", action="store_true", help="show the kinds of faults")
    parser.add_argument("--write", action="store_true", help="write the table into docs/reliability.md")
    options = parser.parse_args()
    chosen = [one for one in KINDS if options.only.lower() in f"{one.group}: {one.name}".lower()]
    if options.list or not chosen:
        print("\n".join(f"{one.group}: {one.name}" for one in chosen) or "no kind has that name")
        return 0 if chosen else 64
    seed = random.randrange(1 << 32) if options.seed is None else options.seed
    first, count = (options.first, options.count) if options.case is None else (options.case, 1)
    began = time.monotonic()
    results: list[Result] = []
    print(f"seed {seed}, {count} cases, {len(chosen)} kinds of faults", flush=True)
    for result in run(seed, range(first, first + count), options.workers, chosen):
        results.append(result)
        if result.violation or options.case is not None:
            print(_shown(seed, result, options.only), flush=True)
        if len(results) % EVERY == 0:
            broken = sum(bool(one.violation) for one in results)
            seconds = time.monotonic() - began
            print(f"{len(results)} of {count} cases, {broken} violations, {seconds:.0f} s", flush=True)
    print("\n".join(report.table(results)))
    if options.write:
        report.write(seed, results)
    return int(any(one.violation for one in results))


def _shown(seed: int, result: Result, only: str) -> str:
    again = f"python -m torture --seed {seed} --case {result.number}" + (f" --only '{only}'" if only else "")
    lines = [f"--- {result.group}: {result.kind}", again, result.violation or "kept", result.story]
    return "\n".join([*lines, f"({result.seconds:.2f} s)", ""])


if __name__ == "__main__":
    sys.exit(main())
