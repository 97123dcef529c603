"""Fast starts: a process that has imported everything forks for each call. A start takes 100 to 200 ms,
mostly for imports; a fork takes 5. The forking process has no threads, so the child inherits no locked lock.
"""

import contextlib
import importlib
import json
import os
import pkgutil
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.program import CHECKOUT, environment

SHORT_PAUSE = 0.02  # seconds between attempts, instead of half a second, to save time
LATE = (
    "difflib",
    "getopt",
    "html.parser",
    "unicodedata",
    "xml.etree.ElementTree",
    "zipfile",
    "encodings.cp437",
    "encodings.idna",
    "traceback",
)
DEADLINE = 40.0  # seconds until a call counts as hung
During = Callable[[int], None]
"""Called with the process ID while it runs."""


class Outcome(NamedTuple):
    """``code`` is negative if a signal ended the process; ``hung``: it had to be killed."""

    code: int
    stdout: bytes
    stderr: str
    seconds: float
    hung: bool
    arguments: str = ""


class Limits(NamedTuple):
    """``resources`` are for ``resource.setrlimit``; ``user`` is a UID, if not root."""

    resources: Mapping[int, int] = {}
    user: int = 0


NO_LIMITS = Limits()


class Program:
    """A separate forking process, started before the caller has threads; ``close`` ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        ours, theirs = socket.socketpair()
        self._pid = os.fork()
        if not self._pid:
            try:
                ours.close()
                _serve(theirs)
            finally:
                os._exit(1)  # never return to the caller's code
        theirs.close()
        self._line = ours.makefile("rwb", buffering=0)
        self._socket = ours

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        os.waitpid(self._pid, 0)

    def run(
        self,
        words: Sequence[str],
        env: Mapping[str, str],
        *,
        during: During | None = None,
        limits: Limits = NO_LIMITS,
        really: bool = False,
        deadline: float = DEADLINE,
    ) -> Outcome:
        """Run the executable ``words[0]``; ``really`` starts it as users do, by the shell script."""
        out, err = self._folder / "stdout", self._folder / "stderr"
        for path in (out, err):  # a signal may end the process before it opens them
            path.write_bytes(b"")
        request = {
            "words": list(words),
            "env": {**environment(), "NO_PROXY": "*", **env},
            "out": str(out),
            "err": str(err),
            "cwd": str(self._folder),
            "resources": {str(key): value for key, value in limits.resources.items()},
            "user": limits.user,
            "really": really,
        }
        began = time.monotonic()
        self._line.write(json.dumps(request).encode() + b"\n")
        pid = json.loads(self._line.readline())["pid"]
        shown = _shown(pid) if really else ""
        if during:
            during(pid)
        hung = not select.select([self._socket], [], [], deadline)[0]
        if hung:
            for number in (signal.SIGUSR1, signal.SIGKILL):  # the first one shows its position
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
                time.sleep(0.2)
        code = json.loads(self._line.readline())["code"]
        seconds = time.monotonic() - began
        return Outcome(code, out.read_bytes(), err.read_text(errors="replace"), seconds, hung, shown)


def _shown(pid: int) -> str:
    """The parts of the process that any user can see."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace")
    return ""


def preload() -> None:
    """Import everything that a connector may import, including late imports."""
    import connectors

    for name in ("cerberus", "yaml", "ijson", "pycurl", "paramiko", *LATE):
        importlib.import_module(name)
    for module in pkgutil.walk_packages(connectors.__path__, "connectors."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    pace = sys.modules["connectors.transfer.pace"]
    assert hasattr(pace, "FIRST_PAUSE")
    pace.FIRST_PAUSE = SHORT_PAUSE


def _serve(line: socket.socket) -> None:
    """Handle one call after another until the caller disconnects."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us by closing the connection
    stream = line.makefile("rwb", buffering=0)
    while text := stream.readline():
        request = json.loads(text)
        pid = os.fork()
        if not pid:
            try:
                line.close()
                _call(request)
            finally:
                os._exit(1)
        stream.write(json.dumps({"pid": pid}).encode() + b"\n")
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        stream.write(json.dumps({"code": code}).encode() + b"\n")
    os._exit(0)


def _call(request: dict[str, Any]) -> None:
    """In the child: become a connector."""
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        out, err = (os.open(request[name], flags, 0o666) for name in ("out", "err"))
        for number, fd in enumerate((nothing, out, err)):
            os.dup2(fd, number)
        os.closerange(3, 4096)
        # the parent may have replaced them, as pytest does
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115
        os.chdir(request["cwd"])
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # as connectors.__main__ has it
        for kind, most in request["resources"].items():
            resource.setrlimit(int(kind), (most, most))
        if request["user"]:
            os.setgroups([])
            os.setgid(request["user"])
            os.setuid(request["user"])
        if request["really"]:
            program = str(CHECKOUT / "bin" / request["words"][0])
            os.execve(program, [program, *request["words"][1:]], request["env"])
        os.environ.clear()
        os.environ.update(request["env"])
        _become(request["words"])
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)


def _become(words: Sequence[str]) -> None:
    """As connectors.__main__ does."""
    import faulthandler
    import gc

    faulthandler.register(signal.SIGUSR1, all_threads=True)
    gc.disable()
    from connectors import cli
    from connectors.__main__ import leave

    leave(cli.main(words))
