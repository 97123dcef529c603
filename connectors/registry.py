"""The available connectors. Strings only: a connector is imported only when it is chosen."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, cast

from connectors.errors import Unavailable
from connectors.model import Access, Verb

if TYPE_CHECKING:
    from connectors.access.schema import Schema
    from connectors.remote import Remote
    from connectors.transfer.job import Job

FRONT_DOOR = "red-connectors"

MODULES = {
    "red-connector-http": "connectors.http",
    "red-connector-http-json": "connectors.variants.http_json",
    "red-connector-http-mock-send": "connectors.variants.http_mock_send",
    "red-connector-ssh": "connectors.ssh",
    "red-connector-xnat-http": "connectors.xnat",
}


class Connector(Protocol):
    """What a connector's module offers. Importing it is cheap: a schema, and no library."""

    EXECUTABLE: str
    SUMMARY: str
    SCHEMAS: Mapping[Verb, "Schema"]

    def connect(self, access: Access, verb: Verb, job: "Job") -> AbstractContextManager["Remote"]:
        """Open the remote that ``access``, valid for ``verb``, describes."""


def load(executable: str) -> Connector:
    """The connector called ``executable``, one of the keys of MODULES; KeyError if there is none."""
    from importlib import import_module

    return cast(Connector, import_module(MODULES[executable]))


def no_such(name: str) -> str:
    """The message for a ``name`` not in MODULES: the connector probably meant, otherwise all."""
    from difflib import get_close_matches  # 10 ms, for a fault only

    meant = name.lower().replace("_", "-")[:100]
    short = {module.removeprefix("red-connector-"): module for module in MODULES}
    close = get_close_matches(meant.removeprefix("red-connector-"), short, 1)
    close = [short[word] for word in close] or get_close_matches(meant, MODULES, 1, 0.95)
    advice = f"did you mean {close[0]}?" if close else f"there are {', '.join(MODULES)}"
    return f"there is no connector {name}; {advice}"


def offering(verb: Verb) -> list[str]:
    """The executables of all connectors that have ``verb``."""
    return [name for name in MODULES if verb in load(name).SCHEMAS]


def lacking(program: str, verb: Verb) -> Unavailable:
    """The error for a ``verb`` that ``program`` does not have."""
    able = offering(verb)
    return Unavailable(
        f"{program} has no {verb}",
        hint=f"connectors with {verb}: {', '.join(able)}"
        if able
        else f"no connector of this version has {verb}",
    )
