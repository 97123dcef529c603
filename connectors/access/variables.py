"""Variables: ``{{name}}`` in a string, filled from a file in the secrets folder or from the environment."""

import os
import re
from collections.abc import Callable, Mapping
from stat import S_ISDIR, S_ISFIFO, S_ISREG, S_ISSOCK

from connectors import secrets
from connectors.settings import RED_VAR

MOST_BYTES = 1024 * 1024
"""The maximum size of a Kubernetes Secret."""

_BRACES = re.compile(r"\{\{([^\n]*?)\}\}")
_NAME = re.compile(r"[^/{}\x00-\x1f\x7f]+")


def _kind(mode: int) -> str:
    if S_ISDIR(mode):
        return "a directory (docker run -v creates one if the file is missing)"
    if S_ISFIFO(mode):
        return "a named pipe"
    return "a socket" if S_ISSOCK(mode) else "a device"


class Variables:
    """Looks up variables: first the file ``name`` in ``folder``, then ``RED_VAR_name`` in ``environ``. If
    ``name`` in the folder is not a file, that is an error: it was meant to be the value.

    Values are literal: not expanded again; only a file's final newline is dropped.
    """

    def __init__(self, folder: str, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.environ = environ

    def fill(self, text: str, fault: Callable[[str], None]) -> str:
        """``text`` with its variables filled in and marked as secret; ``fault`` is called on failure."""

        def value(match: re.Match[str]) -> str:
            name = match[1].strip()
            if not _NAME.fullmatch(name) or name in (".", ".."):
                fault("{{ }} must contain the name of a variable, without slashes and braces")
                return match[0]
            try:
                found = self.find(match[1])
                if found is None:
                    found = self.find(name)  # {{ name }}, unless a variable's name has these blanks
            except ValueError as error:
                fault(str(error))
                return match[0]
            if found is None:
                fault(
                    f"variable {name} is not set: neither a file {self.path(name)} nor {RED_VAR}{name} in the"
                    " environment (is it exported, and passed with -e?)"
                )
                return match[0]
            secrets.mark(found)
            return found

        return _BRACES.sub(value, text)

    def path(self, name: str) -> str:
        return os.path.join(self.folder, name)

    def find(self, name: str) -> str | None:
        """The value, or None; ValueError, which does not contain the value, if it is not usable."""
        file = self._in_file(name)
        if file is not None:
            return file
        found = self.environ.get(RED_VAR + name)
        try:
            return found if found is None else found.encode().decode()
        except UnicodeError:
            raise ValueError(f"{RED_VAR}{name} is not UTF-8 text") from None

    def _in_file(self, name: str) -> str | None:
        path = self.path(name)
        try:
            mode = os.stat(path).st_mode
            if not S_ISREG(mode):
                raise ValueError(f"{path} of variable {name} is {_kind(mode)}, not a file with its value")
            with open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
            raise ValueError(f"{path} of variable {name} is a broken link to {os.readlink(path)}") from None
        except OSError as error:
            message = f"the file {path} of variable {name} cannot be read: {error.strerror}"
            if isinstance(error, PermissionError):
                message += f' (running as user {os.geteuid()}: docker run --user "$(id -u):$(id -g)" helps)'
            raise ValueError(message) from None
        if len(data) > MOST_BYTES:
            raise ValueError(f"the file {path} of variable {name} is larger than {MOST_BYTES // 1024} KiB")
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            raise ValueError(f"the file {path} of variable {name} is not UTF-8 text") from None
        return text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
