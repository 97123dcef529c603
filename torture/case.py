"""A case: one kind of fault, drawn from a seed and a number; and the table of kinds."""

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from torture.place import Place
    from torture.program import Outcome

T = TypeVar("T")


class Violation(AssertionError):
    """A broken promise."""


class Kind(NamedTuple):
    """``try_it`` raises Violation. ``weight`` is its relative frequency. ``needs`` names the required
    servers of ``place.Place``.
    """

    group: str
    name: str
    weight: float
    needs: Sequence[str]
    try_it: Callable[["Case"], None]


KINDS: list[Kind] = []


def kind(group: str, name: str, weight: float = 1, needs: Sequence[str] = ()) -> Any:
    """The function below is a kind of fault."""

    def register(try_it: Callable[["Case"], None]) -> Callable[["Case"], None]:
        KINDS.append(Kind(group, name, weight, needs, try_it))
        return try_it

    return register


class Case:
    """``random`` decides everything. ``folder`` is removed afterwards. ``notes`` record the steps."""

    def __init__(self, seed: int, number: int, place: "Place", kinds: Sequence[Kind]) -> None:
        self.seed = seed
        self.number = number
        self.place = place
        self.random = random.Random(f"{seed}:{number}")
        weights = [one.weight for one in kinds]
        (self.kind,) = self.random.choices(kinds, weights)
        self.folder: Path = place.folder / f"c{number}"
        self.notes: list[str] = []
        self.outcomes: list[Outcome] = []

    @property
    def name(self) -> str:
        """A unique name, for cases that share a server."""
        return self.folder.name

    def note(self, text: str) -> None:
        self.notes.append(text)

    def pick(self, choices: Sequence[T]) -> T:
        return self.random.choice(choices)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def bytes(self, most: int = 200_000) -> bytes:
        """Content: often tiny, seldom larger than a buffer."""
        return self.random.randbytes(self.size(most))

    def size(self, most: int = 200_000) -> int:
        return min(most, self.pick((0, 1, 7, 100, 1000, 4096, 5000, 16_384, 40_000, 65_537, 200_000)))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        self.folder.mkdir()
        self.folder.chmod(0o755)
        try:
            yield
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)
