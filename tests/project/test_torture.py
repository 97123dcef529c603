"""A few hundred random faults of ``make torture``, always the same ones."""

import pytest

from torture.case import KINDS
from torture.run import run

SEED = 9
CASES = 60
CHUNKS = 5


@pytest.mark.server
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_no_random_fault_breaks_a_promise(chunk: int) -> None:
    results = list(run(SEED, range(chunk * CASES, (chunk + 1) * CASES), workers=2))
    assert len(results) == CASES
    for one in results:
        again = f"python -m torture --seed {SEED} --case {one.number}"
        assert not one.violation, f"{one.group}: {one.kind}: {one.violation}\n{again}\n{one.story}"


def test_every_kind_of_fault_has_a_name_of_its_own() -> None:
    names = [(one.group, one.name) for one in KINDS]
    assert len(set(names)) == len(names) > 100
