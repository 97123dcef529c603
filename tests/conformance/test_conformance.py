"""Every registered connector against every promise that its verbs imply. Without a server it fails."""

from pathlib import Path

import pytest

import tests.conformance.decorations
import tests.conformance.directories
import tests.conformance.directories_sent
import tests.conformance.files  # importing them registers their promises
import tests.conformance.mounts  # noqa: F401
from connectors import registry
from tests.conformance.promises import PROMISES, Promise
from tests.servers.cases import CASES, Factory


def _matrix() -> list[object]:
    """One test per connector, server and promise."""
    return [
        pytest.param(factory, promise, id=f"{executable}-{server}-{promise.keep.__name__}")
        for executable in registry.MODULES
        for server, factory in CASES.get(executable, {}).items()
        for promise in PROMISES
        if set(registry.load(executable).SCHEMAS).issuperset(promise.verbs)
    ]


@pytest.mark.server
@pytest.mark.parametrize(("factory", "promise"), _matrix())
def test_every_connector_keeps(
    factory: Factory, promise: Promise, request: pytest.FixtureRequest, fresh: str, tmp_path: Path
) -> None:
    promise.keep(factory(request, fresh), tmp_path)


def test_every_connector_of_the_registry_has_a_server() -> None:
    assert set(registry.MODULES) == {executable for executable, servers in CASES.items() if servers}


def test_every_verb_of_every_connector_is_held_to_a_promise() -> None:
    promised = {verb for promise in PROMISES for verb in promise.verbs}
    for executable in registry.MODULES:
        assert set(registry.load(executable).SCHEMAS) <= promised
