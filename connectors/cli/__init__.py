"""The command line: one parser for all connectors, and the only place where an error becomes an exit code."""

import errno
import gc
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from connectors import __version__, log, registry
from connectors.cli import commands
from connectors.cli.command_line import parse
from connectors.cli.commands import CommandLine
from connectors.errors import Exit, LocalIOError, RedError
from connectors.model import Verb

SHORTAGES = {
    "can't start new thread": "is there a limit on processes: ulimit -u, docker run --pids-limit?",
    os.strerror(errno.EMFILE): "is there a limit on open files: ulimit -n, docker run --ulimit nofile?",
    os.strerror(errno.ENFILE): "close other programs",
    os.strerror(errno.ENOMEM): "is there a limit on memory: docker run --memory?",
}
"""Python's error messages, of any type, for exhausted resources, each with a hint."""
SELDOM = 50_000  # new objects per garbage collection; the default of 700 costs 10 ms for 10,000 files
DEBUG = "RED_DEBUG"  # if set, an internal error shows its traceback


class Interrupted(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, signum: int) -> None:
        self.code = Exit.INTERRUPTED if signum == signal.SIGINT else Exit.TERMINATED


def main(argv: Sequence[str]) -> int:
    """Run the command line ``argv``, the executable's name first; returns the exit code."""
    program, *arguments = argv
    try:
        _on_signals(_interrupt)
        log.configure(program, os.environ.get("RED_LOG", ""))
        code = _outcome(program, arguments)
        _on_signals(signal.SIG_DFL)  # all is reported
        return code
    except Interrupted as interruption:
        log.warning("interrupted" if interruption.code == Exit.INTERRUPTED else "terminated")
        _leave(interruption.code)


def _outcome(program: str, arguments: Sequence[str]) -> int:
    """Run the command and report what failed; returns the exit code."""
    try:
        return _run(program, arguments)
    except RedError as error:
        log.error(error)
        return error.code
    except ModuleNotFoundError:
        raise  # the caller reports it
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
    line = parse(program, arguments)
    if line.command in commands.FRONT:
        from connectors.cli import information

        _print(information.output(line))
    elif line.command in commands.UMOUNT:
        _umount(program, line.operands[0])
    else:
        _move(program, line)
    return Exit.OK


def _move(program: str, line: CommandLine) -> None:
    """Run a verb with an access document."""
    from connectors import call  # 10 ms, for these verbs only

    transfer = call.prepare(
        line.verb,
        line.operands[0],
        connector="" if program == registry.FRONT_DOOR else program,
        listing=line.listing,
    )
    if line.offline:
        return
    gc.freeze()  # what is imported stays; see __main__
    gc.set_threshold(SELDOM)
    gc.enable()
    if line.command in commands.CHECKS:
        transfer.check()
    else:
        transfer.run(line.operands[1])


def _umount(program: str, local: str) -> None:
    """Takes no access document: any connector that can mount unmounts what another has mounted."""
    able = registry.offering(Verb.MOUNT_DIR)
    if not able or program not in (registry.FRONT_DOOR, *able):
        raise registry.lacking(program, Verb.MOUNT_DIR)
    from connectors.transfer import mount

    mount.umount_dir(local)


def _print(text: str) -> None:
    try:
        print(text, flush=True)
    except OSError as error:
        sys.stdout = None  # or Python retries at exit, and fails with its own exit code
        raise LocalIOError(f"cannot write to standard output: {error.strerror}") from None


def _on_signals(handler: "Callable[[int, FrameType | None], None] | signal.Handlers") -> None:
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, handler)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, lambda signum, frame: _leave(Interrupted(signum).code))  # a second one
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
    """End immediately: threads may still wait for a silent server."""
    if sys.stderr is not None:
        sys.stderr.flush()
    os._exit(code)
