"""The command line: one parser for all connectors, and the only place where an error becomes an exit code."""

import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NamedTuple, NoReturn, TypeVar

from connectors import __version__, log, registry
from connectors.access.paths import printable
from connectors.errors import ConfigError, Exit, Fault, LocalIOError, RedError, Unavailable, UsageError
from connectors.verbs import Verb

if TYPE_CHECKING:
    from connectors.access.document import Document

CLI_VERSION = "1"  # of RED Connector CLI
T = TypeVar("T")
NO_THREAD = "can't start new thread"  # of a RuntimeError that threading raises, wherever a thread is wanted
NO_THREAD_HINT = "is there a limit of processes: ulimit -u, docker run --pids-limit?"
SELDOM = 50_000  # new objects before the garbage is looked for; 700, as usual, is 10 ms for 10,000 files
DEBUG = "RED_DEBUG"  # if set, an internal error shows its traceback


class Command(NamedTuple):
    """What may follow a word on the command line."""

    operands: tuple[str, ...]
    options: tuple[str, ...] = ()
    summary: str = ""


def _transfer(verb: Verb) -> Command:
    return Command(("ACCESS", "LOCALDIR" if verb.of_directory else "LOCALFILE"), _listing(verb))


def _listing(verb: Verb) -> tuple[str, ...]:
    return ("--listing",) if verb in (Verb.RECEIVE_DIR, Verb.SEND_DIR) else ()


TRANSFERS = {str(verb): _transfer(verb) for verb in Verb}
CHECKS = {f"{verb}-validate": Command(("ACCESS",), (*_listing(verb), "--offline")) for verb in Verb}
UMOUNT = {"umount-dir": Command(("LOCALDIR",))}
EVERYWHERE = {"cli-version": Command((), (), f"print {CLI_VERSION}, the version of this command line")}
FRONT = {
    "list": Command((), ("--json",), "the connectors and their verbs"),
    "schema": Command(("CONNECTOR", "VERB"), (), "the JSON Schema of an access document, for editors"),
    "example": Command(("CONNECTOR", "VERB"), (), "an access document to start from"),
    "ssh-key": Command(("FILE",), ("--json",), "a private key as it stands in an access document"),
}


class Call(NamedTuple):
    """A command line, understood."""

    command: str
    operands: tuple[str, ...]
    listing: str | None = None
    offline: bool = False
    json: bool = False

    @property
    def verb(self) -> Verb:
        return Verb(self.command.removesuffix("-validate"))


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signum: int) -> None:
        self.code = Exit.INTERRUPTED if signum == signal.SIGINT else Exit.TERMINATED


def main(argv: Sequence[str]) -> int:
    """Do what ``argv`` (the executable's name first) says; its exit code."""
    program, *arguments = argv
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, _interrupt)
    log.configure(program, os.environ.get("RED_LOG", ""))
    try:
        return _run(program, arguments)
    except RedError as error:
        log.error(error)
        return error.code
    except Interrupted as interruption:
        log.warning("interrupted" if interruption.code == Exit.INTERRUPTED else "terminated")
        _leave(interruption.code)
    except ModuleNotFoundError:
        raise  # the caller knows what to say
    except Exception as error:
        if str(error) == NO_THREAD:
            log.error(LocalIOError("this machine starts no more threads", hint=NO_THREAD_HINT))
            return Exit.IOERR
        return _internal_error(error)


def _run(program: str, arguments: Sequence[str]) -> int:
    if arguments == ["cli-version"]:
        _print(CLI_VERSION)
        return Exit.OK
    commands = EVERYWHERE | TRANSFERS | CHECKS | UMOUNT | (FRONT if program == registry.FRONT_DOOR else {})
    if "--help" in arguments or "-h" in arguments:
        _print(_help(program))
        return Exit.OK
    if "--version" in arguments:
        _print(f"{program} {__version__}")
        return Exit.OK
    call = _parse(program, commands, arguments)
    if call.command in FRONT:
        _print(_front(call))
    elif call.command in UMOUNT:
        _umount(program, call.operands[0])
    else:
        _move(program, call)
    return Exit.OK


def _parse(program: str, commands: dict[str, Command], arguments: Sequence[str]) -> Call:
    """Options may stand before, between and behind the operands; which ones, the table says."""
    import getopt  # argparse does no more for so flat a grammar, and takes 6 ms

    def wrong(message: str) -> UsageError:
        return UsageError(message, hint=f"{program} --help shows what can be said")

    os.environ.pop("POSIXLY_CORRECT", None)  # it would end the options at the first operand
    try:
        options, words = getopt.gnu_getopt(list(arguments), "", ["listing=", "offline", "json"])
    except getopt.GetoptError as error:
        raise wrong(str(error)) from None
    given = dict(options)
    if not words:
        raise wrong(f"usage: {program} COMMAND [ACCESS] [LOCAL] [OPTION …]")
    name, *operands = words
    if name not in commands:
        if name in registry.MODULES or f"red-connector-{name}" in registry.MODULES:
            short = name.removeprefix("red-connector-")
            raise UsageError(
                f"{name} is a connector, and no command of {program}",
                hint=f"call red-connector-{short}, or ./entrypoint.sh {short} …",
            )
        import difflib

        close = difflib.get_close_matches(name, commands, 1)
        raise wrong(f"unknown command {name!r}" + (f", did you mean {close[0]}?" if close else ""))
    command = commands[name]
    if len(operands) != len(command.operands):
        raise wrong(f"usage: {program} {_usage(name, command)}")
    for option in given:
        if option not in command.options:
            raise wrong(f"{name} takes no {option}")
    listing = given.get("--listing")
    if listing == "-" == operands[0]:
        raise wrong("only one of ACCESS and LISTING can be standard input")
    return Call(name, tuple(operands), listing, "--offline" in given, "--json" in given)


def _move(program: str, call: Call) -> None:
    """All verbs that take an access document: read it, check everything, then move."""
    from connectors import settings as settings_
    from connectors.access import document as document_
    from connectors.access.prepare import prepare

    faults: list[Fault] = []
    settings = _collecting(faults, lambda: settings_.read(os.environ)) or settings_.Settings()
    if program != registry.FRONT_DOOR and call.verb not in registry.load(program).SCHEMAS:
        raise _lacking(program, call.verb)
    document = _collecting(faults, lambda: document_.read(call.operands[0]))
    if document is None:
        raise ConfigError(faults)
    connector = registry.load(_connector(program, document, faults))
    if call.verb not in connector.SCHEMAS:
        raise _lacking(connector.EXECUTABLE, call.verb)
    approach = getattr(connector, "approach", None)
    if approach and not (faults or document.faults or call.offline):
        approach(document.access, call.command)
    prepared = _collecting(
        faults,
        lambda: prepare(document, call.verb, connector, call.listing, settings.secrets_dir, os.environ),
    )
    if faults or prepared is None:
        raise ConfigError(faults)
    if call.offline:
        return

    from connectors.transfer import engine, progress, receipt
    from connectors.transfer.job import Job

    checking = call.command in CHECKS
    local = "" if checking else call.operands[1]
    if not checking:
        engine.check_local(call.verb, local)
    gc.freeze()  # what is imported stays; see __main__
    gc.set_threshold(SELDOM)
    gc.enable()
    receipts = receipt.Receipts("" if checking else settings.receipt)
    with progress.showing(settings, os.path.basename(local)) as shown:
        job = Job(call.verb, settings, shown, receipts)
        with (
            _told_by_place(document, connector.SCHEMAS[call.verb]),
            connector.connect(prepared.access, job) as remote,
        ):
            engine.open_remote(remote, job)
            if checking:
                engine.check(remote, job, prepared.listing)
            else:
                engine.MOVES[call.verb](remote, job, local, prepared)


@contextmanager
def _told_by_place(document: "Document", schema: registry.Schema) -> Iterator[None]:
    """What only the far end finds wrong with the access data is told with its place, as all else is."""
    from connectors.access.paths import join

    def placed(fault: Fault) -> Fault:
        if fault.path not in schema:
            return fault
        return document.fault(join(document.access_path, fault.path), fault.message)

    try:
        yield
    except ConfigError as error:
        faults = document.placed(map(placed, error.faults))
        raise ConfigError(faults, hint=error.hint) from None


def _umount(program: str, local: str) -> None:
    """No access document says what is mounted: what one connector has mounted any other may unmount."""
    able = registry.offering(Verb.MOUNT_DIR)
    if not able or program not in (registry.FRONT_DOOR, *able):
        raise _lacking(program, Verb.MOUNT_DIR)
    from connectors.transfer import mount

    mount.umount_dir(local)


def _collecting(faults: list[Fault], step: Callable[[], T]) -> T | None:
    """What ``step`` returns; if it finds faults they are added, so that the next step can add its own."""
    try:
        return step()
    except ConfigError as error:
        faults += error.faults
        return None


def _connector(program: str, document: "Document", faults: list[Fault]) -> str:
    """The connector that is meant: the executable called, or what the document says at the front door.

    ConfigError if it says none, with that added to ``faults``: what else is wrong depends on the connector.
    """
    if program != registry.FRONT_DOOR:
        return program
    command, path = document.command, document.command_path or "command"
    if command in registry.MODULES:
        return command
    if command is not None:
        unknown = document.fault(path, registry.no_such(printable(command)))
        raise ConfigError(document.placed([*faults, unknown]))
    missing = document.fault(path, "required: the name of the connector (a string)")
    faults = [*faults, *document.faults, *_misspelt(document)]
    if path not in {fault.path for fault in faults}:  # where it is no string
        faults.append(missing)
    hint = "add command: red-connector-…, or call the connector itself"
    if "redVersion" in document.value:
        hint = "this is a whole RED file: cut out the connector of one input or output"
    raise ConfigError(document.placed(faults), hint=hint)


def _misspelt(document: "Document") -> list[Fault]:
    """Keys that may have been meant for those around the access data."""
    from connectors.access.document import CONNECTOR_KEYS, meant, unknown

    keys = document.unknown or [(key, key, CONNECTOR_KEYS) for key in document.value]
    return [
        document.fault(path, unknown(key, known))
        for path, key, known in keys
        if key not in known and meant(key, known)
    ]


def _lacking(program: str, verb: Verb) -> Unavailable:
    able = registry.offering(verb)
    return Unavailable(
        f"{program} has no {verb}",
        hint=f"{', '.join(able)} can" if able else f"no connector of this version has {verb}",
    )


def _front(call: Call) -> str:
    """What the front door's own commands print."""
    import json

    from connectors.access import describe

    if call.command == "list":
        table = {name: [str(verb) for verb in registry.load(name).SCHEMAS] for name in registry.MODULES}
        if call.json:
            return json.dumps(table, indent=2)
        return "\n".join(f"{name}  {' '.join(verbs)}" for name, verbs in table.items())
    if call.command == "ssh-key":
        from connectors.secure_shell import key_fragment

        return key_fragment.of(call.operands[0], call.json)
    name, verb = call.operands
    executable = name if name in registry.MODULES else f"red-connector-{name}"
    if executable not in registry.MODULES:
        raise UsageError(registry.no_such(name))
    schemas = registry.load(executable).SCHEMAS
    if verb not in TRANSFERS:
        raise UsageError(f"{executable} has no verb {verb}", hint=f"it has {', '.join(schemas)}")
    if Verb(verb) not in schemas:
        raise _lacking(executable, Verb(verb))
    if call.command == "schema":
        return json.dumps(describe.json_schema(executable, Verb(verb), schemas[Verb(verb)]), indent=2)
    return describe.example(executable, Verb(verb), schemas[Verb(verb)]).rstrip("\n")


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None  # or Python tries once more at its end, and has its own exit code for that
        raise LocalIOError(f"cannot write to standard output: {error.strerror}") from None


def _usage(name: str, command: Command) -> str:
    options = [
        "[--listing LISTING]" if option == "--listing" else f"[{option}]" for option in command.options
    ]
    return " ".join((name, *command.operands, *options))


def _help(program: str) -> str:
    if program == registry.FRONT_DOOR:
        about = "moves files and directories, by the connector that the access document names"
        verbs = [verb for verb in Verb if registry.offering(verb)]
        extra = EVERYWHERE | FRONT
    else:
        connector = registry.load(program)
        about, verbs, extra = connector.SUMMARY, list(connector.SCHEMAS), EVERYWHERE
    lines = [f"{program}: {about}", "", "usage:"]
    for verb in verbs:
        lines += [f"  {program} {_usage(name, table[name])}" for name, table in _both(verb)]
    if Verb.MOUNT_DIR in verbs:
        lines += [f"  {program} {_usage(name, command)}" for name, command in UMOUNT.items()]
    lines += [f"  {program} {_usage(name, command):24}  {command.summary}" for name, command in extra.items()]
    return "\n".join([*lines, "", *HELP])


def _both(verb: Verb) -> list[tuple[str, dict[str, Command]]]:
    return [(str(verb), TRANSFERS), (f"{verb}-validate", CHECKS)]


HELP = """\
ACCESS and LISTING are JSON or YAML files, or - for standard input.
-validate also asks the far end; with --offline it checks the document alone.
--help and --version do what they always do.

Exit codes: 0 done, 64 usage, 65 wrong bytes, 66 not there, 68 no such host, 69 not available, 70 a fault
of this program, 73 cannot create, 74 local disk, 75 try again later, 76 the far end broke its protocol,
77 not allowed, 78 access document, listing or environment variable wrong.
Environment: RED_SECRETS_DIR RED_VAR_name RED_RETRIES RED_TIMEOUT RED_PARALLEL RED_CA_BUNDLE RED_KNOWN_HOSTS
RED_STRICT_HOST_KEYS RED_LOG RED_PROGRESS RED_RECEIPT HTTP_PROXY HTTPS_PROXY NO_PROXY""".splitlines()


def _interrupt(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, lambda signum, frame: _leave(Interrupted(signum).code))  # a second one: at once
    raise Interrupted(signum)


def _internal_error(error: Exception) -> int:
    import traceback

    place = traceback.extract_tb(error.__traceback__)[-1]
    if os.environ.get(DEBUG):
        for line in traceback.format_exception(error):
            log.info(line.rstrip())
    where = f"{os.path.basename(place.filename)}:{place.lineno}"
    failure = RedError(
        f"internal error: {type(error).__name__}: {error} ({where})",
        hint=f"this is a fault of red-connectors: please report it, with what {DEBUG}=1 shows",
    )
    log.error(failure)
    return failure.code


def _leave(code: int) -> NoReturn:
    """At once: threads may still wait for a server that has gone silent."""
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)
