"""The parser, for all executables."""

import os
from collections.abc import Sequence

from connectors.cli import commands
from connectors.cli.commands import CommandLine
from connectors.errors import UsageError


def parse(program: str, arguments: Sequence[str]) -> CommandLine:
    """Options may stand before, between or after the operands; the table lists them."""
    import getopt  # argparse does no more for so flat a grammar, and takes 6 ms

    os.environ.pop("POSIXLY_CORRECT", None)  # it would end the options at the first operand
    taken = [name[2:] + ("=" if value else "") for name, value in commands.OPTIONS.items()]
    try:
        options, words = getopt.gnu_getopt(list(arguments), "", taken)
    except getopt.GetoptError as error:
        from connectors.cli import usage

        raise usage.wrong_option(program, error, arguments) from None
    given = dict(options)
    name, *operands = words or [""]
    command = commands.understood(program).get(name)
    if command is None or len(operands) != len(command.operands):
        from connectors.cli import usage

        raise usage.wrong_words(program, words)
    for option in given:
        if option not in command.options:
            raise UsageError(f"{name} does not take {option}", hint=f"see {program} --help")
    listing = given.get("--listing")
    if listing == "-" == operands[0]:
        raise UsageError("only one of ACCESS and LISTING can be standard input")
    return CommandLine(name, tuple(operands), listing, "--offline" in given, "--json" in given)
