"""Mounting in a container: what it takes, what is said where that is missing, and where secrets are not."""

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import PASSWORD
from tests.servers.sshd import Sshd
from tests.support import engine
from tests.support.mounting import QUICK, access, needs_fuse
from tests.support.program import leaks

ALLOWED = ["--device", "/dev/fuse", "--cap-add", "SYS_ADMIN"]
COMMON = ["--network", "host", *(word for name, value in QUICK.items() for word in ("-e", f"{name}={value}"))]
NAMED = f"FROM {engine.IMAGE}\nUSER 0\nRUN useradd --uid 1000 cc\nUSER 1000:1000\n"
MOUNT = "red-connector-ssh mount-dir - m"


@pytest.fixture(scope="module", autouse=True)
def _image() -> None:
    engine.image()
    needs_fuse()


@pytest.fixture
def document(sshd: Sshd, fresh: str) -> str:
    sshd.place(f"{fresh}/a.txt", b"hello")
    return json.dumps(access(sshd, fresh))


@pytest.fixture
def device(tmp_path: Path) -> list[str]:
    """/dev/fuse as udev makes it, open to all; a machine without udev has it for root alone."""
    node = tmp_path / "fuse"
    os.mknod(node, 0o666 | stat.S_IFCHR, os.stat("/dev/fuse").st_rdev)
    node.chmod(0o666)
    return ["--device", f"{node}:/dev/fuse"]


@pytest.fixture(scope="module")
def named() -> Iterator[str]:
    """An image made from ours, in which user 1000 has a name, as experiments' images do."""
    name = "red-connectors-test-named"
    result = engine.sh("docker", "build", "--tag", name, "-", stdin=NAMED)
    assert result.returncode == 0, result.stdout + result.stderr
    yield name
    engine.sh("docker", "rmi", "--no-prune", name)


def test_root_mounts_and_unmounts_on_a_read_only_system_too(document: str) -> None:
    script = f"{MOUNT}; cat m/a.txt; red-connector-ssh umount-dir m; grep -c sshfs /proc/self/mountinfo || :"
    options = [*COMMON, *ALLOWED, "--user", "0", "--read-only", "--tmpfs", "/data"]
    result = engine.run("sh", "-euc", script, options=options, stdin=document)
    assert (result.returncode, result.stdout) == (0, "hello0\n"), result.stderr


def test_a_user_with_a_name_mounts_as_the_agent_has_it(document: str, named: str, device: list[str]) -> None:
    script = f"mkdir m; {MOUNT}; cat m/a.txt; ! touch m/x; red-connector-ssh umount-dir m; ls m"
    options = [*COMMON, *device, "--cap-add", "SYS_ADMIN"]
    words = ["docker", "run", "--rm", "-i", *options, named, "sh", "-euc", script]
    result = engine.sh(*words, stdin=document)
    assert (result.returncode, result.stdout) == (0, "hello"), result.stderr
    assert "Read-only file system" in result.stderr


def test_secrets_are_in_no_file_no_argument_and_no_environment_of_the_container(document: str) -> None:
    """The whole file system of a container in which nothing else happens is searched."""
    find = "find / -xdev -type f -size -1000k ! -path '/opt/*' ! -path '/usr/*' -print0"
    tmpfs = "find /dev/shm /run /tmp /data -type f -print0"
    script = f"""
    {MOUNT}
    cat m/a.txt
    {{ {find}; {tmpfs}; }} | xargs -0 cat | tr -d '\\0'
    for pid in /proc/[0-9]*; do tr '\\0' '\\n' <$pid/cmdline; tr '\\0' '\\n' <$pid/environ; done 2>/dev/null
    cat /proc/self/mountinfo
    """
    command = ["docker", "run", "--rm", "-i", *COMMON, *ALLOWED, "--user", "0", engine.image()]
    result = subprocess.run(
        [*command, "sh", "-euc", script], input=document.encode(), capture_output=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    found = result.stdout.decode(errors="replace")
    for word in ("hello", "root:x:0:0", "fuse.sshfs", "/proc/self/fd/", "RED_MOUNT_POINT="):
        assert word in found  # what was searched is what it should be
    assert json.loads(document)["auth"]["password"] == PASSWORD
    assert leaks(found) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--user", "0"], ["no FUSE", "--device /dev/fuse", "--cap-add SYS_ADMIN"]),
        (["--user", "0", "--cap-add", "SYS_ADMIN"], ["no FUSE", "--device /dev/fuse"]),
        (["--user", "0", "--device", "/dev/fuse"], ["CAP_SYS_ADMIN", "--cap-add SYS_ADMIN", "apparmor"]),
    ],
)
def test_a_container_that_may_not_mount_is_69_and_says_what_to_add(
    document: str, options: list[str], words: list[str]
) -> None:
    result = engine.run("ssh", "mount-dir", "-", "m", options=[*COMMON, *options], stdin=document)
    assert (result.returncode, result.stdout) == (69, "")
    for word in words:
        assert word in result.stderr


def test_a_user_who_may_not_mount_is_told_why(document: str, device: list[str]) -> None:
    def said(*options: str) -> str:
        result = engine.run("ssh", "mount-dir", "-", "m", options=[*COMMON, *options], stdin=document)
        assert result.returncode == 69, result.stderr
        return result.stderr

    able = [*device, "--cap-add", "SYS_ADMIN"]
    assert "--cap-add SYS_ADMIN" in said(*device)
    assert "no-new-privileges" in said(*able, "--security-opt", "no-new-privileges")
    assert "useradd --uid 1000" in said(*able)
    assert "useradd --uid 4321" in said(*able, "--user", "4321:0")
    os.chmod(device[1].partition(":")[0], 0o600)
    assert "chmod 666 /dev/fuse" in said(*able)
