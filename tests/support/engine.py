"""The image in a real container engine: built once per test run, then run as users run it."""

import functools
import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.support.program import CHECKOUT
from tests.support.require import missing

IMAGE = "red-connectors:latest"


@functools.cache
def image() -> str:
    """The name of the image, built from this checkout; without an engine the test ends."""
    result = sh("image/build.sh", timeout=1800)
    if result.returncode == 69:
        missing("docker", result.stderr.strip())
    assert result.returncode == 0, result.stdout + result.stderr
    return IMAGE


def sh(*words: object, timeout: float = 120, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """Run a command in the checkout, whatever its exit code. ``timeout`` in seconds."""
    command = [str(word) for word in words]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=timeout, input=stdin)


def run(
    *words: object, options: Sequence[object] = (), stdin: str = "", timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """``docker run`` with these options and the arguments ``words``; the container is removed."""
    return sh("docker", "run", "--rm", "-i", *options, image(), *words, stdin=stdin, timeout=timeout)


def shell(script: str, options: Sequence[object] = ()) -> str:
    """The output of a shell script inside the image; it must succeed."""
    result = run("sh", "-euc", script, options=options)
    assert result.returncode == 0, result.stderr
    return result.stdout


@functools.cache
def config() -> dict[str, Any]:
    """The output of ``docker image inspect``."""
    inspected: list[dict[str, Any]] = json.loads(sh("docker", "image", "inspect", image()).stdout)
    return inspected[0]


def me() -> list[str]:
    """Options that make the caller the owner of files in a mounted folder."""
    return ["--user", f"{os.getuid()}:{os.getgid()}"]
