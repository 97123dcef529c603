"""The commands of all executables: the table behind the parser, --help and shell completion."""

from typing import NamedTuple

from connectors import registry
from connectors.model import Verb

CLI_VERSION = "1"  # of RED Connector CLI


class Command(NamedTuple):
    """The operands, options and help of a command."""

    operands: tuple[str, ...]
    options: tuple[str, ...]
    summary: str


SUMMARIES = {
    Verb.RECEIVE_FILE: "receive a file",
    Verb.SEND_FILE: "send a file",
    Verb.RECEIVE_DIR: "receive a directory",
    Verb.SEND_DIR: "send a directory",
    Verb.MOUNT_DIR: "mount a remote directory",
}


def _listing(verb: Verb) -> tuple[str, ...]:
    return ("--listing",) if verb in (Verb.RECEIVE_DIR, Verb.SEND_DIR) else ()


def _transfer(verb: Verb) -> Command:
    return Command(
        ("ACCESS", "LOCALDIR" if verb.of_directory else "LOCALFILE"), _listing(verb), SUMMARIES[verb]
    )


def _check(verb: Verb) -> Command:
    return Command(("ACCESS",), (*_listing(verb), "--offline"), f"check that {verb} would work; move nothing")


TRANSFERS = {str(verb): _transfer(verb) for verb in Verb}
CHECKS = {f"{verb}-validate": _check(verb) for verb in Verb}
UMOUNT = {"umount-dir": Command(("LOCALDIR",), (), "unmount what mount-dir has mounted")}
EVERYWHERE = {"cli-version": Command((), (), f"print {CLI_VERSION}, the version of this command line")}
FRONT = {
    "list": Command((), ("--json",), "print the connectors and their verbs"),
    "example": Command(("CONNECTOR", "VERB"), (), "print an access document to start from"),
    "schema": Command(("CONNECTOR", "VERB"), (), "print the JSON Schema of an access document"),
    "ssh-key": Command(("FILE",), ("--json",), "print a private key as access documents take it"),
    "completion": Command(("SHELL",), (), "print completion for bash or zsh"),
}
OPTIONS = {"--listing": "LISTING", "--offline": "", "--json": ""}
"""Each option with the name of its value."""

SPELT_OUT = {"help": "--help", "version": "--version"}
"""Options that stand for commands."""


def understood(program: str) -> dict[str, Command]:
    """The commands that ``program`` parses, including verbs it lacks, which get their own error."""
    return EVERYWHERE | TRANSFERS | CHECKS | UMOUNT | (FRONT if program == registry.FRONT_DOOR else {})


def offered(program: str) -> dict[str, Command]:
    """The commands that ``program`` can carry out, in the order of --help."""
    if program == registry.FRONT_DOOR:
        verbs = [verb for verb in Verb if registry.offering(verb)]
    else:
        verbs = list(registry.load(program).SCHEMAS)
    found: dict[str, Command] = {}
    for verb in verbs:
        found |= {name: (TRANSFERS | CHECKS)[name] for name in (str(verb), f"{verb}-validate")}
    if Verb.MOUNT_DIR in verbs:
        found |= UMOUNT
    return found | EVERYWHERE | (FRONT if program == registry.FRONT_DOOR else {})


class CommandLine(NamedTuple):
    """A parsed command line."""

    command: str
    operands: tuple[str, ...]
    listing: str | None = None
    offline: bool = False
    json: bool = False

    @property
    def verb(self) -> Verb:
        return Verb(self.command.removesuffix("-validate"))
