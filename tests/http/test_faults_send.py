"""Sending to servers that stall, and what changes or dies while it is sent."""

import json
import os
import random
import signal
import socket
from pathlib import Path

import pytest

from tests.conformance.promises import interrupted, wait_until
from tests.servers import delay
from tests.servers.apache import Apache
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support.program import run, start
from tests.support.trees import file, write

HTTP = "red-connector-http"
MIB = 1 << 20
BODY = random.Random(4).randbytes(6 * MIB)


@pytest.mark.parametrize("verb", ["send-dir", "receive-dir"])
def test_a_server_that_stalls_costs_one_timeout_not_one_for_each_file(tmp_path: Path, verb: str) -> None:
    tree = {f"f{number}": b"x" for number in range(8)}
    write(tmp_path / "d", tree)
    facts = [file(name) for name in tree]
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:  # the kernel shakes hands, no more
        access = {"url": f"http://127.0.0.1:{silent.getsockname()[1]}/d"}
        env = {"RED_TIMEOUT": "1", "RED_RETRIES": "0"}
        result = run(HTTP, verb, access, tmp_path / "d", "--listing", facts, env=env)
    assert result.code == 75, result.stderr
    assert 0.9 < result.seconds < 6


@pytest.mark.parametrize("change", ["grows", "changes", "shrinks"])
def test_a_source_that_changes_while_it_is_sent_does_not_get_its_final_name(
    web: Nginx, fresh: str, tmp_path: Path, change: str
) -> None:
    web.folder(web.root / fresh)
    source = tmp_path / "x"
    size = 24 * MIB  # more than what the kernel takes on the way to the relay: some of it is still to be read
    source.write_bytes(BODY * 4)
    with delay.start(web.ports["dav"]) as relay:
        relay.hold_after(MIB, upwards=True)
        access = {"url": f"http://127.0.0.1:{relay.port}/{fresh}/x", "method": "PUT"}
        process = start(HTTP, "send-file", access, source, env={"RED_RETRIES": "0"})
        try:
            relay.wait_until_held()
            with open(source, "r+b") as file:
                file.seek(0 if change == "changes" else size)
                file.write(b"new") if change != "shrinks" else file.truncate(2 * MIB)
            relay.release()
            _, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 65, err.decode()
    assert [one.name for one in (web.root / fresh).iterdir()] == []


@pytest.mark.parametrize("of_directory", [False, True])
def test_a_listed_link_to_outside_the_directory_is_not_followed(
    faulty: FaultServer, tmp_path: Path, of_directory: bool
) -> None:
    write(tmp_path, {"outside/secret": b"secret", "d/good": b"good"})
    facts = [file("good")]
    if of_directory:
        (tmp_path / "d" / "out").symlink_to(tmp_path / "outside")
        facts.append({"class": "Directory", "basename": "out", "listing": [file("secret")]})
    else:
        (tmp_path / "d" / "secret").symlink_to(tmp_path / "outside" / "secret")
        facts.append(file("secret"))
    access = {"url": f"{faulty.url}/d"}
    result = run(HTTP, "send-dir", access, tmp_path / "d", "--listing", facts)
    assert result.code == 65, result.stderr
    assert "secret" in result.stderr
    assert b"secret" not in faulty.stored.values()


@pytest.mark.parametrize("changed", [False, True], ids=["same-source", "changed-source"])
def test_a_kill_in_the_middle_of_a_send_keeps_the_old_file_and_leaves_no_hidden_name(
    httpd: Apache, fresh: str, tmp_path: Path, changed: bool
) -> None:
    """The next send takes away what the killed one left, also if there is something new to send."""
    httpd.place(f"{fresh}/x", b"old")
    source = tmp_path / "x"
    source.write_bytes(BODY)
    port = int(httpd.dav.rpartition(":")[2])
    with delay.start(port) as relay:
        access: dict[str, object] = {"url": f"http://127.0.0.1:{relay.port}/{fresh}/x", "method": "PUT"}
        relay.hold_after(3 * MIB, upwards=True)
        with interrupted(HTTP, ["send-file", access, source], relay, signal.SIGKILL, -9):
            assert (httpd.root / fresh / "x").read_bytes() == b"old"
    assert (httpd.root / fresh / "x").read_bytes() == b"old"
    access["url"] = f"{httpd.dav}/{fresh}/x"
    body = b"new" if changed else BODY
    source.write_bytes(body)
    result = run(HTTP, "send-file", access, source)
    assert result.code == 0, result.stderr
    assert (httpd.root / fresh / "x").read_bytes() == body

    def names() -> list[str]:
        return [one for one in os.listdir(httpd.root / fresh) if one != ".DAV"]

    wait_until(lambda: names() == ["x"], f"no hidden name is left: {names()}", 5)


# --- further attempts, counted ------------------------------------------------------------------

RIGHT = {"Repr-Digest": "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:"}  # of b"hello"
WRONG = Reply(b"jello", headers=RIGHT)
BUSY = Reply(b"", 503)
CUT = Reply(b"hello", cut=2)


@pytest.mark.parametrize("retries", [1, 2])
@pytest.mark.parametrize(
    "reply", [Reply(b"", 503), Reply(b"hello", cut=2), WRONG], ids=["503", "cut", "wrong"]
)
def test_every_retry_is_announced_and_nothing_else(
    faulty: FaultServer, target: Path, retries: int, reply: Reply
) -> None:
    url = faulty.on("/x", reply)
    result = run(HTTP, "receive-file", {"url": url}, target, env={"RED_RETRIES": str(retries)})
    assert result.code == (65 if reply is WRONG else 75), result.stderr
    further = len(faulty.requests("/x")) - 1
    assert further == (1 if reply is WRONG else retries)
    announced = result.stderr.count("trying again") + result.stderr.count("trying once more")
    assert announced == further, result.stderr


def test_a_wrong_checksum_without_retries_is_65_after_at_most_one_further_request(
    faulty: FaultServer, target: Path
) -> None:
    url = faulty.on("/x", WRONG)
    result = run(HTTP, "receive-file", {"url": url}, target, env={"RED_RETRIES": "0"})
    assert result.code == 65, result.stderr
    assert len(faulty.requests("/x")) in (1, 2)
    assert not target.exists()


@pytest.mark.parametrize("replies", [[], [BUSY], [WRONG], [BUSY, WRONG], [WRONG, BUSY]])
def test_the_attempts_of_a_receipt_are_all_requests(
    faulty: FaultServer, target: Path, tmp_path: Path, replies: list[Reply]
) -> None:
    url = faulty.on("/x", *replies, Reply(b"hello", headers=RIGHT))
    env = {"RED_RETRIES": "2", "RED_RECEIPT": str(tmp_path / "receipt")}
    result = run(HTTP, "receive-file", {"url": url}, target, env=env)
    assert result.code == 0, result.stderr
    assert len(faulty.requests("/x")) == len(replies) + 1
    assert json.loads((tmp_path / "receipt").read_text())["attempts"] == len(replies) + 1
