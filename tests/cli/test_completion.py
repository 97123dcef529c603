"""Completion for bash and zsh: what the Tab key makes of a line, in the shells themselves."""

import os
import pty
import re
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors import registry
from connectors.cli import commands
from tests.support.program import CHECKOUT, environment, run
from tests.support.require import missing

FRONT = "red-connectors"
SSH = "red-connector-ssh"
PROMPT = "ready> "
SETTINGS = {"bash": "bashrc", "zsh": ".zshrc"}
ALONE = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"]}
"""What keeps a shell from reading anybody's settings."""
OFFER = {
    "bash": 'source ./completion; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1));'
    ' _red_connectors "$1" "${@: -1}" "${@: -2:1}"; printf "%s\\n" "${COMPREPLY[@]}"',
    "zsh": 'compdef() { }; compadd() { print -l -- "$@" }; _describe() { print -l -- ${(P)2%%:*} };'
    ' source ./completion; words=("$@"); CURRENT=$#; PREFIX=$words[-1]; _red_connectors',
}
"""Scripts that print the words which are offered for their last argument."""
PREPARE = {
    "bash": [
        "bind 'set bell-style none'",
        "bind 'set enable-bracketed-paste off'",
        "bind 'set completion-query-items -1'",
        "bind 'set page-completions off'",
        "finish() { printf '<%s|%s>' \"$READLINE_LINE\" END; READLINE_LINE= READLINE_POINT=0; }",
        "bind -x '\"\\C-t\": finish'",
    ],
    "zsh": [
        "unsetopt beep list_beep",
        "unset zle_bracketed_paste",
        "LISTMAX=1000",
        "autoload -Uz compinit",
        "compinit -u -d .zcompdump",
        "finish() { zle && zle -I; printf '<%s|%s>' \"$BUFFER\" END; zle && BUFFER= }",
        "zle -N finish",
        "bindkey '^T' finish",
    ],
}
LINE = re.compile(r"<([^<>]*)\|END>")
"""Printed by the key Ctrl-T, after all keys before it have had their effect: the line, which it empties."""


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, name: str, folder: Path) -> None:
        (folder / SETTINGS[name]).write_text(
            "\n".join([*PREPARE[name], f"PS1='{PROMPT}'", "source ./completion"])
        )
        line = {"bash": ["bash", "--rcfile", SETTINGS["bash"], "-i"], "zsh": ["zsh", "-d", "-i"]}[name]
        self.terminal, theirs = pty.openpty()
        env = environment({"TERM": "xterm", "ZDOTDIR": str(folder), "COLUMNS": "300"})
        self.process = subprocess.Popen(
            line, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=env, start_new_session=True
        )
        os.close(theirs)
        self.wait(re.compile(PROMPT))

    def wait(self, what: "re.Pattern[str]") -> "re.Match[str]":
        """For it to show that."""
        said = ""
        while not (found := what.search(said)):
            assert select.select([self.terminal], [], [], 20)[0], said
            said += os.read(self.terminal, 65536).decode(errors="replace")
        return found

    def says(self, text: str) -> str:
        """What stands on the line after ``text`` is typed; it is empty afterwards."""
        os.write(self.terminal, text.encode())
        return self.wait(LINE)[1]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture(scope="module", params=list(ALONE))
def name(request: pytest.FixtureRequest) -> str:
    """Of the shell."""
    if not shutil.which(request.param):
        missing(request.param, f"{request.param} is not installed")
    return str(request.param)


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the script for that shell, a file and a folder."""
    folder = tmp_path_factory.mktemp(name)
    (folder / "completion").write_text(run(FRONT, "completion", name).stdout)
    (folder / "access").mkdir()
    (folder / "access" / "in.yml").write_text("")
    (folder / "apples.json").write_text("")
    return folder


@pytest.fixture(scope="module")
def shell(name: str, folder: Path) -> Iterator[Shell]:
    shell = Shell(name, folder)
    yield shell
    shell.close()


@pytest.fixture
def offer(name: str, folder: Path) -> Callable[..., set[str]]:
    """The words that are offered for the last of these, which may be the beginning of one."""

    def offer(*words: str) -> set[str]:
        line = [name, *ALONE[name], "-c", OFFER[name], name, *words]
        result = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=20)
        assert (result.returncode, result.stderr) == (0, "")
        return set(result.stdout.split()) - {"--"}

    return offer


@pytest.mark.parametrize(
    ("line", "whole"),
    [
        (f"{FRONT} cli", f"{FRONT} cli-version "),
        (f"{FRONT} umo", f"{FRONT} umount-dir "),
        (f"{FRONT} completion z", f"{FRONT} completion zsh "),
        (f"{FRONT} example xn", f"{FRONT} example xnat-http "),
        (f"{FRONT} schema ssh mou", f"{FRONT} schema ssh mount-dir "),
        (f"{FRONT} receive-file acc", f"{FRONT} receive-file access/"),
        (f"{FRONT} receive-file access/", f"{FRONT} receive-file access/in.yml "),
        (f"{FRONT} receive-dir access/in.yml a", f"{FRONT} receive-dir access/in.yml access/"),
        (f"{FRONT} receive-dir --list", f"{FRONT} receive-dir --listing "),
        (f"{FRONT} receive-dir --listing app", f"{FRONT} receive-dir --listing apples.json "),
        (f"{FRONT} receive-dir --listing=app", f"{FRONT} receive-dir --listing=apples.json "),
        (
            f"{FRONT} receive-dir --listing apples.json acc",
            f"{FRONT} receive-dir --listing apples.json access/",
        ),
        (f"{FRONT} receive-file-validate --off", f"{FRONT} receive-file-validate --offline "),
        (f"{FRONT} http-json receive-file-v", f"{FRONT} http-json receive-file-validate "),
        (f"{SSH} mount-dir-", f"{SSH} mount-dir-validate "),
    ],
)
def test_a_word_with_only_one_completion_is_completed(shell: Shell, line: str, whole: str) -> None:
    assert shell.says(f"{line}\t\x14") == whole


def test_after_the_last_operand_nothing_is_completed(shell: Shell) -> None:
    line = f"{FRONT} umount-dir access/ a"
    assert shell.says(f"{line}\t\x14") == line


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
def test_the_commands_of_an_executable_are_offered_and_no_others(
    offer: Callable[..., set[str]], program: str
) -> None:
    assert offer(program, "") == {*commands.offered(program), *commands.SPELT_OUT}


def test_a_shell_function_gets_the_completions_of_red_connectors(offer: Callable[..., set[str]]) -> None:
    assert offer("red", "") == {*commands.offered(FRONT), *commands.SPELT_OUT}
    assert "mount-dir" in offer("red", "ssh", "")
    assert "mount-dir" not in offer("red", "http", "")


@pytest.mark.parametrize("command", commands.understood(FRONT))
def test_the_options_of_a_command_are_offered_and_no_others(
    offer: Callable[..., set[str]], command: str
) -> None:
    assert offer(FRONT, command, "--") == {
        *commands.understood(FRONT)[command].options,
        "--help",
        "--version",
    }


def test_shellcheck_finds_nothing_in_the_completion_for_bash(tmp_path: Path) -> None:
    script = tmp_path / "completion"
    script.write_text(run(FRONT, "completion", "bash").stdout + "\n")
    program = CHECKOUT / ".venv" / "bin" / "shellcheck"
    if not program.exists():
        missing("shellcheck", "it comes with make lint")
    # SC2207: words without blanks, and bash 3.2 (macOS) has no mapfile
    line = [program, "--shell=bash", "--exclude=SC2207", script]
    result = subprocess.run(line, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout
