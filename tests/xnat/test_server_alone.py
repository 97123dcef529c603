"""The fake XNAT as a program of its own, for whoever wants to try something out."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.servers.xnat import Switches
from tests.support.asking import Asker
from tests.support.program import CHECKOUT, environment, run

FILES = "/data/projects/demo/subjects/sub-01/experiments/sub-01_mr/scans/1/resources/NIFTI/files"
DOCUMENT: dict[str, Any] = yaml.safe_load((CHECKOUT / "examples" / "xnat.yml").read_text())
AUTH = DOCUMENT["access"]["auth"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "tests.servers.xnat", *map(str, arguments)]


@contextmanager
def running(temporary: Path, *options: str) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The program at a free port: its URL, and the process, of whose output the first line has been read."""
    env = environment({"TMPDIR": str(temporary)})
    process = subprocess.Popen(command(0, *options), cwd=CHECKOUT, env=env, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process.stdout.readline().split()[1], process
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0
    assert list(temporary.iterdir()) == [], "it leaves files behind"


def ended(*arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments), cwd=CHECKOUT, env=environment(), capture_output=True, text=True, timeout=20
    )


def test_the_example_of_the_readme_receives_a_file_and_the_fake_shows_what_was_asked(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with running(tmp_path / "tmp") as (url, process):
        document = {**DOCUMENT, "access": {**DOCUMENT["access"], "baseUrl": url}}
        result = run("red-connectors", "receive-file", document, tmp_path / "t1.nii.gz")
        assert result.code == 0, result.stderr
        assert (tmp_path / "t1.nii.gz").read_bytes() == bytes(range(256)) * 64
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        shown = next(line for line in lines if line.startswith("200"))
        assert shown.startswith(f"200 {AUTH['username']} GET /data/projects/demo/")


def test_it_says_how_to_log_in_and_the_password_hides_nothing_in_a_message(tmp_path: Path) -> None:
    with running(tmp_path) as (url, process):
        assert process.stdout
        users, password = process.stdout.readline(), process.stdout.readline()
        assert f"{AUTH['username']} (owns everything)" in users
        assert password.split() == ["password:", AUTH["password"]]
        access = {**DOCUMENT["access"], "baseUrl": url, "file": "none"}
        result = run("red-connector-xnat-http", "receive-file-validate", access)
        assert result.code == 66
        assert f"{url}{FILES}/none" in result.stderr


@pytest.mark.parametrize(
    ("options", "path", "status", "part"),
    [
        ((), f"{FILES}", 200, b'"digest": "'),
        (("--no-checksums",), f"{FILES}", 200, b'"digest": ""'),
        (("--maintenance",), f"{FILES}", 200, b"<html>"),
        (("--session-limit", "0"), f"{FILES}", 401, b"sessions"),
        (("--redirect-to", "https://xnat.example", "--redirect-status", "301"), f"{FILES}", 301, b""),
        (("--fail", "GET /files$ status=503"), f"{FILES}", 503, b""),
        (("--fail", "ANY t1 status=500", "--fail", "PUT /files status=503"), f"{FILES}/t1.nii.gz", 500, b""),
    ],
)
def test_the_command_line_says_what_the_site_is_like(
    tmp_path: Path, options: tuple[str, ...], path: str, status: int, part: bytes
) -> None:
    with running(tmp_path, *options) as (url, _):
        reply = Asker(url, AUTH["username"], AUTH["password"])("GET", path)
        assert reply.status == status
        assert part in reply.body
        assert (b'"digest": ""' in reply.body) == ("--no-checksums" in options)


def test_every_switch_has_an_option_that_help_explains() -> None:
    result = ended("--help")
    assert (result.returncode, result.stderr) == (0, "")
    for one in fields(Switches):
        option = f"--{'no-' if one.default is True else ''}{one.name.replace('_', '-')}"
        _, found, text = result.stdout.partition(f"\n  {option}")
        assert found, option
        assert len(text.partition("\n  --")[0].split()) > 3, f"{option} is not explained"


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = ended(port)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert f"port {port}: Address already in use" in line


@pytest.mark.parametrize(
    "arguments",
    [("70000",), ("x",), ("-1",), ("--fail", "PUT"), ("--fail", "PUT /x drop"), ("--fail", "PUT /x no=1"),
     ("--fail", "PUT ( drop=1"), ("--session-limit", "many"), ("--unknown",)],
)  # fmt: skip
def test_what_the_command_line_should_not_say_is_an_error_without_a_traceback(
    arguments: tuple[str, ...],
) -> None:
    result = ended(*arguments)
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "error:" in result.stderr
    assert len(result.stderr) < 400


def test_it_needs_nothing_but_python() -> None:
    line = [sys.executable, "-S", *command("--help")[1:]]  # -S: without what is installed
    result = subprocess.run(line, cwd=CHECKOUT, env=environment(), capture_output=True, text=True, timeout=20)
    assert result.returncode == 0, result.stderr
