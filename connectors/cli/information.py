"""The commands that only red-connectors has: they print information about the connectors."""

import json
from collections.abc import Sequence

from connectors import registry
from connectors.access import describe
from connectors.cli import commands
from connectors.cli.commands import CommandLine
from connectors.errors import UsageError
from connectors.model import Verb
from connectors.wording import printable


def output(line: CommandLine) -> str:
    """What ``line`` prints."""
    if line.command == "list":
        return _list(line.json)
    if line.command == "ssh-key":
        from connectors.ssh.login import key_fragment

        return key_fragment.of(line.operands[0], line.json)
    if line.command == "completion":
        from connectors.cli import completion

        return completion.script(line.operands[0])
    executable, verb = _chosen(*line.operands)
    schema = registry.load(executable).SCHEMAS[verb]
    if line.command == "schema":
        return json.dumps(describe.json_schema(executable, verb, schema), indent=2)
    return describe.example(executable, verb, schema).rstrip("\n")


def _list(as_json: bool) -> str:
    """The connectors with their purposes and verbs."""
    connectors = {name: registry.load(name) for name in registry.MODULES}
    if as_json:
        verbs = {name: [str(verb) for verb in connector.SCHEMAS] for name, connector in connectors.items()}
        return json.dumps(verbs, indent=2)
    width = max(map(len, connectors))
    rows = []
    for name, connector in connectors.items():
        rows += [f"{name:{width}}  {connector.SUMMARY}", f"{'':{width}}  {', '.join(connector.SCHEMAS)}"]
    return "\n".join(rows)


def choices(operands: Sequence[str]) -> list[str]:
    """What may follow ``operands``, the start of CONNECTOR VERB: a line per connector."""
    names = list(registry.MODULES)
    if operands and operands[0] in commands.TRANSFERS:
        names = registry.offering(Verb(operands[0]))
    elif operands:
        names = [_executable(operands[0])]
    short = {name: name.removeprefix("red-connector-") for name in names}
    width = max(map(len, short.values()))
    return [f"{short[name]:{width}}  {' '.join(registry.load(name).SCHEMAS)}" for name in names]


def _executable(name: str) -> str:
    """The connector ``name``, in full or without red-connector-."""
    for executable in (name, f"red-connector-{name}"):
        if executable in registry.MODULES:
            return executable
    raise UsageError(registry.no_such(printable(name)))


def _chosen(name: str, verb: str) -> tuple[str, Verb]:
    """The connector and verb for CONNECTOR VERB."""
    executable = _executable(name)
    schemas = registry.load(executable).SCHEMAS
    if verb not in commands.TRANSFERS:
        raise UsageError(f"unknown verb {printable(verb)}", hint=f"{executable} has {', '.join(schemas)}")
    if Verb(verb) not in schemas:
        raise registry.lacking(executable, Verb(verb))
    return executable, Verb(verb)
