"""Shared by the mount tests: mounts and processes as the kernel shows them, and killing servers."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.conformance.promises import wait_until
from tests.servers import sshd as sshd_
from tests.servers.sshd import Sshd
from tests.support.program import Result, run
from tests.support.require import missing

SSH = "red-connector-ssh"
QUICK = {"RED_TIMEOUT": "3", "RED_RETRIES": "0"}
PASSPHRASE = "another s3cret"


def needs_fuse() -> None:
    """End the test if the machine cannot mount."""
    for program in ("sshfs", "fusermount3"):
        if not shutil.which(program):
            missing("fuse", f"{program} is not installed: run tests/install-servers.sh")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        missing("fuse", f"/dev/fuse: {error.strerror}")
    if os.getuid() != 0:
        missing("fuse", "root is needed")


def mounts(folder: Path) -> list[str]:
    """All mount points at or below ``folder``."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [point.encode().decode("unicode_escape").encode("latin-1").decode() for point in points]
    return [point for point in plain if Path(point).is_relative_to(folder)]


def processes(folder: Path) -> list[int]:
    """Processes with ``folder`` in their command line or environment, except this one."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(folder).encode() in (place / "cmdline").read_bytes() + (place / "environ").read_bytes():
                found.append(int(place.name))
    return [pid for pid in found if pid != os.getpid()]


def access(server: Sshd, path: str, *, port: int = 0, **more: object) -> dict[str, Any]:
    auth = {"username": server.username, "password": server.password}
    return {"host": server.host, "port": port or server.port, "auth": auth, "dirPath": path, **more}


@contextmanager
def mounted(document: dict[str, Any], folder: Path, env: dict[str, str] | None = None) -> Iterator[Result]:
    """The directory mounted at ``folder``; unmounted and cleaned up afterwards."""
    result = run(SSH, "mount-dir", document, folder, env=env or QUICK)
    assert result.code == 0, result.stderr
    assert mounts(folder) == [str(folder)]
    yield result
    unmount(folder)


def unmount(folder: Path) -> Result:
    result = run(SSH, "umount-dir", folder, env=QUICK)
    assert result.code == 0, result.stderr
    nothing_left(folder)
    return result


def nothing_left(folder: Path) -> None:
    assert mounts(folder) == []
    wait_until(lambda: not processes(folder), "the mount's processes have ended", 5)


def reading(path: Path, seconds: float = 20) -> "subprocess.CompletedProcess[bytes]":
    """What another process reads from the file; AssertionError after ``seconds`` without a result."""
    reader = subprocess.Popen(["cat", path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        out, err = reader.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:  # do not wait: it cannot be killed before the mount is gone
        raise AssertionError(f"reading {path} hangs") from None
    return subprocess.CompletedProcess(["cat", path], reader.returncode, out, err)


def readable_again(path: Path, content: bytes) -> None:
    wait_until(lambda: reading(path).stdout == content, f"{path} can be read again", 30)


def clean(folder: Path) -> None:
    """Unmount and kill everything a failed test left below ``folder``."""
    for path in reversed(mounts(folder)):
        subprocess.run(["umount", "-l", path], timeout=10)
    for pid in processes(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextmanager
def own_server(*options: str) -> Iterator[Sshd]:
    with sshd_.start(*options) as server:
        yield server


def end(server: Sshd) -> None:
    """Kill it and its children: connections are reset, and new ones refused."""
    serving = server.processes()
    os.kill(int((server.folder / "sshd.pid").read_text()), signal.SIGKILL)
    for number in serving:
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    time.sleep(0.1)


@contextmanager
def begun_anew(server: Sshd) -> Iterator[None]:
    """The same server with the same keys and port."""
    with server.running():
        yield
        end(server)
