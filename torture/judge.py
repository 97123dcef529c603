"""What must be true after every call."""

import os
import stat
from collections.abc import Mapping, Set
from pathlib import Path

from connectors.errors import Exit
from torture.case import Violation
from torture.leaks import leaked
from torture.program import Outcome

Tree = dict[str, bytes]
HIDDEN = (".red-part", ".red-state")
LINK = b"<not a file>"


def require(met: object, what: str) -> None:
    if not met:
        raise Violation(what)


def hidden(path: str) -> bool:
    """Whether it, or a parent folder, belongs to a transfer."""
    return any(name.startswith(".") and name.endswith(HIDDEN) for name in path.split("/"))


def snapshot(folder: Path) -> Tree:
    """All files below a folder. A link counts as a file, since none should be created."""
    found: Tree = {}
    for place, folders, files in os.walk(folder):
        for name in (*files, *(one for one in folders if os.path.islink(os.path.join(place, one)))):
            path = os.path.join(place, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                with open(path, "rb") as file:
                    found[os.path.relpath(path, folder)] = file.read()
            else:
                found[os.path.relpath(path, folder)] = LINK
    return found


def words(outcome: Outcome, json_log: bool = False) -> None:
    """It exited normally and in time, reported a failure once, on separate lines, and showed no secret."""
    require(not outcome.hung, "it never ends")
    require(outcome.code >= 0, f"signal {-outcome.code} ended it")
    require(outcome.code != Exit.SOFTWARE, "exit code 70")
    require(outcome.code in {int(one) for one in Exit}, f"{outcome.code} is no exit code of ours")
    require("Traceback" not in outcome.stderr, "a traceback")
    require(outcome.stdout == b"", f"stdout is not empty: {outcome.stdout[:100]!r}")
    secrecy(outcome.stderr, "stderr")
    secrecy(outcome.arguments, "the arguments of the process")
    lines = outcome.stderr.splitlines()
    for line in lines:
        require(line.isprintable(), f"a line on stderr has control characters: {line[:200]!r}")
    if json_log:
        return
    errors = [line for line in lines if ": error: " in line]
    if outcome.code not in (Exit.OK, Exit.INTERRUPTED, Exit.TERMINATED):
        require(len(errors) == 1, f"{len(errors)} lines say what failed, not one")
        require(errors[0].partition(": error: ")[2].strip(), "the error has no message")
    else:
        require(not errors, "an error on stderr, and its exit code is not that of an error")


def secrecy(text: str, where: str) -> None:
    for form in leaked(text):
        raise Violation(f"{form} in {where}")


def files(here: Tree, before: Tree, wanted: Mapping[str, Set[bytes]], *, whole: bool, where: str) -> None:
    """Every file is absent, as ``before``, or has an allowed content; with ``whole`` all have one, and no
    hidden file is left."""
    for path in before:
        require(path in here or hidden(path), f"{path} {where} was there before, and is gone")
    if whole:
        for path, contents in wanted.items():
            require(path in here, f"exit 0, and {path} {where} is missing")
            about = _about(here[path], contents)
            require(here[path] in contents, f"exit 0, and {path} {where} is wrong: {about}")
    for path, content in here.items():
        if hidden(path):
            require(not whole, f"left behind {where}: {path}")
            secrecy(path, f"the name of a part file {where}")
        elif path in wanted:
            right = content in wanted[path] or before.get(path) == content
            require(right, f"{path} {where} is neither old nor whole: {_about(content, wanted[path])}")
        else:
            require(path in before, f"a file {where} that nobody asked for: {path!r}")
            require(before[path] == content, f"{path} {where} was changed")


def visible(
    here: Tree, before: Tree, wanted: Mapping[str, Set[bytes]], *, whole: bool, gone: bool = False
) -> None:
    """Like ``files``, while another process removes and creates files: each requested file is old or whole.
    ``gone``: received files may have been removed."""
    shown = {path: content for path, content in here.items() if path in wanted}
    for path, content in shown.items():
        right = content in wanted[path] or before.get(path) == content or content == LINK
        require(right, f"{path} here is neither old nor whole: {_about(content, wanted[path])}")
    for path, contents in wanted.items() if whole else ():
        require(path in here or gone, f"exit 0, and {path} here is missing")
        if path in here:
            require(
                here[path] in contents, f"exit 0, and {path} here is wrong: {_about(here[path], contents)}"
            )


def _about(content: bytes, wanted: Set[bytes]) -> str:
    sizes = " or ".join(str(len(one)) for one in wanted)
    begins = any(one.startswith(content) for one in wanted)
    return f"{len(content)} bytes instead of {sizes}" + (", the beginning of it" if begins else "")
