"""The real RED agent runs experiments: in an image made from ours, and in ours itself."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PASSWORD, USERNAME, bridge
from tests.support import engine, require, venvs

DATA = b"planet,moons\nEarth,1\n"
SCRIPT = 'cat "$1" "$2/a.txt" "$2/sub/b.txt" > result.txt'
DOCKERFILE = f"""FROM {engine.IMAGE}
USER 0
RUN printf '%s\\n' '#!/bin/sh' '{SCRIPT}' > /usr/local/bin/experiment && chmod 755 /usr/local/bin/experiment
USER 1000:1000
"""


@pytest.fixture(scope="module")
def faice() -> Path:
    """The agent's command line."""
    return venvs.installed("agent") / "faice"


@pytest.fixture(scope="module")
def server() -> Iterator[bridge.Bridge]:
    engine.image()
    with require.running("nginx", bridge.start) as running:
        running.place("data.csv", DATA)
        running.place("dir/a.txt", b"a\n")
        running.place("dir/sub/b.txt", b"b\n")
        yield running


@pytest.fixture(scope="module")
def derived() -> Iterator[str]:
    """An experiment's image, made with ours by FROM."""
    engine.image()
    name = "red-connectors-test-experiment"
    result = engine.sh("docker", "build", "--tag", name, "-", stdin=DOCKERFILE)
    assert result.returncode == 0, result.stdout + result.stderr
    yield name
    engine.sh("docker", "rmi", "--no-prune", name)


def access(url: str, **more: str) -> dict[str, Any]:
    auth = {"method": "BASIC", "_username": USERNAME, "_password": PASSWORD}
    return {"command": "red-connector-http", "access": {"url": url, "auth": auth, **more}}


def experiment(image: str, command: list[str], server: bridge.Bridge, result: str) -> dict[str, Any]:
    """A RED file: a file and a directory with a listing come in, the file result.txt goes out."""
    listing = [
        {"class": "File", "basename": "a.txt", "size": 2},
        {"class": "Directory", "basename": "sub", "listing": [{"class": "File", "basename": "b.txt"}]},
    ]
    checksum = "sha1$" + hashlib.sha1(DATA).hexdigest()
    return {
        "redVersion": "9",
        "cli": {
            "cwlVersion": "v1.0",
            "class": "CommandLineTool",
            "baseCommand": command,
            "inputs": {
                "data": {"type": "File", "inputBinding": {"position": 0}},
                "folder": {"type": "Directory", "inputBinding": {"position": 1}},
            },
            "outputs": {"result": {"type": "File", "outputBinding": {"glob": "result.txt"}}},
        },
        "inputs": {
            "data": {
                "class": "File",
                "connector": access(f"{server.url}/data.csv"),
                "size": len(DATA),
                "checksum": checksum,
            },
            "folder": {"class": "Directory", "connector": access(f"{server.url}/dir"), "listing": listing},
        },
        "outputs": {"result": {"class": "File", "connector": access(f"{server.url}/{result}", method="PUT")}},
        "container": {"engine": "docker", "settings": {"image": {"url": image}, "ram": 256}},
        "execution": {"engine": "ccfaice", "settings": {}},
    }


def execute(
    faice: Path, red: dict[str, Any], folder: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    (folder / "red.json").write_text(json.dumps(red))
    command = [
        faice,
        "exec",
        "--disable-pull",
        "--non-interactive",
        "-d",
        "--format=json",
        *options,
        folder / "red.json",
    ]
    return engine.sh(*command, timeout=180)


def test_an_experiment_in_an_image_made_from_ours(
    faice: Path, server: bridge.Bridge, derived: str, tmp_path: Path
) -> None:
    result = execute(faice, experiment(derived, ["experiment"], server, "derived/result.txt"), tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (server.root / "derived/result.txt").read_bytes() == DATA + b"a\nb\n"


def test_an_experiment_in_our_image_itself(faice: Path, server: bridge.Bridge, tmp_path: Path) -> None:
    red = experiment(engine.image(), ["sh", "-c", SCRIPT, "sh"], server, "itself/result.txt")
    result = execute(faice, red, tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (server.root / "itself/result.txt").read_bytes() == DATA + b"a\nb\n"


def test_the_agent_shows_the_connectors_reason_and_never_the_password(
    faice: Path, server: bridge.Bridge, tmp_path: Path
) -> None:
    red = experiment(engine.image(), ["sh", "-c", SCRIPT, "sh"], server, "never/result.txt")
    red["inputs"]["data"]["connector"]["access"]["url"] = f"{server.url}/missing.csv"
    result = execute(faice, red, tmp_path)
    assert result.returncode != 0
    assert "missing.csv" in result.stdout + result.stderr
    assert PASSWORD not in result.stdout + result.stderr
    assert not (server.root / "never").exists()
