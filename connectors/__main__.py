"""Entry point of every executable: ``python3 connectors/__main__.py EXECUTABLE [ARGUMENT …]``.

Makes the packages importable, in a checkout as in the image, and calls connectors.cli. It must
parse on Python 3.6, so that an old Python gets a clear message instead of a SyntaxError.
"""

import gc
import os
import signal
import sys

UNAVAILABLE = 69  # errors.Exit.UNAVAILABLE, which an old Python cannot import


def run() -> int:
    """Call cli.main with name and arguments; return its exit code, or UNAVAILABLE with a hint."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until cli has its own: no traceback
    here = __file__.rpartition("/")[0]
    home = here.rpartition("/")[0]
    # This file's folder comes first on the path, where our http.py would shadow the standard library's.
    if sys.path and sys.path[0] in (here, ""):
        del sys.path[0]
    sys.path[:0] = [home, home + "/lib"]  # lib: the image's libraries; a checkout uses those of its Python

    if sys.version_info < (3, 11):  # noqa: UP036  # a checkout may be run by any Python
        found = ".".join(map(str, sys.version_info[:2]))
        return unavailable(f"Python {found} is too old", "put python3 3.11 or later first on PATH")
    try:
        gc.disable()  # imports create no garbage; collecting takes a twentieth of startup time
        from connectors import cli

        return cli.main(sys.argv[1:] or ["red-connectors"])
    except ModuleNotFoundError as error:
        missing = f"the library {error.name} is not installed for {sys.executable}"
        return unavailable(missing, "pip install -r requirements.txt")


def unavailable(message: str, hint: str) -> int:
    """Print what this machine lacks; return exit code."""
    sys.stderr.write(f"{message}\nhint: {hint}\n")
    return UNAVAILABLE


def leave(code: int) -> None:
    """Exit without shutting the interpreter down, which takes 4 ms; the system frees its memory anyway."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            pass  # the reader is gone; everything important is already written
    os._exit(code)


if __name__ == "__main__":
    leave(run())
