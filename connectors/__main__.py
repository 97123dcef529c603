"""Where every executable begins: ``python3 connectors/__main__.py EXECUTABLE [ARGUMENT …]``.

Makes the packages importable, in a checkout as in the image, and hands over to connectors.cli. It must
parse on Python 3.6, so that an old Python is answered by a clear line and not by a SyntaxError.
"""

import gc
import os
import signal
import sys

UNAVAILABLE = 69  # errors.Exit.UNAVAILABLE; importing it would take the very Python that may be missing


def run() -> int:
    """Call cli.main with the executable's name and arguments; its exit code, or UNAVAILABLE with a hint."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until cli has its own: no traceback
    here = __file__.rpartition("/")[0]
    home = here.rpartition("/")[0]
    # The folder of this file comes first on the path, and our http.py would pass for the standard library's.
    if sys.path and sys.path[0] in (here, ""):
        del sys.path[0]
    sys.path[:0] = [home, home + "/lib"]  # lib: the image's libraries; a checkout uses those of its Python

    if sys.version_info < (3, 11):  # noqa: UP036  # who runs a checkout may have any Python
        found = ".".join(map(str, sys.version_info[:2]))
        return unavailable(f"Python {found} is too old", "put python3 3.11 or later first on PATH")
    try:
        gc.disable()  # nothing of what is imported is garbage; looking takes a twentieth of the start
        from connectors import cli

        return cli.main(sys.argv[1:] or ["red-connectors"])
    except ModuleNotFoundError as error:
        missing = f"the library {error.name} is not installed for {sys.executable}"
        return unavailable(missing, "pip install -r requirements.txt")


def unavailable(message: str, hint: str) -> int:
    """Say what this machine lacks; the exit code for it."""
    sys.stderr.write(f"{message}\nhint: {hint}\n")
    return UNAVAILABLE


def leave(code: int) -> None:
    """End at once: taking the interpreter down piece by piece takes 4 ms, and the system frees it anyway."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            pass  # who should have read it has gone; what mattered has been said by then
    os._exit(code)


if __name__ == "__main__":
    leave(run())
