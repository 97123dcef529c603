"""The results, as tables and as a picture."""

import math
import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.ablation import LEAST, OFF, ON
from bench.measure import Result
from bench.place import EXISTING, MIB, VERSIONS, Scenario
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
    """One goal and its result: all except ``kept`` as text."""

    title: str
    ours: str
    reference: str
    ratio: str
    limit: str
    kept: bool


def goals(measured: Sequence[Measured]) -> list[Row]:
    """A row for every goal of every scenario, memory goals last."""
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
    """The table of goals, in Markdown."""
    yield "| | this project | compared with | ratio | at most | |"
    yield "|---|---:|---:|---:|---:|---|"
    for row in goals(measured):
        kept = "kept" if row.kept else "**missed**"
        yield f"| {row.title} | {row.ours} | {row.reference} | {row.ratio} | {row.limit} | {kept} |"


def details(one: Measured) -> Iterator[str]:
    """The table of one scenario's contenders, in Markdown."""
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
    """The table of speed tricks' gains, in Markdown."""
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


COLOURS = {
    "this project": "#0b6e4f",
    EXISTING: "#c8553d",
    "curl": "#3d5a80",
    "wget": "#8d6a9f",
    "aria2c": "#e0a030",
    "rclone": "#5fa8d3",
    "sftp": "#3d5a80",
    "scp": "#8d6a9f",
    "rsync": "#e0a030",
    "xnatpy": "#3d5a80",
    "python3 -I -c pass": "#9aa0a6",
}
STYLE = 'font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#222"'
WIDTH, LEFT, RIGHT, TOP, STEP = 860, 250, 30, 100, 44


def plot(measured: Sequence[Measured]) -> str:
    """An SVG: one line per scenario, one dot per program; further right is slower."""
    ratios = [result.seconds / one.ours.seconds for one in measured for result in one.results]
    low = math.log10(min(0.5, *ratios) / 1.15)
    high = math.log10(max(2.0, *ratios) * 1.15)
    height = TOP + STEP * len(measured) + 46

    def x(ratio: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log10(ratio) - low) / (high - low)

    bottom = height - 46
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {STYLE}>',
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#fff"/>',
        '<text x="24" y="32" font-size="17" font-weight="bold">Time, compared with this project</text>',
        '<text x="24" y="52" fill="#666">Right of the line: slower. Left: faster. Logarithmic scale.</text>',
        *_legend(measured),
    ]
    for tick in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500):
        if low <= math.log10(tick) <= high:
            colour, width = (COLOURS["this project"], 2) if tick == 1 else ("#e3e3e3", 1)
            parts.append(
                f'<line x1="{x(tick):.1f}" y1="{TOP - 6}" x2="{x(tick):.1f}" y2="{bottom}" '
                f'stroke="{colour}" stroke-width="{width}"/>'
                f'<text x="{x(tick):.1f}" y="{bottom + 20}" text-anchor="middle" fill="#666">{tick:g}×</text>'
            )
    for number, one in enumerate(measured):
        y = TOP + STEP * number + STEP / 2
        ours = one.ours.seconds
        spread = [result.seconds / ours for result in one.results]
        parts.append(f'<text x="24" y="{y + 4:.1f}">{one.scenario.title}</text>')
        parts.append(
            f'<line x1="{x(min(spread)):.1f}" y1="{y}" x2="{x(max(spread)):.1f}" y2="{y}" stroke="#bbb"/>'
        )
        for result in reversed(one.results):
            ratio = result.seconds / ours
            name = f"{result.name}: {_time(result.seconds)}, {ratio:.2f} ×"
            parts.append(
                f'<circle cx="{x(ratio):.1f}" cy="{y}" r="6.5" fill="{_colour(result.name)}" '
                f'stroke="#fff" stroke-width="1.5"><title>{name}</title></circle>'
            )
    return "\n".join([*parts, "</svg>", ""])


def _colour(name: str) -> str:
    return COLOURS.get(name) or COLOURS.get(name.split()[0], "#999")


def _legend(measured: Sequence[Measured]) -> Iterator[str]:
    shown = {_colour(result.name) for one in measured for result in one.results}
    left = 24.0
    for name, colour in COLOURS.items():
        if colour in shown:
            yield f'<circle cx="{left + 6}" cy="75" r="6" fill="{colour}"/>'
            yield f'<text x="{left + 18:.0f}" y="79">{name}</text>'
            left += 36 + 6.9 * len(name)
