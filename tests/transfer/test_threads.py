"""A machine on its last thread."""

import gc
import json
import signal
import threading
from pathlib import Path

import pytest

from connectors import cli
from connectors.errors import Exit


def test_too_few_threads_are_74_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    (tmp_path / "in.json").write_text(json.dumps({"url": "http://127.0.0.1:9/x", "method": "GET"}))
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(threading.Thread, "start", refuse)
    try:
        code = cli.main(
            ["red-connector-http", "receive-file", str(tmp_path / "in.json"), str(tmp_path / "x")]
        )
    finally:
        gc.unfreeze()
        for one, handler in before.items():
            signal.signal(one, handler)
    assert code == Exit.IOERR
    said = capsys.readouterr().err
    assert "error: this machine is out of resources: can't start new thread\nhint: is there a limit" in said
    assert [one.name for one in tmp_path.iterdir()] == ["in.json"]


def test_the_message_of_python_for_a_refused_thread_is_known() -> None:
    """As it raises them where the system refuses a thread."""
    refused: list[str] = []
    before = threading.stack_size(1 << 60)  # more than there are addresses
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        refused.append(str(error))
    finally:
        threading.stack_size(before)
    assert len(refused) == 1
    assert refused[0] in cli.SHORTAGES
