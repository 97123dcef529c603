"""red-connector-http-mock-send: receives, and never sends."""

from pathlib import Path

import pytest

from tests.servers.fault import FaultServer
from tests.support.program import run
from tests.support.uploads import UPLOADS, uploads


def test_mock_send_warns_and_sends_nothing(faulty: FaultServer, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"1")
    mock = "red-connector-http-mock-send"
    result = run(mock, "send-file", {"url": f"{faulty.url}/x"}, source)
    assert result.code == 0
    assert "this connector never sends" in result.stderr
    assert uploads(faulty) == []
    assert faulty.stored == {}
    # It checks all that it can.
    assert run(mock, "send-file", {"url": f"{faulty.url}/x"}, source.parent / "none").code == 66
    assert run(mock, "send-file", {"url": "http://127.0.0.1/x", "colour": 1}, source).code == 78


@pytest.mark.parametrize("method", UPLOADS)
def test_mock_send_contacts_no_server(faulty: FaultServer, tmp_path: Path, method: str) -> None:
    mock = "red-connector-http-mock-send"
    access = {"url": f"{faulty.url}/x", "method": method}
    (tmp_path / "d" / "empty").mkdir(parents=True)
    (tmp_path / "d" / "f").write_bytes(b"f")
    for arguments in (
        ["send-file", access, tmp_path / "d" / "f"],
        ["send-file-validate", access],
        ["send-dir", access, tmp_path / "d"],
        ["send-dir-validate", access],
    ):
        result = run(mock, *arguments)
        assert result.code == 0, result.stderr
    assert faulty.connections == 0
