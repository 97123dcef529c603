"""The command line: what it lists, what it takes, and what it says of what it does not take."""

import json
from pathlib import Path

import pytest

from connectors import registry
from connectors.cli import command_line, commands
from tests.support.program import run

FRONT = "red-connectors"
HTTP = "red-connector-http"
OPTIONS = {"--help": "help", "--version": "version"}


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
@pytest.mark.parametrize("option", OPTIONS)
def test_help_and_version_may_be_written_as_commands(program: str, option: str) -> None:
    word = run(program, OPTIONS[option])
    assert (word.code, word.stderr) == (0, "")
    assert word.stdout == run(program, option).stdout != ""


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
def test_an_executable_alone_shows_each_of_its_commands_on_one_line(program: str) -> None:
    result = run(program)
    assert (result.code, result.stdout) == (64, "")
    assert "usage: " in result.stderr
    shown = [line for line in result.stderr.splitlines() if line.startswith("  ")]
    assert [line.split()[0] for line in shown] == list(commands.offered(program))
    assert max(map(len, shown)) <= 100


def test_the_commands_are_listed_as_json_where_the_log_is_json() -> None:
    result = run(FRONT, env={"RED_LOG": "json"})
    assert [line.split()[0] for line in result.log[0]["parts"]] == list(commands.offered(FRONT))


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
def test_help_shows_each_command_with_its_operands(program: str) -> None:
    shown = run(program, "--help").stdout
    for name, command in commands.offered(program).items():
        assert f"  {' '.join((name, *command.operands))}  " in shown
        assert command.summary in shown
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
def test_help_shows_the_options_that_the_commands_take_and_no_others(program: str) -> None:
    shown = run(program, "--help").stdout
    taken = {option for command in commands.offered(program).values() for option in command.options}
    assert {option for option in commands.OPTIONS if f"\n  {option}" in shown} == taken


def test_list_shows_what_each_connector_is_for_and_its_verbs() -> None:
    lines = iter(run(FRONT, "list").stdout.splitlines())
    for line, verbs in zip(lines, lines, strict=True):
        connector = registry.load(line.split()[0])
        assert line.endswith(f"  {connector.SUMMARY}")
        assert verbs.strip().split(", ") == list(connector.SCHEMAS)


def test_list_gives_the_verbs_of_all_connectors_as_json_too() -> None:
    table = json.loads(run(FRONT, "list", "--json").stdout)
    assert table == {name: list(registry.load(name).SCHEMAS) for name in registry.MODULES}


@pytest.mark.parametrize("command", ["example", "schema"])
def test_without_a_connector_and_a_verb_the_choices_are_listed(command: str) -> None:
    alone = run(FRONT, command)
    assert (alone.code, alone.stdout) == (64, "")
    for name in registry.MODULES:
        short = name.removeprefix("red-connector-")
        assert [short, *registry.load(name).SCHEMAS] in [line.split() for line in alone.stderr.splitlines()]
    one = run(FRONT, command, "ssh")
    assert one.code == 64
    assert "  ssh  receive-file send-file receive-dir send-dir mount-dir\n" in one.stderr
    assert "xnat" not in one.stderr
    verb = run(FRONT, command, "receive-dir")
    assert verb.code == 64
    assert {"http", "ssh"} <= set(verb.stderr.split())
    assert "http-json" not in verb.stderr


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        (FRONT, "recieve-file a b", "unknown command recieve-file; did you mean receive-file?"),
        (FRONT, "hlep", "did you mean help?"),
        (FRONT, "nonsense", "unknown command nonsense\n"),
        (FRONT, "in.yml x.csv", "red-connectors receive-file in.yml LOCALFILE"),
        (FRONT, "http", "red-connector-http receive-file in.yml data.csv"),
        (HTTP, "list", "list is a command of red-connectors, not of red-connector-http"),
        (FRONT, "--ofline receive-file-validate x", "unknown option --ofline; did you mean --offline?"),
        (FRONT, "-x", "unknown option -x"),
        (FRONT, "receive-dir a b --listing", "--listing needs a value: --listing LISTING"),
        (FRONT, "receive-file-validate a --offline=yes", "--offline takes no value"),
        (FRONT, "receive-file a b --listing c", "receive-file does not take --listing"),
        (FRONT, "receive-dir a", "receive-dir ACCESS LOCALDIR [--listing LISTING]"),
        (FRONT, "receive-file a b c", "receive-file expects 2 arguments, got 3"),
        (FRONT, "receive-dir a b c.json", "did you mean --listing c.json?"),
        (FRONT, "receive-file-validate a b", "expects 1 argument, got 2"),
        (FRONT, "list all", "expects 0 arguments, got 1"),
        (FRONT, "receive a b", "did you mean receive-file or receive-dir?"),
        (HTTP, "validate a", "receive-file-validate or send-file-validate or receive-dir-validate or"),
        (FRONT, "send-dir a b --validate", "unknown option --validate; did you mean send-dir-validate?"),
        (FRONT, "htp receive-file a b", "no connector htp; did you mean red-connector-http?"),
        (FRONT, "receive-file", "red-connectors example"),
        (FRONT, "example http nonsense", "red-connector-http has receive-file, send-file"),
        (FRONT, "example htp", "did you mean red-connector-http?"),
        (FRONT, "completion", "bash or zsh"),
        (FRONT, "completion fish", "bash and zsh"),
        (FRONT, "receive-dir - x --listing -", "only one of ACCESS and LISTING can be standard input"),
    ],
)
def test_a_wrong_command_line_is_explained_in_plain_words(program: str, words: str, said: str) -> None:
    result = run(program, *words.split())
    assert (result.code, result.stdout) == (64, "")
    assert said in result.stderr


def test_a_name_that_cannot_be_printed_is_shown_on_one_line() -> None:
    result = run(FRONT, "a\nb\x1b[2J" + "c" * 1000)
    assert result.code == 64
    assert "\x1b" not in result.stderr
    assert max(map(len, result.stderr.splitlines())) < 200


def test_a_file_that_begins_with_a_hyphen_can_be_written_with_its_folder(tmp_path: Path) -> None:
    refused = run(FRONT, "receive-file", "-in.yml", "x", cwd=tmp_path)
    assert refused.code == 64
    assert "./-name" in refused.stderr
    assert run(FRONT, "receive-file", "./-in.yml", "x", cwd=tmp_path).code == 78


def test_an_unsupported_verb_is_69_and_connectors_that_have_it_are_named() -> None:
    for words in (["mount-dir", "a", "b"], ["mount-dir-validate", "a"], ["umount-dir", "a"]):
        result = run(HTTP, *words)
        assert result.code == 69
        assert "red-connector-ssh" in result.stderr


@pytest.mark.parametrize("program", [FRONT, *registry.MODULES])
def test_help_of_a_command_shows_that_command_alone(program: str) -> None:
    whole = run(program, "--help").stdout
    for name, command in commands.offered(program).items():
        result = run(program, "help", name)
        assert (result.code, result.stderr) == (0, "")
        assert result.stdout.startswith(f"{program} {name}: {command.summary}\n")
        assert " ".join((program, name, *command.operands)) in result.stdout
        assert {option for option in commands.OPTIONS if option in result.stdout} == set(command.options)
        assert max(map(len, result.stdout.splitlines())) <= 100
        assert "Exit codes" not in result.stdout
        if name != "cli-version":
            assert run(program, name, "--help").stdout == result.stdout
    assert run(program, "help", "nonsense").stdout == whole


def test_the_examples_in_the_help_of_commands_are_understood() -> None:
    for name in commands.offered(FRONT):
        line = run(FRONT, "help", name).stdout.splitlines()[3]
        assert line.startswith(f"example: {FRONT} ")
        assert command_line.parse(FRONT, line.split()[2:]).command == name
