"""The one interface between the engine and the connectors.

Paths are relative to the place that the access document names, with ``/`` between their segments;
``""`` is that place itself. A Remote raises nothing but the errors of connectors.errors: each
connector translates what its library throws at one border. All methods but ``check`` may be called
from several threads at once.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, Protocol

from connectors.verbs import Verb

if TYPE_CHECKING:
    from connectors.transfer.arrival import Arrival
    from connectors.transfer.checksum import Checksum
    from connectors.transfer.departure import Departure


class Entry(NamedTuple):
    """One file or directory of a tree: its path below the tree's root, and what is known of it."""

    path: str
    is_dir: bool
    size: int | None = None
    checksum: "Checksum | None" = None


class Remote(Protocol):
    """An open conversation with a data store."""

    def describe(self, path: str = "") -> str:
        """How to name ``path`` to people and in receipts, e.g. its URL without anything secret."""

    def check(self, verb: Verb) -> None:
        """Reachable, let in, and there (or writable): learnt without moving payload or changing anything."""

    def read(self, path: str, arrival: "Arrival") -> None:
        """Deliver the file's bytes into ``arrival``, from ``arrival.offset`` on if the far end can."""

    def write(self, path: str, departure: "Departure") -> None:
        """Take the file's bytes from ``departure``; on return they are at the far end, whole and verified."""


class Listable(Protocol):
    """A Remote that can tell what a directory holds."""

    def entries(self, path: str) -> Iterator[Entry]:
        """All files and directories below ``path``, at any depth, parents before children."""


class Plantable(Protocol):
    """A Remote whose directories must be made before files are put into them, or may be empty."""

    def make_dir(self, path: str) -> None:
        """Make the directory and its parents; it may exist."""
