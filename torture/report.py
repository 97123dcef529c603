"""The results, as a table in docs/reliability.md."""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from tests.support.program import CHECKOUT
from torture.run import Result

PAGE = CHECKOUT / "docs" / "reliability.md"
BEGIN, END = "<!-- written by make torture: begin -->", "<!-- written by make torture: end -->"


def table(results: Sequence[Result]) -> Iterator[str]:
    """Each group of kinds and its contents, in Markdown."""
    yield "| what is tried | kinds | cases | violations |"
    yield "|---|---:|---:|---:|"
    for group in sorted({one.group for one in results}):
        yield _row(group, [one for one in results if one.group == group])
    yield _row("**all**", results)


def _row(name: str, results: Sequence[Result]) -> str:
    broken = sum(bool(one.violation) for one in results)
    return f"| {name} | {len({one.kind for one in results})} | {len(results)} | {broken} |"


def details(results: Iterable[Result]) -> Iterator[str]:
    """Each kind with its number of cases, one paragraph per group."""
    groups: dict[str, Counter[str]] = {}
    for one in results:
        groups.setdefault(one.group, Counter())[one.kind] += 1
    for group in sorted(groups):
        yield ""
        yield f"**{group}.** " + "; ".join(f"{kind} {count}" for kind, count in sorted(groups[group].items()))


def write(seed: int, results: Sequence[Result]) -> None:
    """Between the markers of the page."""
    before, rest = PAGE.read_text().split(BEGIN)
    after = rest.split(END)[1]
    date = time.strftime("%Y-%m-%d", time.gmtime())
    lines = [
        BEGIN,
        "",
        f"{date}, seed {seed}, {len(results):,} cases.",
        "",
        *table(results),
        *details(results),
        "",
        END,
    ]
    PAGE.write_text(before + "\n".join(lines) + after)
