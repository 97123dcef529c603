"""A test run leaves nothing in the temporary folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.program import CHECKOUT

TEST = "tests/http/test_redirects.py::test_another_port_is_another_host"


@pytest.mark.server
def test_a_test_run_leaves_nothing_behind(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    for options in ([], ["-n", "1"]):
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, TEST]
        result = subprocess.run(
            words, cwd=CHECKOUT, env={**env, "TMPDIR": str(tmp_path)}, capture_output=True, text=True
        )
        assert result.returncode == 0, result.stdout
        left = [one.name for one in tmp_path.iterdir() if not one.name.startswith("pytest-of-")]
        assert not left
