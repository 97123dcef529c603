"""red-connector-http-json: what is not JSON is not transferred."""

from pathlib import Path

import pytest

from tests.servers.fault import FaultServer, Reply
from tests.support.program import run

JSON = "red-connector-http-json"

TRICKY = b'{"b": 12345678901234567890123, "a": 1.10, "a": [ ],\n"\\u00fc": "\xc3\xbc"}\n'


def test_json_arrives_as_it_was_byte_for_byte(faulty: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_bytes(TRICKY)
    access = {"url": f"{faulty.url}/x", "method": "PUT"}
    assert run(JSON, "send-file", access, tmp_path / "in.json").code == 0
    assert faulty.stored["/x"] == TRICKY
    assert faulty.requests("/x", "PUT")[0].headers["content-type"].startswith("application/json")
    assert run(JSON, "receive-file", {"url": access["url"]}, tmp_path / "out.json").code == 0
    assert (tmp_path / "out.json").read_bytes() == TRICKY
    assert faulty.requests("/x", "GET")[-1].headers["accept"] == "application/json"


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"<html></html>", b'{"a": 1} x', b"\xff\xfe", b"NaN", b"'a'", b"[1,]"]
)
def test_what_is_not_json_is_65_both_ways(faulty: FaultServer, tmp_path: Path, bad: bytes) -> None:
    (tmp_path / "in.json").write_bytes(bad)
    access = {"url": f"{faulty.url}/x", "method": "PUT"}
    sent = run(JSON, "send-file", access, tmp_path / "in.json")
    assert sent.code == 65, sent.stderr
    assert faulty.stored == {}
    url = faulty.on("/y", Reply(bad))
    received = run(JSON, "receive-file", {"url": url}, tmp_path / "out.json")
    assert received.code == 65, received.stderr
    assert "is not JSON: line" in received.stderr
    assert not (tmp_path / "out.json").exists()


def test_json_numbers_may_be_longer_than_python_likes(faulty: FaultServer, tmp_path: Path) -> None:
    for number, digits in enumerate((b"7" * 6000, b"1e999999", b"-0.5e-999", b"7" * 200_000)):
        url = faulty.on(f"/{number}", Reply(b"[" + digits + b"]"))
        result = run(JSON, "receive-file", {"url": url}, tmp_path / str(number))
        assert result.code == (65 if number == 3 else 0), result.stderr


def test_deep_json_does_not_crash(faulty: FaultServer, tmp_path: Path) -> None:
    deep = b"[" * 200_000 + b"]" * 200_000
    url = faulty.on("/x", Reply(deep))
    result = run(JSON, "receive-file", {"url": url}, tmp_path / "out.json")
    assert result.code == 0, result.stderr


@pytest.mark.parametrize(
    ("bad", "line", "column"),
    [
        (b"", 1, 1),
        (b"<html></html>", 1, 1),
        (b'{"a": 1} x', 1, 10),
        (b'{"a":\n "\xc3\xbc\xc3\xbc", b}', 2, 8),
        (b"[1,\n2,\n  tru]", 3, 6),
        (b"[0" + b",\n1" * 200_000 + b",]", 200_001, 3),
        (b'["' + b"x" * 200_000 + b'" :]', 1, 200_005),
        (b"[\n" + b"7" * 200_000 + b"]", 2, 200_001),
        (b"[\n\n", 3, 1),
        (b'\n"\xff"', 2, 2),
    ],
)
def test_invalid_json_is_reported_by_position_without_its_text(
    faulty: FaultServer, tmp_path: Path, bad: bytes, line: int, column: int
) -> None:
    (tmp_path / "in.json").write_bytes(bad)
    access = {"url": f"{faulty.url}/x", "method": "PUT"}
    result = run(JSON, "send-file", access, tmp_path / "in.json")
    assert result.code == 65, result.stderr
    assert f"line {line}, column {column}:" in result.stderr
    assert "xxx" not in result.stderr
    assert "html" not in result.stderr
