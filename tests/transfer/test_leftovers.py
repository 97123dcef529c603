"""What earlier transfers, and other people, have left beside the target never becomes part of a file."""

import base64
import hashlib
import os
import random
from pathlib import Path

import pytest

from tests.servers.fault import FaultServer, Reply
from tests.support.program import Result, run

HTTP = "red-connector-http"
BODY = random.Random(1).randbytes(3 << 20)
OTHER = random.Random(2).randbytes(3 << 20)
A, B = '"a"', '"b"'
SHA256 = {"Repr-Digest": f"sha-256=:{base64.b64encode(hashlib.sha256(BODY).digest()).decode()}:"}


def receive(url: str, target: Path, retries: int = 0, **env: str) -> Result:
    return run(
        HTTP,
        "receive-file",
        {"url": url},
        target,
        env={"RED_RETRIES": str(retries), "RED_TIMEOUT": "2", **env},
    )


def hidden(target: Path, kind: str = "part") -> Path:
    return target.with_name(f".{target.name}.red-{kind}")


def left(target: Path) -> list[str]:
    return sorted(one.name for one in target.parent.iterdir())


def test_a_part_with_wrong_bytes_is_detected_by_the_checksum(faulty: FaultServer, target: Path) -> None:
    """Its state is valid, its length too: only the checksum tells. Then all is fetched afresh."""
    cut = Reply(BODY, etag=A, headers=SHA256, cut=2 << 20)
    url = faulty.on("/x", cut, Reply(BODY, etag=A, headers=SHA256))
    assert receive(url, target).code == 75
    size = hidden(target).stat().st_size
    assert size > 1 << 20
    hidden(target).write_bytes(OTHER[:size])
    result = receive(url, target, retries=1)
    assert result.code == 0, result.stderr
    assert "range" in faulty.requests("/x", "GET")[1].headers, "the part was not even looked at"
    assert target.read_bytes() == BODY
    assert left(target) == ["file.bin"]


@pytest.mark.parametrize("state", [b"", b"{", b"[]", b"null", b'{"identity": 5}', b"\xff" * 100])
def test_a_damaged_state_file_restarts_the_transfer(faulty: FaultServer, target: Path, state: bytes) -> None:
    url = faulty.on("/x", Reply(BODY, etag=A, cut=2 << 20), Reply(BODY, etag=A))
    assert receive(url, target).code == 75
    hidden(target).write_bytes(OTHER)
    hidden(target, "state").write_bytes(state)
    result = receive(url, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY
    assert left(target) == ["file.bin"]


@pytest.mark.parametrize("kind", ["part", "state"])
def test_a_symbolic_link_at_a_hidden_name_is_not_written_through(
    faulty: FaultServer, target: Path, tmp_path: Path, kind: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    hidden(target, kind).symlink_to(precious)
    url = faulty.on("/x", Reply(BODY, etag=A, cut=2 << 20), Reply(BODY, etag=A))
    result = receive(url, target, retries=1)
    assert precious.read_bytes() == b"precious"
    assert result.code == 0, result.stderr
    assert not target.is_symlink()
    assert not target.exists() or target.read_bytes() == BODY


def test_a_hard_link_at_the_hidden_name_is_not_written_through(
    faulty: FaultServer, target: Path, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    os.link(precious, hidden(target))
    result = receive(faulty.on("/x", Reply(BODY)), target)
    assert result.code == 0, result.stderr
    assert precious.read_bytes() == b"precious"
    assert target.read_bytes() == BODY
    assert target.stat().st_nlink == 1


@pytest.mark.parametrize("kind", ["part", "state"])
def test_a_directory_at_a_hidden_name_is_named_and_kept(faulty: FaultServer, target: Path, kind: str) -> None:
    hidden(target, kind).mkdir()
    (hidden(target, kind) / "mine").write_bytes(b"mine")
    url = faulty.on("/x", Reply(BODY, etag=A, cut=2 << 20), Reply(BODY, etag=A))
    result = receive(url, target, retries=1)
    assert result.code in (0, 73, 74), result.stderr
    assert result.code == 0 or hidden(target, kind).name in result.stderr
    assert (hidden(target, kind) / "mine").read_bytes() == b"mine"
    assert not target.exists() or target.read_bytes() == BODY


def test_a_part_of_another_user_does_not_loop_forever(
    faulty: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on network mounts that map every owner to one: the file just made is not 'ours' either."""
    from connectors.model import Version
    from connectors.settings import Settings
    from connectors.transfer.arrival import Arrival
    from connectors.transfer.folders import single_file
    from connectors.transfer.job import Job
    from connectors.transfer.progress import Progress
    from connectors.transfer.receipt import Receipts

    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    opened = 0
    os_open = os.open

    def counted(*arguments: object, **options: object) -> int:
        nonlocal opened
        opened += 1
        assert opened < 100, "it loops"
        return os_open(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", counted)
    job = Job(Settings(), Progress(), Receipts(""))
    with single_file(str(target)) as place, Arrival(place, "x", job) as one:
        one.begin(Version(size=5))
        one.write(b"hello")
        one.verify()
        one.commit()
    assert target.read_bytes() == b"hello"


def test_a_source_that_changes_and_changes_back_is_never_mixed(faulty: FaultServer, target: Path) -> None:
    """The state of version A must not vouch for bytes of B that came in between."""
    url = faulty.on(
        "/x",
        Reply(BODY, etag=A, cut=2 << 20),
        Reply(OTHER, etag=B, ranges=False, cut=(2 << 20) + 4096),
        Reply(BODY, etag=A),
    )
    assert receive(url, target, retries=1, RED_PROGRESS="off").code == 75
    assert len(faulty.requests("/x", "GET")) == 2
    assert receive(url, target).code == 0
    assert target.read_bytes() == BODY
    assert left(target) == ["file.bin"]


def test_a_kill_while_another_version_arrives_does_not_mix_them(faulty: FaultServer, target: Path) -> None:
    from tests.conformance.promises import wait_until
    from tests.support.program import start

    url = faulty.on(
        "/x",
        Reply(BODY, etag=A, cut=1 << 20),
        Reply(OTHER, etag=B, ranges=False, stall=2 << 20),
        Reply(BODY, etag=A),
    )
    process = start(HTTP, "receive-file", {"url": url}, target, env={"RED_RETRIES": "1", "RED_TIMEOUT": "30"})
    try:
        wait_until(lambda: len(faulty.requests("/x", "GET")) == 2, "the second attempt")
        wait_until(lambda: hidden(target).stat().st_size > 1.5 * (1 << 20), "half of the other version")
    finally:
        process.kill()
        process.communicate()
    assert not target.exists()
    assert receive(url, target).code == 0
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("field", ["Content-MD5", "Content-Digest", "Repr-Digest", "Digest"])
def test_a_resumed_file_is_checked_against_the_first_response(
    faulty: FaultServer, target: Path, field: str
) -> None:
    """Content-MD5 and Content-Digest of a 206 are of the part: only the 200 spoke of the whole."""
    md5 = base64.b64encode(hashlib.md5(OTHER).digest()).decode()
    sha256 = base64.b64encode(hashlib.sha256(OTHER).digest()).decode()
    wrong = {
        "Content-MD5": md5, "Content-Digest": f"sha-256=:{sha256}:", "Repr-Digest": f"sha-256=:{sha256}:",
        "Digest": f"SHA-256={sha256}",
    }[field]  # fmt: skip
    cut = Reply(BODY, etag=A, headers={field: wrong}, cut=2 << 20)
    rest = Reply(BODY, etag=A)
    for number, retries in enumerate((1, 0)):  # by the same process, and by the next
        url = faulty.on(f"/{number}", cut, rest, cut, rest)
        if not retries:
            assert receive(url, target).code == 75
        result = receive(url, target, retries=retries)
        assert "range" in faulty.requests(f"/{number}", "GET")[1].headers
        assert result.code in (65, 75), result.stderr
        assert not target.exists()
    faulty.on("/ever", cut, rest, Reply(BODY, etag=A, headers={field: wrong}))
    assert receive(f"{faulty.url}/ever", target, retries=1).code == 65
