"""red-connector-ssh: others touch the same files at the same moment."""

import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.conformance.promises import wait_until
from tests.servers import delay
from tests.servers import sshd as sshd_server
from tests.servers.delay import Relay
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.far import SSH, Far, hidden, snapshot
from tests.support.program import run, start

OLD, NEW = b"old" * 1000, b"new" * 1000
LARGE = 24 << 20


@pytest.fixture
def far(sshd: Sshd, fresh: str) -> Far:
    return Far(sshd, fresh)


def test_a_second_send_of_the_file_does_not_write_into_the_first(
    far: Far, relay: Relay, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(LARGE))
    relay.hold_after(LARGE // 2, upwards=True)
    first = start(SSH, "send-file", far.file("t", relay.port), source)
    relay.wait_until_held()
    second = start(SSH, "send-file", far.file("t"), source)
    wait_until(lambda: len(hidden(far.root)) == 2, "both have a hidden file")
    second.kill()
    second.communicate()
    relay.release()
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert (far.root / "t").read_bytes() == source.read_bytes()


def test_where_a_name_cannot_be_replaced_in_one_step_a_signal_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "new").write_bytes(NEW)
    old_version = "ForceCommand /usr/lib/openssh/sftp-server -P posix-rename"
    with require.running("sshd", lambda: sshd_server.start(old_version)) as server:
        far = Far(server, "x")
        assert far.send_file(tmp_path / "new", "t").code == 0
        far.place("t", OLD)
        assert far.send_file(tmp_path / "new", "t").code == 0
        assert snapshot(far.root) == {b"t": NEW}
        far.place("t", OLD)
        with delay.start(server.port, 0.2) as distant:
            process = start(SSH, "send-file", far.file("t", distant.port), tmp_path / "new")
            wait_until(lambda: not (far.root / "t").exists(), "the old file has another name")
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)
        assert process.returncode == 143
        wait_until(lambda: (far.root / "t").exists(), "one of them has the name")
        assert (far.root / "t").read_bytes() in (OLD, NEW)


def test_a_fresh_file_rewritten_during_the_transfer_is_not_mixed(
    far: Far, relay: Relay, tmp_path: Path
) -> None:
    there = far.place("t", b"A" * LARGE, age=0)
    relay.hold_after(8 << 20)
    process = start(SSH, "receive-file", far.file("t", relay.port), tmp_path / "t")
    relay.wait_until_held()
    there.write_bytes(b"B" * LARGE)
    relay.release()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert set((tmp_path / "t").read_bytes()) == set(b"B")


def test_a_changed_source_with_its_time_restored_is_a_failure(far: Far, relay: Relay, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"A" * LARGE)
    before = source.stat()
    relay.hold_after(LARGE // 2, upwards=True)
    process = start(SSH, "send-file", far.file("t", relay.port), source)
    relay.wait_until_held()
    with open(source, "r+b") as file:
        file.write(b"B" * LARGE)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    relay.release()
    process.communicate(timeout=60)
    assert process.returncode == 65
    assert snapshot(far.root) == {}


def test_hidden_files_of_a_running_transfer_are_not_received(far: Far, tmp_path: Path) -> None:
    far.place("d/a", b"a")
    far.place("d/.tree.0123.red-part/new/b", b"b")
    far.place("d/.c.0123.red-part", b"c")
    assert far.receive_dir("d", tmp_path / "x").code == 0
    assert snapshot(tmp_path / "x") == {b"a": b"a"}


def test_a_growing_log_is_received(far: Far, relay: Relay, tmp_path: Path) -> None:
    for name in ("0", "1", "2"):
        far.place(f"d/{name}", b"line\n" * 400_000)
    relay.hold_after(1 << 20)
    process = start(SSH, "receive-dir", far.directory("d", relay.port), tmp_path / "x")
    relay.wait_until_held()
    with open(far.root / "d" / "2", "ab") as log:
        log.write(b"one more\n")
    relay.release()
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "x" / "2").read_bytes().endswith(b"one more\n")


def test_more_names_than_the_server_accepts_at_a_time_do_not_block(far: Far, tmp_path: Path) -> None:
    folder = far.make_dir("d")
    for number in range(12_000):
        (folder / f"{number:0240}").write_bytes(b"x")  # 2.9 MB of names; sshd's window is 2 MiB
    result = far.receive_dir("d", tmp_path / "x", RED_TIMEOUT="5")
    assert result.code == 0
    assert result.stderr == ""
    assert len(os.listdir(tmp_path / "x")) == 12_000
    shutil.rmtree(folder)


def test_concurrent_equal_sends_of_a_directory_all_succeed(far: Far, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    content = {b"%d" % number: b"%d" % number for number in range(350)}
    for name, data in content.items():
        (tmp_path / "x" / os.fsdecode(name)).write_bytes(data)
    codes: list[int] = []

    def send() -> None:
        codes.append(run(SSH, "send-dir", far.directory("to"), tmp_path / "x").code)

    threads = [threading.Thread(target=send) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert codes == [0, 0, 0]
    assert snapshot(far.root / "to") == content


def test_credentials_refused_during_the_transfer_are_tried_once(sshd: Sshd, tmp_path: Path) -> None:
    with require.running("sshd", sshd_server.start) as server:
        far = Far(server, "x")
        for number in range(20):
            far.place(f"d/{number}", b"x" * 100_000)
        access = far.directory("d") | {
            "auth": {"username": server.username, "privateKey": Path(server.key).read_text()}
        }
        with delay.start(server.port) as relay:
            relay.hold_after(500_000)
            process = start(SSH, "receive-dir", access | {"port": relay.port}, tmp_path / "x")
            relay.wait_until_held()
            (server.folder / "authorized_keys").write_text("")
            server.hang_up()
            relay.release()
            process.communicate(timeout=60)
        time.sleep(0.2)
        assert process.returncode == 77
        assert server.refusals() == 1
