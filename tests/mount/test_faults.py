"""Mounts whose server falls silent, ends, comes back, or is another one; and calls that are cut short."""

import errno
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Exit, RedError
from connectors.model import Verb
from connectors.remote import Program
from connectors.settings import Settings
from connectors.transfer import mount
from connectors.transfer.job import Job
from connectors.transfer.mount import mount_dir
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.conformance.promises import wait_until
from tests.servers import delay, free_port, sftp_fault
from tests.servers import sshd as sshd_
from tests.servers.sshd import Sshd
from tests.support.mounting import (
    PASSPHRASE,
    QUICK,
    SSH,
    access,
    begun_anew,
    end,
    mounted,
    mounts,
    nothing_left,
    own_server,
    processes,
    readable_again,
    reading,
    unmount,
)
from tests.support.program import run, start

NOBODY = 65534


def test_a_silent_server_is_an_error_in_time_and_recovers(sshd: Sshd, here: Path, fresh: str) -> None:
    for name in ("a", "b", "c"):
        sshd.place(f"{fresh}/{name}", name.encode())
    with delay.start(sshd.port) as relay, mounted(access(sshd, fresh, port=relay.port), here / "m"):
        assert reading(here / "m/a").stdout == b"a"
        relay.hold_after(0)
        begun = time.monotonic()
        assert reading(here / "m/b").returncode != 0
        assert time.monotonic() - begun < 15
        relay.release()
        readable_again(here / "m/c", b"c")


def test_a_server_that_ends_and_begins_anew_is_found_again(here: Path) -> None:
    with own_server() as server:
        for name in ("a", "b", "c"):
            server.place(f"x/{name}", name.encode())
        with mounted(access(server, "x"), here / "m"):
            assert reading(here / "m/a").stdout == b"a"
            end(server)
            begun = time.monotonic()
            assert reading(here / "m/b").returncode != 0
            assert time.monotonic() - begun < 10
            with begun_anew(server):
                readable_again(here / "m/c", b"c")


def test_a_key_of_which_the_file_is_gone_logs_in_again(here: Path) -> None:
    with own_server() as server:
        server.place("x/a", b"a")
        key = here / "key"
        server.authorize(sshd_.make_key(key, "ecdsa", "-N", PASSPHRASE)[0])
        document = access(server, "x")
        document["auth"] = {"username": server.username, "privateKey": "key", "passphrase": PASSPHRASE}
        assert run(SSH, "mount-dir", document, "m", env=QUICK, cwd=here).code == 0
        key.unlink()
        end(server)
        with begun_anew(server):
            readable_again(here / "m/a", b"a")
        unmount(here / "m")


def test_another_host_key_is_refused_when_it_connects_anew_and_no_password_is_tried(here: Path) -> None:
    """Also where the document names none: the key that was shown when mounting is the one that counts."""
    port = free_port()
    with own_server(f"Port {port}") as first:
        first.place("x/a", b"a")
        result = run(SSH, "mount-dir", access(first, "x", port=port), here / "m", env=QUICK)
        assert result.code == 0, result.stderr
        assert "SHA256:" in result.stderr
        end(first)
    with own_server(f"Port {port}") as second:
        second.place("x/a", b"a lie")
        assert reading(here / "m/a").returncode != 0
        assert reading(here / "m/a").returncode != 0
        assert (second.logins(), second.refusals()) == (0, 0)
        assert "host key" in unmount(here / "m").stderr


def test_a_password_that_is_refused_when_it_connects_anew_is_tried_once(here: Path) -> None:
    with own_server() as server:
        server.place("x/a", b"a")
        assert run(SSH, "mount-dir", access(server, "x"), here / "m", env=QUICK).code == 0
        end(server)
        config = server.folder / "sshd_config"
        config.write_text("DenyUsers *\n" + config.read_text())
        with begun_anew(server):
            for _ in range(3):
                assert reading(here / "m/a").returncode != 0
            assert server.log().count("Failed password") == 1
        unmount(here / "m")


def test_unmounting_never_waits_for_a_server_that_is_gone(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a", b"a")
    slow = {"RED_TIMEOUT": "600", "RED_RETRIES": "0"}
    with delay.start(sshd.port) as relay:
        for reader in (False, True):
            document = access(sshd, fresh, port=relay.port)
            assert run(SSH, "mount-dir", document, here / "m", env=slow).code == 0
            relay.hold_after(0)
            waiting = subprocess.Popen(["cat", here / "m/a"], stderr=subprocess.PIPE) if reader else None
            time.sleep(0.3)
            begun = time.monotonic()
            unmount(here / "m")
            assert time.monotonic() - begun < 12
            if waiting:
                assert waiting.communicate(timeout=5)
                assert waiting.returncode != 0
            relay.release()


def test_a_mount_whose_program_was_killed_is_replaced(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a", b"a")
    with mounted(access(sshd, fresh), here / "m"):
        for pid in processes(here / "m"):
            os.kill(pid, signal.SIGKILL)
        result = run(SSH, "mount-dir", access(sshd, fresh), here / "m", env=QUICK)
        assert result.code == 0, result.stderr
        assert (here / "m/a").read_bytes() == b"a"


def test_a_mount_whose_program_was_killed_is_no_empty_folder_and_is_unmounted(
    sshd: Sshd, here: Path, fresh: str
) -> None:
    """Whoever reads there must meet an error: an empty folder would look as if there were no files."""
    sshd.place(f"{fresh}/a", b"a")
    with mounted(access(sshd, fresh), here / "m"):
        for pid in processes(here / "m"):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes(here / "m"), "the mount's processes have ended", 5)
        with pytest.raises(OSError, match="not connected"):
            os.listdir(here / "m")


def test_a_mount_whose_server_is_gone_is_replaced(sshd: Sshd, here: Path, fresh: str) -> None:
    """The server answers anew, but a mount made with a long time limit does not know that yet."""
    sshd.place(f"{fresh}/a", b"a")
    slow = {"RED_TIMEOUT": "600", "RED_RETRIES": "0"}
    with delay.start(sshd.port) as relay:
        document = access(sshd, fresh, port=relay.port)
        assert run(SSH, "mount-dir", document, here / "m", env=slow).code == 0
        for pid in processes(here / "m"):
            if b"sshfs\0" not in Path(f"/proc/{pid}/cmdline").read_bytes():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
        result = run(SSH, "mount-dir", document, here / "m", env=slow)
        assert result.code == 0, result.stderr
        assert "does not answer" in result.stderr
        assert reading(here / "m/a").stdout == b"a"
        unmount(here / "m")


def test_a_mount_whose_connection_is_lost_as_it_begins_is_tried_again(here: Path, host_key: Path) -> None:
    with sftp_fault.start(host_key) as server:
        server.files[b"/data/d/a"] = bytearray(b"a")
        server.folders.add(b"/data/d")
        asked = count(1)

        def lose() -> None:
            assert server.transport
            if next(asked) == 2:  # the first is that of a check, the second sshfs's
                server.transport.close()

        server.before_sftp = lose
        with mounted(server.access(dirPath="/data/d"), here / "m", QUICK | {"RED_RETRIES": "1"}):
            assert reading(here / "m/a").stdout == b"a"
        assert next(asked) > 3


def hold_the_second(relay: delay.Relay) -> None:
    """Nothing reaches the client any more from when it connects for the second time: sshfs's connection."""

    def watch() -> None:
        wait_until(lambda: relay.connections >= 2, "sshfs connects")
        relay.hold_after(0)

    threading.Thread(target=watch, daemon=True).start()


def test_a_mount_that_takes_too_long_is_75_and_counts_as_none(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a", b"a")
    with delay.start(sshd.port) as relay:
        hold_the_second(relay)
        result = run(SSH, "mount-dir", access(sshd, fresh, port=relay.port), here / "m", env=QUICK)
    assert result.code == 75, result.stderr
    assert result.seconds < 12
    assert not (here / "m").exists()
    nothing_left(here)


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_leaves_nothing(
    sshd: Sshd, here: Path, fresh: str, sign: int, code: int
) -> None:
    sshd.place(f"{fresh}/a", b"a")
    with delay.start(sshd.port) as relay:
        hold_the_second(relay)
        process = start(SSH, "mount-dir", access(sshd, fresh, port=relay.port), here / "m")
        wait_until(lambda: relay.connections >= 2, "sshfs connects")
        time.sleep(0.2)
        assert mounts(here)  # and whoever looks into it waits
        process.send_signal(sign)
        begun = time.monotonic()
        _, err = process.communicate(timeout=10)
        assert process.returncode == code, err
        assert time.monotonic() - begun < 3
        assert not (here / "m").exists()
        nothing_left(here)


class Served:
    """A remote directory that a shell command serves: badly."""

    def __init__(self, script: str) -> None:
        self._program = Program(["sh", "-c", script], "fuse.none", "none", read_only=True)

    def check(self, verb: Verb, path: str) -> None:
        pass

    @contextmanager
    def file_system(self) -> Iterator[Program]:
        yield self._program


def refused(script: str, folder: Path) -> RedError:
    remote: Any = Served(script)
    work = Job(Settings(timeout=5, retries=0), Progress(), Receipts(""))
    with pytest.raises(RedError) as caught:
        mount_dir(remote, work, str(folder))
    return caught.value


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        ('{"message": "hello", "code": 76}', Exit.PROTOCOL, "hello"),
        ('{"message": "hello", "code": 999}', Exit.TEMPFAIL, '"code": 999'),
        ('{"message": "hello", "code": 0}', Exit.TEMPFAIL, '"code": 0'),
        ('{"message": "hello", "code": []}', Exit.TEMPFAIL, '"code": []'),
        ('["message", "code"]', Exit.TEMPFAIL, "message"),
        ("", Exit.TEMPFAIL, "without a message"),
    ],
)
def test_what_a_program_says_at_its_end_has_a_code_of_ours(
    here: Path, said: str, code: Exit, told: str
) -> None:
    error = refused(f"echo '{said}'; exit 1", here)
    assert error.code == code
    assert told in error.message


def test_a_folder_that_may_not_be_looked_into_is_74() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        (Path(place) / "m").mkdir(0o700)
        os.seteuid(NOBODY)
        try:
            error = refused("exit 1", Path(place) / "m")
        finally:
            os.seteuid(0)
    assert error.code == Exit.IOERR
    assert "Permission denied" in error.message


@pytest.mark.parametrize(
    ("what", "code", "trouble"),
    [
        ("statvfs", errno.EOPNOTSUPP, ""),
        ("statvfs", errno.EIO, "Input/output error"),
        ("listdir", errno.EOPNOTSUPP, "Operation not supported"),
    ],
)
def test_a_server_that_cannot_tell_its_size_answers_and_what_is_wrong_else_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, code: int, trouble: str
) -> None:
    def fail(path: str) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, what, fail)
    assert mount._trouble(str(tmp_path), 5) == trouble
