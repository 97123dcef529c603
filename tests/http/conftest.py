"""Fixtures of the tests of HTTP."""

from pathlib import Path

import pytest

from tests.support.uploads import BODY


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file to send, with the content BODY."""
    file = tmp_path / "source.bin"
    file.write_bytes(BODY)
    return file
