"""Every connector of the registry against every promise that its verbs imply. No server, no pass."""

from collections.abc import Callable
from pathlib import Path

import pytest

import tests.conformance_directories
import tests.conformance_files  # noqa: F401  # importing them registers their promises
from connectors import registry
from tests.conformance import PROMISES, Case, Promise
from tests.servers import http_case

# The servers that each connector is tried with.
SERVERS = {
    "red-connector-http": ("nginx", "apache"),
    "red-connector-http-json": ("nginx",),
    "red-connector-http-mock-send": ("nginx",),
}


def _matrix() -> list[object]:
    """One line for each connector, server and promise."""
    lines = []
    for executable in registry.MODULES:
        verbs = set(registry.load(executable).SCHEMAS)
        for server in SERVERS.get(executable, ()):
            for promise in PROMISES:
                if verbs.issuperset(promise.verbs):
                    lines.append(
                        pytest.param(
                            executable, server, promise, id=f"{executable}-{server}-{promise.keep.__name__}"
                        )
                    )
    return lines


@pytest.fixture
def make_case(request: pytest.FixtureRequest, fresh: str) -> Callable[[str, str], Case]:
    def make(executable: str, server: str) -> Case:
        if server == "nginx":
            web = request.getfixturevalue("web")
            return http_case.CASES[executable](web, web.basic, "BASIC", fresh)
        httpd = request.getfixturevalue("httpd")
        return http_case.CASES[executable](httpd, httpd.digest, "DIGEST", fresh)

    return make


@pytest.mark.parametrize(("executable", "server", "promise"), _matrix())
def test_every_connector_keeps(
    executable: str, server: str, promise: Promise, make_case: Callable[[str, str], Case], tmp_path: Path
) -> None:
    promise.keep(make_case(executable, server), tmp_path)


def test_every_connector_of_the_registry_has_a_server() -> None:
    assert set(registry.MODULES) == set(SERVERS)


def test_every_verb_of_every_connector_is_held_to_a_promise() -> None:
    promised = {verb for promise in PROMISES for verb in promise.verbs}
    for executable in registry.MODULES:
        assert set(registry.load(executable).SCHEMAS) <= promised
