"""The real RED agent runs an experiment whose input directory is mounted."""

import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.image.test_agent import execute, faice  # noqa: F401  # a fixture
from tests.servers import PASSWORD, sshd
from tests.support import engine, require
from tests.support.mounting import needs_fuse

DOCKERFILE = f"FROM {engine.IMAGE}\nUSER 0\nRUN useradd --uid 1000 cc\nUSER 1000:1000\n"
SCRIPT = '{ cat "$1/a.txt" "$1/sub/b.txt"; touch "$1/new" || echo refused; } >result.txt'


@pytest.fixture
def server() -> Iterator[tuple[sshd.Sshd, str]]:
    """A running server, and its address for containers."""
    engine.image()
    needs_fuse()
    inspect = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", "bridge"]
    subnet = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    address = str(ip_network(subnet)[1])
    with require.running("sshd", lambda: sshd.start(f"ListenAddress {address}")) as running:
        running.place("x/a.txt", b"a\n")
        running.place("x/sub/b.txt", b"b\n")
        yield running, address


@pytest.fixture
def named() -> Iterator[str]:
    """An experiment's image, in which the agent's user has a name."""
    name = "red-connectors-test-mounting"
    result = engine.sh("docker", "build", "--tag", name, "-", stdin=DOCKERFILE)
    assert result.returncode == 0, result.stdout + result.stderr
    yield name
    engine.sh("docker", "rmi", "--no-prune", name)


@pytest.fixture
def open_device() -> Iterator[None]:
    """/dev/fuse open to all, as udev makes it: the agent passes it on as it is."""
    mode = os.stat("/dev/fuse").st_mode & 0o777
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


def experiment(image: str, server: sshd.Sshd, address: str) -> dict[str, Any]:
    auth = {"_username": server.username, "_password": PASSWORD}
    host = {"host": address, "port": server.port, "hostKey": server.fingerprints["ed25519"], "auth": auth}
    source = {"command": "red-connector-ssh", "access": {**host, "dirPath": "x"}, "mount": True}
    target = {"command": "red-connector-ssh", "access": {**host, "filePath": "out/result.txt"}}
    return {
        "redVersion": "9",
        "cli": {
            "cwlVersion": "v1.0",
            "class": "CommandLineTool",
            "baseCommand": ["sh", "-c", SCRIPT, "sh"],
            "inputs": {"folder": {"type": "Directory", "inputBinding": {"position": 1}}},
            "outputs": {"result": {"type": "File", "outputBinding": {"glob": "result.txt"}}},
        },
        "inputs": {"folder": {"class": "Directory", "connector": source}},
        "outputs": {"result": {"class": "File", "connector": target}},
        "container": {"engine": "docker", "settings": {"image": {"url": image}, "ram": 256}},
        "execution": {"engine": "ccfaice", "settings": {}},
    }


@pytest.mark.usefixtures("open_device")
def test_an_experiment_reads_a_directory_that_is_mounted(
    faice: Path,  # noqa: F811
    server: tuple[sshd.Sshd, str],
    named: str,
    tmp_path: Path,
) -> None:
    running, address = server
    red = experiment(named, running, address)
    result = execute(faice, red, tmp_path, "--insecure")
    assert result.returncode == 0, result.stdout + result.stderr
    assert (running.root / "out/result.txt").read_bytes() == b"a\nb\nrefused\n"
    assert PASSWORD not in result.stdout + result.stderr
