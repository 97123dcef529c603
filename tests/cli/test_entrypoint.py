"""entrypoint.sh and the links in bin/: which words lead to which program."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from connectors import registry
from connectors.model import Verb
from tests.support.program import CHECKOUT, environment

ENTRYPOINT = CHECKOUT / "entrypoint.sh"


@pytest.fixture
def echoing(tmp_path: Path) -> dict[str, str]:
    """An environment whose python3 prints its arguments, one a line, after its own name."""
    python = tmp_path / "fake" / "python3"
    python.parent.mkdir()
    python.write_text('#!/bin/sh\nprintf "%s\\n" python3 "$@"\n')
    python.chmod(0o755)
    return environment({"PATH": f"{python.parent}:/usr/bin:/bin"})


def call(*words: object, env: dict[str, str], cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        list(map(str, words)),
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def program(*words: object, env: dict[str, str], cwd: Path | None = None) -> list[str]:
    """What our Python program is called with: the executable's name and the arguments."""
    lines = call(*words, env=env, cwd=cwd).stdout.splitlines()
    assert lines[:3] == ["python3", "-E", str(CHECKOUT / "connectors/__main__.py")]
    return lines[3:]


def test_every_executable_has_its_link_and_no_link_is_left_over() -> None:
    links = {link.name for link in (CHECKOUT / "bin").iterdir()}
    assert links == {registry.FRONT_DOOR, *registry.MODULES}
    assert all(os.readlink(CHECKOUT / "bin" / link) == "../entrypoint.sh" for link in links)


@pytest.mark.parametrize("name", [registry.FRONT_DOOR, *registry.MODULES])
def test_a_link_runs_the_executable_it_is_named_after(name: str, echoing: dict[str, str]) -> None:
    assert program(CHECKOUT / "bin" / name, "receive-file", "a b", "", "*", env=echoing) == [
        name, "receive-file", "a b", "", "*",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [registry.FRONT_DOOR, *registry.MODULES])
def test_the_first_word_may_name_the_executable(name: str, echoing: dict[str, str]) -> None:
    assert program(ENTRYPOINT, name, "receive-file", "x", env=echoing) == [name, "receive-file", "x"]


@pytest.mark.parametrize("name", registry.MODULES)
def test_the_first_word_may_be_the_short_name(name: str, echoing: dict[str, str]) -> None:
    short = name.removeprefix("red-connector-")
    assert program(ENTRYPOINT, short, "send-file", "x", env=echoing) == [name, "send-file", "x"]


COMMANDS = [f"{verb}{suffix}" for verb in Verb for suffix in ("", "-validate")]
COMMANDS += ["umount-dir", "cli-version", "list", "schema", "example", "ssh-key", "stage-in", "stage-out"]
COMMANDS += ["help", "version", "completion", "--help", "--version", "--listing=x", "-h"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_goes_to_red_connectors_even_if_a_program_has_its_name(
    command: str, echoing: dict[str, str]
) -> None:
    fakes = echoing["PATH"].partition(":")[0]
    shutil.copy("/bin/true", f"{fakes}/{command}")
    assert program(ENTRYPOINT, command, "x", env=echoing) == ["red-connectors", command, "x"]


@pytest.mark.parametrize(
    "words", [[], [""], ["nonsense"], ["./nonsense"], ["../entrypoint.sh"], ["no such", "x"]]
)
def test_an_unknown_first_word_goes_to_red_connectors(
    words: list[str], echoing: dict[str, str], tmp_path: Path
) -> None:
    assert program(ENTRYPOINT, *words, env=echoing, cwd=tmp_path) == ["red-connectors", *words]


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (["sh", "-c", 'echo "$1"; exit 3', "sh", "a  b"], "a  b\n"),
        (["/bin/sh", "-c", "echo absolute; exit 3"], "absolute\n"),
        (["./here", "x"], "here x\n"),
    ],
)
def test_any_other_program_is_run_as_it_is(words: list[str], output: str, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("#!/bin/sh\necho here $1\nexit 3\n")
    (tmp_path / "here").chmod(0o755)
    result = call(ENTRYPOINT, *words, env=environment(), cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (3, output, "")


def test_python_scripts_of_the_user_run_with_the_plain_python_they_expect(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("import http.client, sys; print(http.client.OK, sys.argv[1])")
    result = call(ENTRYPOINT, "python3", "script.py", "x", env=environment(), cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, "200 x\n")


def test_the_links_work_through_further_links_and_from_folders_with_blanks(tmp_path: Path) -> None:
    home = tmp_path / "a folder; with blanks"
    shutil.copytree(
        CHECKOUT / "connectors", home / "connectors", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copytree(CHECKOUT / "bin", home / "bin", symlinks=True)
    shutil.copy(ENTRYPOINT, home)
    (tmp_path / "red-connector-http").symlink_to(home / "bin" / "red-connector-http")
    for words in ([tmp_path / "red-connector-http"], [home / "entrypoint.sh", "http"]):
        result = call(*words, "cli-version", env=environment(), cwd=tmp_path)
        assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")


def test_the_exit_code_and_signals_are_the_programs_own() -> None:
    assert call(ENTRYPOINT, env=environment()).returncode == 64
    sleeper = "import signal, time; print(1, flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [ENTRYPOINT, "python3", "-c", sleeper], env=environment(), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM


def test_environment_variables_meant_for_another_python_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong json')")
    env = environment({"PYTHONPATH": str(tmp_path), "PYTHONHOME": str(tmp_path)})
    result = call(CHECKOUT / "bin" / "red-connector-http", "cli-version", env=env, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "1\n", "")


def test_files_in_the_working_directory_do_not_shadow_modules(tmp_path: Path) -> None:
    for name in ("json", "http", "connectors", "re"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('the wrong module')")
    result = call(CHECKOUT / "bin" / "red-connectors", "list", env=environment(), cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")


def test_no_python_at_all_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "readlink").symlink_to("/usr/bin/readlink")
    result = call("/bin/sh", CHECKOUT / "bin" / "red-connectors", "list", env={"PATH": str(tmp_path)})
    assert (result.returncode, result.stdout) == (69, "")
    assert "python3, 3.11 or later, is not on PATH" in result.stderr


def test_an_old_python_is_one_clear_line_and_a_hint() -> None:
    path = str(CHECKOUT / "connectors" / "__main__.py")
    code = (
        "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0);"
        f"sys.argv = [{path!r}, 'red-connectors', 'list']; runpy.run_path({path!r}, run_name='__main__')"
    )
    result = call(sys.executable, "-c", code, env=environment())
    assert (result.returncode, result.stdout) == (69, "")
    assert re.fullmatch(r"Python 3\.9 is too old\nhint: .*3\.11.*\n", result.stderr)


def test_the_first_module_parses_on_old_pythons() -> None:
    import ast

    ast.parse((CHECKOUT / "connectors" / "__main__.py").read_text(), feature_version=(3, 6))


def test_a_missing_library_is_one_clear_line_and_a_hint(tmp_path: Path) -> None:
    document = tmp_path / "in.yml"
    document.write_text("url: http://127.0.0.1:9/x\n")
    isolated = f"exec {sys.executable} -S"  # -S: without site-packages, so that no library is there
    (tmp_path / "python3").write_text(f'#!/bin/sh\n{isolated} "$@"\n')
    (tmp_path / "python3").chmod(0o755)
    env = environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    result = call(CHECKOUT / "bin" / "red-connector-http", "receive-file", document, tmp_path / "x", env=env)
    assert (result.returncode, result.stdout) == (69, "")
    assert "Traceback" not in result.stderr
    assert "pip install -r requirements.txt" in result.stderr


def test_an_interrupt_during_start_up_shows_no_traceback() -> None:
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits "ignored"
    try:
        for milliseconds in range(0, 60, 3):
            process = subprocess.Popen(
                [CHECKOUT / "bin" / "red-connector-http", "cli-version"],
                env=environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            time.sleep(milliseconds / 1000)
            process.send_signal(signal.SIGINT)
            _, error = process.communicate(timeout=20)
            assert b"Traceback" not in error
            assert process.returncode in (0, 130, -signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)
