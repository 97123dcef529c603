"""The results, as tables and figures."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.ablation import LEAST, OFF, ON
from bench.measure import Result
from bench.place import CHECKOUT, MIB, VERSIONS, Scenario
from bench.scenarios import tools


class Measured(NamedTuple):
    scenario: Scenario
    results: Sequence[Result]

    def of(self, name: str) -> Result:
        return next(result for result in self.results if result.name == name)

    @property
    def ours(self) -> Result:
        return self.of(self.scenario.ours)


class Row(NamedTuple):
    """One goal and how near it is: all but ``kept`` as text."""

    title: str
    ours: str
    reference: str
    ratio: str
    limit: str
    kept: bool


def goals(measured: Sequence[Measured]) -> list[Row]:
    """A row for every goal of every scenario, those about memory last."""
    rows = []
    for one in measured:
        for goal in one.scenario.goals:
            ours, theirs = one.ours.seconds, one.of(goal.reference)
            ratio, limit = ours / theirs.seconds, f"{goal.limit:g}"
            reference = f"{_time(theirs.seconds)} ({theirs.name})"
            kept = ratio <= goal.limit
            rows.append(Row(one.scenario.title, _time(ours), reference, _ratio(ratio), limit, kept))
    for one in measured:
        if one.scenario.memory:
            theirs, limit = one.of(one.scenario.goals[0].reference), _mib(one.scenario.memory)
            reference = f"{_mib(theirs.peak)} ({theirs.name})"
            kept = one.ours.peak <= one.scenario.memory
            rows.append(Row(f"{one.scenario.title}: memory", _mib(one.ours.peak), reference, "", limit, kept))
    return rows


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:.2f} s"


def _ratio(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio >= 0.01 else f"{ratio:.3f}"


def _mib(size: int) -> str:
    return f"{size / MIB:.0f} MiB"


def summary(measured: Sequence[Measured]) -> Iterator[str]:
    """A table of the goals, as lines of Markdown."""
    yield "| | this project | compared with | ratio | at most | |"
    yield "|---|---:|---:|---:|---:|---|"
    for row in goals(measured):
        kept = "kept" if row.kept else "**missed**"
        yield f"| {row.title} | {row.ours} | {row.reference} | {row.ratio} | {row.limit} | {kept} |"


def details(one: Measured) -> Iterator[str]:
    """A table of all contenders of one scenario, as lines of Markdown."""
    ours = one.ours
    head = ["", "median", "fastest", "slowest", "processor", "peak memory", f"{ours.name} takes"]
    if ours.requests:
        head.append("requests")
    yield f"### {one.scenario.title}"
    yield ""
    yield f"| {' | '.join(head)} |".replace("|  |", "| |", 1)
    yield f"|---|{(len(head) - 1) * '---:|'}"
    for result in one.results:
        seconds = sorted(run.seconds for run in result.runs)
        processor = sorted(run.cpu for run in result.runs)[len(result.runs) // 2]
        times = [_time(one) for one in (result.seconds, seconds[0], seconds[-1], processor)]
        ratio = "" if result is ours else f"{_ratio(ours.seconds / result.seconds)} ×"
        requests = [str(result.requests)] if ours.requests else []
        yield f"| {' | '.join([result.name, *times, _mib(result.peak), ratio, *requests])} |"


def gains(tricks: Sequence[Measured]) -> Iterator[str]:
    """A table of what each speed trick gains, as lines of Markdown."""
    yield "| trick | scenario | on | off | off / on |"
    yield "|---|---|---:|---:|---:|"
    for one in tricks:
        on, off = one.of(ON).seconds, one.of(OFF).seconds
        yield f"| {one.scenario.title} | {_time(on)} | {_time(off)} | {off / on:.2f} |"


def markdown(measured: Sequence[Measured], tricks: Sequence[Measured]) -> str:
    """The whole page."""
    versions = ", ".join(f"{name} {version}" for name, version in tools().items())
    existing = ", ".join(f"{name} {version}" for name, version in VERSIONS.items())
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: do not edit. Everything is measured side by side in one run: each program",
        "once in every round, in an order that turns, after one round that does not count. Server (nginx,",
        "sshd, a fake XNAT), program and target share one machine; all files are in memory. Read the numbers",
        "as ratios.",
        "",
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {os.cpu_count()} cores. {versions};",
        f"the existing connectors are {existing} from PyPI.",
        "",
        "![Time relative to this project](benchmarks.svg)",
        "",
        "## Goals",
        "",
        *summary(measured),
        "",
        "Medians of wall-clock time. The ratio is this project's time by that of what it is compared with.",
        "",
        "## What each trick gains",
        "",
        *gains(tricks),
        "",
        "![Time without each trick](tricks.svg)",
        "",
        f"A trick that gains less than {LEAST} × in every scenario that users meet is removed. Each is",
        "switched off by `bench/without.py`; `python -m bench without` measures this table alone.",
        "",
        "## All of it",
        "",
    ]
    for one in measured:
        lines += [*details(one), ""]
    lines += [
        "Notes",
        "- 25 ms away: a relay in front of the server holds back every byte for that long. A new connection",
        "  costs one round trip more, as it does on a network. Behind a relay that answers the TCP handshake",
        "  itself, who opens a connection for each file, as the existing HTTP connector does, takes less",
        "  time, and the ratio is larger. SSH opens one connection for all, and it makes no difference.",
        "- Who takes very long is run once or left out.",
        f"- Peak memory is never less than that of the measuring process, about {_floor():.0f} MiB.",
        "- Of many files, aria2c, curl -Z and rclone move eight at a time, as red-connector-http does.",
        "- SSH: everybody logs in with the same RSA key (the existing connector takes no other) and uses the",
        "  cipher it likes best. scp is that of OpenSSH 9, which speaks SFTP.",
        "- sftp only: the existing connector cannot receive from such a server, so sending is compared.",
        "- XNAT is the fake that the tests use. Of many files the existing connector moves one for each",
        "  call. xnatpy is a library: a script uses it, with one session for all. Requests are those that",
        "  reach the server, log-in and log-out included.",
        "- This project, the existing connectors and xnatpy start Python; the others are compiled.",
        "",
    ]
    return "\n".join(lines)


def _floor() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(measured: Sequence[Measured], tricks: Sequence[Measured], docs: Path) -> None:
    """Write the figures into ``docs``."""
    from tests.support import venvs

    comparison = [(one.scenario.title, _ratios(one)) for one in measured]
    gained = [
        (one.scenario.title.replace(" | ", ": "), one.of(OFF).seconds / one.of(ON).seconds) for one in tricks
    ]
    data = json.dumps({"comparison": comparison, "tricks": gained})
    python, script = venvs.installed("bench") / "python", CHECKOUT / "bench" / "plot.py"
    figures = [docs / "benchmarks.svg", docs / "tricks.svg"]
    subprocess.run([python, "-P", script, *figures], input=data, text=True, check=True)


def _ratios(one: Measured) -> dict[str, float]:
    """By its name, how long each program takes, this project being 1."""
    ours = one.ours
    return {
        "this project" if result is ours else result.name: result.seconds / ours.seconds
        for result in one.results
    }
