"""cerberus without the module that it needs for its version number only."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def python(code: str) -> str:
    """What a fresh interpreter prints for ``code``."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


LOAD = "from connectors.access import lean; lean.import_cerberus(); import cerberus\n"


def test_cerberus_validates_as_ever() -> None:
    code = "v = cerberus.Validator({'a': {'type': 'string'}}); print(v.validate({'a': 1}), v.errors)"
    assert python(LOAD + code) == "False {'a': ['must be of string type']}"


def test_importlib_metadata_is_not_imported_and_whole_afterwards() -> None:
    real = "from importlib.metadata import version; print(version('cerberus') != 'unknown')"
    assert python(f"{LOAD}print('importlib.metadata' in sys.modules)\n{real}").split() == ["False", "True"]


def test_a_cerberus_that_wants_more_of_importlib_metadata_gets_the_real_one() -> None:
    lacking = "from connectors.access import lean; del lean._StandIn.version\n"
    assert python(f"{lacking}{LOAD}print(cerberus.__version__ != 'unknown')") == "True"
