"""podman, to run a Kubernetes Pod without a cluster."""

import functools
import os
import shutil
import subprocess

from tests.support import engine
from tests.support.program import CHECKOUT
from tests.support.require import missing

# Lets podman run without systemd, including in a container or a small virtual machine.
SETTINGS = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
"""
INSTALL = "apt-get -q update && apt-get -q install -y --no-install-recommends podman catatonit runc"


@functools.cache
def image() -> str:
    """Our image's name in podman, copied from Docker; without podman the test ends."""
    name = engine.image()
    if not shutil.which("podman") and os.getuid() == 0 and shutil.which("apt-get"):
        engine.sh("env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", INSTALL, timeout=600)
    if not shutil.which("podman"):
        missing("podman", "podman is not installed (Debian: apt-get install podman catatonit)")
    result = engine.sh("sh", "-c", f"docker save {name} | CONTAINERS_CONF={_settings()} podman load")
    assert result.returncode == 0, result.stderr
    return name


def podman(*words: object, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run podman with these arguments, whatever its exit code."""
    return engine.sh("env", f"CONTAINERS_CONF={_settings()}", "podman", *words, timeout=timeout)


def _settings() -> str:
    file = CHECKOUT / ".cache" / "containers.conf"
    file.parent.mkdir(exist_ok=True)
    file.write_text(SETTINGS)
    return str(file)
