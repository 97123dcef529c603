"""The command line: one parser for all connectors, and the only place where an error becomes an exit code."""

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

from connectors import __version__, log, registry
from connectors.cli import commands
from connectors.cli.commands import Call
from connectors.errors import ConfigError, Exit, Fault, LocalIOError, RedError
from connectors.local import container
from connectors.model import Verb
from connectors.wording import printable

if TYPE_CHECKING:
    from connectors.access.document import Document

T = TypeVar("T")
SHORTAGES = {
    "can't start new thread": "is there a limit on processes: ulimit -u, docker run --pids-limit?",
    os.strerror(errno.EMFILE): "is there a limit on open files: ulimit -n, docker run --ulimit nofile?",
    os.strerror(errno.ENFILE): "close other programs",
    os.strerror(errno.ENOMEM): "is there a limit on memory: docker run --memory?",
}
"""What Python says, in an error of any type, when the machine runs short; and a hint for each."""
SELDOM = 50_000  # new objects before the garbage is looked for; 700, as usual, is 10 ms for 10,000 files
DEBUG = "RED_DEBUG"  # if set, an internal error shows its traceback


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signum: int) -> None:
        self.code = Exit.INTERRUPTED if signum == signal.SIGINT else Exit.TERMINATED


def main(argv: Sequence[str]) -> int:
    """Do what ``argv`` (the executable's name first) says; its exit code."""
    program, *arguments = argv
    try:
        _on_signals(_interrupt)
        log.configure(program, os.environ.get("RED_LOG", ""))
        code = _outcome(program, arguments)
        _on_signals(signal.SIG_DFL)  # all is done and said
        return code
    except Interrupted as interruption:
        log.warning("interrupted" if interruption.code == Exit.INTERRUPTED else "terminated")
        _leave(interruption.code)


def _outcome(program: str, arguments: Sequence[str]) -> int:
    """Do it, and say what failed; the exit code."""
    try:
        return _run(program, arguments)
    except RedError as error:
        log.error(error)
        return error.code
    except ModuleNotFoundError:
        raise  # the caller knows what to say
    except Exception as error:
        for words, hint in SHORTAGES.items():
            if words in str(error):
                log.error(LocalIOError(f"this machine is out of resources: {words}", hint=hint))
                return Exit.IOERR
        return _internal_error(error)


def _run(program: str, arguments: Sequence[str]) -> int:
    if arguments == ["cli-version"]:
        _print(commands.CLI_VERSION)
        return Exit.OK
    option = commands.SPELT_OUT.get(arguments[0]) if arguments else None
    asked = {option, *arguments}
    if "--help" in asked or "-h" in asked:
        from connectors.cli import usage

        _print(usage.text(program, arguments))
        return Exit.OK
    if "--version" in asked:
        _print(f"{program} {__version__}")
        return Exit.OK
    call = commands.parse(program, arguments)
    if call.command in commands.FRONT:
        from connectors.cli import information

        _print(information.output(call))
    elif call.command in commands.UMOUNT:
        _umount(program, call.operands[0])
    else:
        _move(program, call)
    return Exit.OK


def _move(program: str, call: Call) -> None:
    """All verbs that take an access document: read it, check everything, then move."""
    from connectors import settings as settings_
    from connectors.access import document as document_
    from connectors.access.prepare import prepare

    faults: list[Fault] = []
    settings = _collecting(faults, lambda: settings_.read(os.environ)) or settings_.Settings()
    if program != registry.FRONT_DOOR and call.verb not in registry.load(program).SCHEMAS:
        raise registry.lacking(program, call.verb)
    document = _collecting(faults, lambda: document_.read(call.operands[0]))
    if document is None:
        raise ConfigError(faults)
    connector = registry.load(_connector(program, document, faults))
    if call.verb not in connector.SCHEMAS:
        raise registry.lacking(connector.EXECUTABLE, call.verb)
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

    from connectors.local import names
    from connectors.transfer import engine, progress, receipt
    from connectors.transfer.job import Job

    checking = call.command in commands.CHECKS
    local = "" if checking else call.operands[1]
    if not checking:
        engine.check_local(call.verb, local)
        local = names.clean(local)
        if call.verb in (Verb.RECEIVE_FILE, Verb.RECEIVE_DIR):
            container.warn_of_loss(local)
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
def _told_by_place(document: "Document", keys: Container[str]) -> Iterator[None]:
    """Faults in the access data that only the connector finds get their line and path here."""
    from connectors.wording import join

    def placed(fault: Fault) -> Fault:
        if fault.path not in keys:
            return fault
        return document.fault(join(document.access_path, fault.path), fault.message)

    try:
        yield
    except ConfigError as error:
        faults = document.placed(map(placed, error.faults))
        raise ConfigError(faults, hint=error.hint) from None


def _umount(program: str, local: str) -> None:
    """There is no access document: any connector that can mount unmounts what another has mounted."""
    able = registry.offering(Verb.MOUNT_DIR)
    if not able or program not in (registry.FRONT_DOOR, *able):
        raise registry.lacking(program, Verb.MOUNT_DIR)
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
    """The connector to use: the executable that was called or, at the front door, the document's ``command``.

    ConfigError, with ``faults``, if the document names none: what else is wrong depends on the connector.
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
    hint = "add a line such as command: red-connector-http, or call the connector itself"
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


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None  # or Python tries once more at its end, and has its own exit code for that
        raise LocalIOError(f"cannot write to standard output: {error.strerror}") from None


def _on_signals(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, handler)


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
        hint=f"this is a bug in red-connectors: please report it, with the output of {DEBUG}=1",
    )
    log.error(failure)
    return failure.code


def _leave(code: int) -> NoReturn:
    """At once: threads may still wait for a server that has gone silent."""
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)
