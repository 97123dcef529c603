"""Separate environments for other programs: installed once, and again when their lock changes."""

import fcntl
import hashlib
from pathlib import Path

from tests.support import engine
from tests.support.program import CHECKOUT


def installed(name: str) -> Path:
    """The ``bin`` folder of an environment with ``requirements-NAME.txt``."""
    folder = CHECKOUT / ".cache" / name
    requirements = CHECKOUT / f"requirements-{name}.txt"
    mark = folder / "installed"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    folder.parent.mkdir(exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:  # tests of two files run concurrently
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not mark.exists() or mark.read_text() != wanted:
            result = engine.sh("image/venv.sh", folder, requirements, timeout=600)
            assert result.returncode == 0, result.stderr
            mark.write_text(wanted)
    return folder / "bin"
