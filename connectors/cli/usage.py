"""The text of --help, and the errors of command lines."""

from collections.abc import Sequence
from getopt import GetoptError

from connectors import registry
from connectors.cli import commands
from connectors.cli.commands import Command
from connectors.errors import UsageError
from connectors.wording import printable

OPTIONS = {
    "--listing": "files and directories to move: receive-dir, send-dir, their checks",
    "--offline": "check the document without asking the server: -validate",
    "--json": "print JSON: list, ssh-key",
}
ALWAYS = {
    "--help, help": "print this; help COMMAND: about one command",
    "--version, version": "print the version of this program",
}
EXIT_CODES = {
    0: "done",
    64: "the command line is wrong",
    65: "the bytes are wrong: size, checksum, not JSON",
    66: "the file or directory is not there",
    68: "the host name does not exist",
    69: "not available: the verb, or something on this machine",
    70: "a bug in this program",
    73: "the target cannot be created, or exists already",
    74: "reading or writing locally failed",
    75: "failed for now: the same call may succeed later",
    76: "the server broke its protocol, or its certificate or host key is not accepted",
    77: "not logged in, or not allowed",
    78: "the access document, the listing or an environment variable is wrong",
}
ENVIRONMENT = {
    "RED_SECRETS_DIR": "folder of files, one variable each (/run/secrets/red)",
    "RED_VAR_name": "the variable {{name}}",
    "RED_RETRIES": "further attempts after a temporary failure (4)",
    "RED_TIMEOUT": "seconds without a byte until an attempt is given up (60)",
    "RED_PARALLEL": "files moved at once in a directory transfer (8)",
    "RED_MAX_ENTRIES": "entries of a directory until it counts as endless (10000000)",
    "RED_CA_BUNDLE": "file with the certificate authorities to trust (PEM)",
    "RED_KNOWN_HOSTS": "known_hosts file; unknown SSH hosts are refused",
    "RED_STRICT_HOST_KEYS": "1: refuse SSH hosts whose key is not stated anywhere",
    "RED_LOG": "text, or json: one object a line on stderr",
    "RED_PROGRESS": "auto: a bar on a terminal; log: a line now and then; off",
    "RED_RECEIPT": "file that gets a line of JSON for each file moved",
    "RED_DEBUG": "1: show the traceback of a bug in this program",
    "HTTP_PROXY, HTTPS_PROXY, NO_PROXY": "as everywhere",
}
SYNTAX = "COMMAND [OPERANDS] [OPTIONS]"


OPERANDS = {
    "ACCESS": "the access document: JSON or YAML, or - for standard input",
    "LOCALFILE": "the file on this side",
    "LOCALDIR": "the directory on this side",
    "CONNECTOR": "one of those that list prints",
    "VERB": "one of the connector's verbs",
    "FILE": "the private key, or - for standard input",
    "SHELL": "bash or zsh",
}
EXAMPLES = {
    "ACCESS": "in.yml", "LOCALFILE": "data.csv", "LOCALDIR": "data", "CONNECTOR": "http",
    "VERB": "receive-file", "FILE": "id_ed25519", "SHELL": "bash",
}  # fmt: skip


def text(program: str, arguments: Sequence[str]) -> str:
    """The help for ``arguments``: of the command that they name, or the whole."""
    words = [word for word in arguments if not word.startswith("-")]
    if words[:1] == ["help"]:
        del words[0]
    name = words[0] if words else ""
    command = commands.offered(program).get(name)
    return _of_command(program, name, command) if command else full(program)


def _of_command(program: str, name: str, command: Command) -> str:
    operands = {operand: OPERANDS[operand] for operand in command.operands}
    options = {_with_value(option): OPTIONS[option].partition(":")[0] for option in command.options}
    example = " ".join((program, name, *(EXAMPLES[operand] for operand in operands)))
    return "\n".join(
        [
            f"{program} {name}: {command.summary}",
            "",
            f"usage:   {_usage(program, name, command)}",
            f"example: {example}",
            *(_block("Operands", operands) if operands else ()),
            *(_block("Options", options) if options else ()),
            "",
            f"{program} --help shows all commands, exit codes and environment variables.",
        ]
    )


def _usage(program: str, name: str, command: Command) -> str:
    options = [f"[{_with_value(option)}]" for option in command.options]
    return " ".join((program, name, *command.operands, *options))


def full(program: str) -> str:
    """The text of --help."""
    if program == registry.FRONT_DOOR:
        about = "moves files and directories with the connector that the access document names"
        call = f"{program} receive-file in.yml data.csv"
    else:
        connector = registry.load(program)
        about, verb = connector.SUMMARY, next(iter(connector.SCHEMAS))
        call = f"{program} {verb} in.yml data.csv"
    return "\n".join(
        [
            f"{program}: {about}",
            "",
            f"usage:   {program} {SYNTAX}",
            f"example: {call}",
            "",
            *lines(program),
            "",
            "ACCESS and LISTING are JSON or YAML files, or - for standard input.",
            "LOCALFILE and LOCALDIR are on this side: what is received, sent or mounted.",
            *_block("Options", _options(program)),
            *_block("Exit codes", {str(code): meaning for code, meaning in EXIT_CODES.items()}),
            *_block("Environment", ENVIRONMENT),
        ]
    )


def _options(program: str) -> dict[str, str]:
    taken = {option for command in commands.offered(program).values() for option in command.options}
    shown = {option: meaning for option, meaning in OPTIONS.items() if option in taken}
    return {_with_value(option): meaning for option, meaning in shown.items()} | ALWAYS


def _with_value(option: str) -> str:
    return f"{option} {commands.OPTIONS[option]}".rstrip()


def lines(program: str) -> list[str]:
    """One line for each command."""
    table = {
        " ".join((name, *each.operands)): each.summary for name, each in commands.offered(program).items()
    }
    return _columns(table)


def _block(title: str, table: dict[str, str]) -> list[str]:
    return ["", f"{title}:", *_columns(table)]


def _columns(table: dict[str, str]) -> list[str]:
    width = max(len(left) for left in table)
    return [f"  {left:{width}}  {right}" for left, right in table.items()]


def wrong_option(program: str, error: GetoptError, arguments: Sequence[str]) -> UsageError:
    """The error for an invalid option among ``arguments``."""
    from difflib import get_close_matches  # 10 ms, for a fault only

    option = f"--{error.opt}" if len(error.opt) > 1 else f"-{error.opt}"
    if "requires argument" in error.msg:
        return UsageError(f"{option} needs a value: {option} {commands.OPTIONS.get(option, 'VALUE')}")
    if "must not have an argument" in error.msg:
        return UsageError(f"{option} takes no value")
    close = get_close_matches(option, [*commands.OPTIONS, "--help", "--version"], 1)
    if option == "--validate":
        verb = next((word for word in arguments if word in commands.TRANSFERS), "receive-file")
        close = [f"{verb}-validate"]
    return UsageError(
        f"unknown option {printable(option)}" + (f"; did you mean {close[0]}?" if close else ""),
        hint=f"see {program} --help; a file whose name begins with - is written as ./-name",
    )


def wrong_words(program: str, words: Sequence[str]) -> UsageError:
    """The error for ``words`` (the command line without options) that are not a command."""
    if not words:
        return UsageError(
            f"no command given; usage: {program} {SYNTAX}",
            lines=[line.removeprefix("  ") for line in lines(program)],
            hint=f"{program} --help explains operands, options and settings",
        )
    name, *operands = words
    command = commands.understood(program).get(name)
    if command is None:
        return _unknown(program, name, operands)
    return _wrong_number(program, name, command, operands)


def _wrong_number(program: str, name: str, command: Command, operands: Sequence[str]) -> UsageError:
    """The error for command ``name`` with the wrong operand count."""
    said = f"usage: {_usage(program, name, command)}"
    if len(operands) > len(command.operands):
        wanted = len(command.operands)
        hint = ""
        if "--listing" in command.options and len(operands) == wanted + 1:
            hint = f"did you mean --listing {printable(operands[-1])}?"
        counts = f"expects {wanted} argument{'' if wanted == 1 else 's'}, got {len(operands)}"
        return UsageError(f"{name} {counts}; {said}", hint=hint)
    if command.operands == ("CONNECTOR", "VERB"):
        from connectors.cli import information

        return UsageError(
            said, lines=information.choices(operands), hint=f"for example: {program} {name} http receive-file"
        )
    if "ACCESS" in command.operands:
        hint = f"{registry.FRONT_DOOR} example prints access documents to start from"
        return UsageError(said, hint=hint)
    if command.operands == ("SHELL",):
        return UsageError(said, hint="SHELL is bash or zsh")
    return UsageError(said)


def _unknown(program: str, name: str, operands: Sequence[str]) -> UsageError:
    """The error for unknown command ``name``."""
    shown = printable(name)
    for executable in (name, f"red-connector-{name}"):
        if executable in registry.MODULES:
            verb = next(iter(registry.load(executable).SCHEMAS))
            hint = f"call {executable} itself: {executable} {verb} in.yml data.csv"
            return UsageError(f"{shown} is a connector, not a command of {program}", hint=hint)
    if name in commands.FRONT:
        return UsageError(f"{name} is a command of {registry.FRONT_DOOR}, not of {program}")
    if name.lower().endswith((".yml", ".yaml", ".json")):
        hint = f"put a command before it: {program} receive-file {shown} LOCALFILE"
        return UsageError(f"{shown} is not a command", hint=hint)
    if operands and operands[0] in commands.TRANSFERS | commands.CHECKS:
        return UsageError(registry.no_such(shown), hint=f"{registry.FRONT_DOOR} list prints the connectors")
    meant = " or ".join(_meant(program, name))
    return UsageError(
        f"unknown command {shown}" + (f"; did you mean {meant}?" if meant else ""),
        hint=f"{program} --help lists the commands",
    )


def _meant(program: str, name: str) -> list[str]:
    """Commands that contain ``name``, such as receive or validate; otherwise the most similar one."""
    from difflib import get_close_matches

    offered = list(commands.offered(program))
    return (
        [command for command in offered if command.endswith(f"-{name}")]
        or [one for one in offered if one.startswith(f"{name}-") and not one.endswith("-validate")]
        or get_close_matches(name[:100], [*offered, *commands.SPELT_OUT], 1)
    )
