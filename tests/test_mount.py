"""Remote directories as part of the local file system, by sshfs and a real sshd, through the real FUSE."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import wait_until
from tests.program import Result, run, start
from tests.require import missing
from tests.servers import PASSWORD, delay, free_port
from tests.servers import sshd as sshd_
from tests.servers.sshd import Sshd

SSH = "red-connector-ssh"
QUICK = {"RED_TIMEOUT": "3", "RED_RETRIES": "0"}
PASSPHRASE = "another s3cret"


@pytest.fixture(scope="module", autouse=True)
def fuse() -> None:
    """This machine can mount at all."""
    for program in ("sshfs", "fusermount3"):
        if not shutil.which(program):
            missing("fuse", f"{program} is not installed: run tests/install-servers.sh")
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        missing("fuse", f"/dev/fuse: {error.strerror}")
    if os.getuid() != 0:
        missing("fuse", "root is needed")


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """An empty folder to mount in; whatever is still mounted below it afterwards is taken away."""
    yield tmp_path
    for path in reversed(mounts(tmp_path)):
        subprocess.run(["umount", "-l", path], timeout=10)
    for pid in processes(tmp_path):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def mounts(folder: Path) -> list[str]:
    """All mount points at or below ``folder``."""
    points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    plain = [point.encode().decode("unicode_escape").encode("latin-1").decode() for point in points]
    return [point for point in plain if Path(point).is_relative_to(folder)]


def processes(folder: Path) -> list[int]:
    """Those with ``folder`` in their command line or environment, but not this one."""
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
    """The directory mounted at ``folder``; unmounted afterwards, with nothing left of it."""
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
    """What another process gets that reads the file; never longer than ``seconds``."""
    return subprocess.run(["cat", path], capture_output=True, timeout=seconds)


def readable_again(path: Path, content: bytes) -> None:
    wait_until(lambda: reading(path).stdout == content, f"{path} can be read again", 30)


def test_a_mounted_directory_shows_what_is_there_and_takes_nothing(
    sshd: Sshd, here: Path, fresh: str
) -> None:
    content = os.urandom(3_000_000)
    sshd.place(f"{fresh}/a.txt", b"hello")
    sshd.place(f"{fresh}/sub/b.bin", content)
    sshd.make_dir(f"{fresh}/empty")
    folder = here / "m"
    folder.mkdir()  # the agent makes it first
    with mounted(access(sshd, fresh), folder):
        assert sorted(os.listdir(folder)) == ["a.txt", "empty", "sub"]
        assert (folder / "a.txt").read_bytes() == b"hello"
        assert (folder / "sub/b.bin").read_bytes() == content
        for change in (
            lambda: (folder / "new").touch(),
            lambda: (folder / "a.txt").write_bytes(b""),
            lambda: (folder / "a.txt").unlink(),
            lambda: (folder / "a.txt").chmod(0o777),
            lambda: (folder / "new").mkdir(),
        ):
            with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
                change()
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_writable_mount_writes(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/old.txt", b"old")
    with mounted(access(sshd, fresh, writable=True), here / "m"):
        (here / "m/new.txt").write_bytes(b"new" * 100_000)
        (here / "m/sub").mkdir()
        (here / "m/old.txt").rename(here / "m/sub/moved.txt")
    assert (sshd.root / fresh / "new.txt").read_bytes() == b"new" * 100_000
    assert (sshd.root / fresh / "sub/moved.txt").read_bytes() == b"old"


def test_a_server_for_sftp_alone_serves_as_well_and_absolute_paths_do(sftp_only: Sshd, here: Path) -> None:
    sftp_only.place("mine/a.txt", b"hello")
    with mounted(access(sftp_only, sftp_only.remote("mine")), here / "m"):
        assert (here / "m/a.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    ("remote", "local"),
    [
        ("with space", "with space"),
        ("comma,rw", "comma,rw"),
        ("back\\slash\\ x", "back\\slash"),
        ('it\'s "so"', 'it\'s "so"'),
        ("-o", "-o"),
        ("new\nline", "new\nline"),
        ("ünï-日本", "ünï-日本"),
        ("a:b", "a:b"),
        ("%41#?*$(id)", "%41#?*$(id)"),
        ("x,ssh_command=false", "x"),
    ],
)
def test_a_name_is_never_an_option(sshd: Sshd, here: Path, fresh: str, remote: str, local: str) -> None:
    sshd.place(f"{fresh}/{remote}/a.txt", b"hello")
    for path in (f"{fresh}/{remote}", sshd.remote(f"{fresh}/{remote}")):
        with mounted(access(sshd, path), here / local):
            assert (here / local / "a.txt").read_bytes() == b"hello"
            with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
                (here / local / "b").touch()


def test_a_name_that_begins_with_a_dash_is_one_too(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place("-oro/a.txt", b"hello")
    with mounted(access(sshd, "-oro"), here / "m"):
        assert (here / "m/a.txt").read_bytes() == b"hello"


def test_a_missing_remote_directory_is_66_and_never_made(sshd: Sshd, here: Path, fresh: str) -> None:
    for verb in ("mount-dir", "mount-dir-validate"):
        words = [verb, access(sshd, f"{fresh}/typo", writable=True)]
        result = run(SSH, *words, *([here / "m"] if verb == "mount-dir" else []), env=QUICK)
        assert result.code == 66, result.stderr
        assert "typo" in result.stderr
    assert not (sshd.root / fresh).exists()
    assert not (here / "m").exists()
    nothing_left(here)


def test_a_remote_file_is_not_mounted(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/file", b"x")
    (here / "m").mkdir()
    assert run(SSH, "mount-dir", access(sshd, f"{fresh}/file"), here / "m", env=QUICK).code in (65, 66)
    assert (here / "m").is_dir()
    nothing_left(here)


def test_validate_asks_the_server_and_mounts_nothing(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.make_dir(fresh)
    assert run(SSH, "mount-dir-validate", access(sshd, fresh), env=QUICK).code == 0
    wrong = access(sshd, fresh) | {"auth": {"username": sshd.username, "password": "wrong"}}
    assert run(SSH, "mount-dir-validate", wrong, env=QUICK).code == 77
    assert run(SSH, "mount-dir", wrong, here / "m", env=QUICK).code == 77
    assert not (here / "m").exists()


def test_a_place_where_nothing_can_be_mounted_is_73(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.make_dir(fresh)
    (here / "file").touch()
    for target in (here / "file", here / "file/m", here / "no/m"):
        assert run(SSH, "mount-dir", access(sshd, fresh), target, env=QUICK).code == 73
    assert not (here / "no").exists()


def test_mounting_it_again_is_no_error_and_mounts_nothing_more(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a.txt", b"hello")
    with mounted(access(sshd, fresh), here / "m"):
        again = run(SSH, "mount-dir", access(sshd, fresh), here / "m", env=QUICK)
        assert again.code == 0, again.stderr
        assert mounts(here) == [str(here / "m")]
        assert (here / "m/a.txt").read_bytes() == b"hello"


def test_something_else_mounted_there_is_73_and_stays(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a/a.txt", b"hello")
    sshd.make_dir(f"{fresh}/b")
    with mounted(access(sshd, f"{fresh}/a"), here / "m"):
        for other in (access(sshd, f"{fresh}/b"), access(sshd, f"{fresh}/a", writable=True)):
            result = run(SSH, "mount-dir", other, here / "m", env=QUICK)
            assert result.code == 73, result.stderr
            assert "umount-dir" in result.stderr
        assert (here / "m/a.txt").read_bytes() == b"hello"


def test_what_the_folder_holds_is_hidden_and_comes_back(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a.txt", b"hello")
    (here / "m").mkdir()
    (here / "m/mine.txt").write_bytes(b"mine")
    with mounted(access(sshd, fresh), here / "m") as result:
        assert "not empty" in result.stderr
        assert os.listdir(here / "m") == ["a.txt"]
    assert (here / "m/mine.txt").read_bytes() == b"mine"


def test_a_relative_path_a_slash_at_its_end_and_a_link_name_the_same_mount(
    sshd: Sshd, here: Path, fresh: str
) -> None:
    sshd.place(f"{fresh}/a.txt", b"hello")
    (here / "m").mkdir()
    (here / "link").symlink_to("m")
    for mount, umount in (("m/", "./m"), ("link", "m"), ("m", "link"), (".//m", f"{here}/link/")):
        assert run(SSH, "mount-dir", access(sshd, fresh), mount, env=QUICK, cwd=here).code == 0
        assert mounts(here) == [str(here / "m")]
        assert run("red-connectors", "umount-dir", umount, env=QUICK, cwd=here).code == 0
        nothing_left(here / "m")


def test_the_front_door_mounts_and_those_who_cannot_say_who_can(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a.txt", b"hello")
    document = {"command": SSH, "access": access(sshd, fresh)}
    assert run("red-connectors", "mount-dir", document, here / "m", env=QUICK).code == 0
    refused = run("red-connector-http-json", "umount-dir", here / "m")
    assert (refused.code, SSH in refused.stderr) == (69, True)
    assert (here / "m/a.txt").read_bytes() == b"hello"
    unmount(here / "m")


def test_unmounting_twice_is_no_error_but_said_and_a_name_that_is_not_there_is_66(here: Path) -> None:
    (here / "m").mkdir()
    result = run(SSH, "umount-dir", here / "m")
    assert result.code == 0
    assert "nothing is mounted" in result.stderr
    assert run(SSH, "umount-dir", here / "typo").code == 66


def test_what_no_connector_has_mounted_is_not_unmounted(here: Path) -> None:
    (here / "m").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", here / "m"], check=True)
    assert run(SSH, "umount-dir", here / "m").code == 66
    assert mounts(here) == [str(here / "m")]


def test_a_mount_in_use_is_unmounted_all_the_same(sshd: Sshd, here: Path, fresh: str) -> None:
    """At the end the agent leaves, and nothing may stay behind."""
    sshd.place(f"{fresh}/a.txt", b"hello")
    result = run(SSH, "mount-dir", access(sshd, fresh), here / "m", env=QUICK)
    assert result.code == 0, result.stderr
    user = subprocess.Popen(["sleep", "60"], cwd=here / "m")
    try:
        assert "still in use" in unmount(here / "m").stderr
    finally:
        user.kill()
        user.wait()


def test_no_secret_is_in_an_argument_or_in_the_environment(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a.txt", b"hello")
    key = here / "key"
    sshd.authorize(sshd_.make_key(key, "ed25519", "-N", PASSPHRASE)[0])
    flat = {"host": sshd.host, "port": sshd.port, "username": sshd.username, "dirName": fresh}
    by_key = flat | {"privateKey": key.read_text(), "passphrase": PASSPHRASE}
    for document, secrets in (
        (flat | {"password": PASSWORD}, [PASSWORD]),
        (flat | {"_password": "{{p}}"}, [PASSWORD]),
        (by_key, [PASSPHRASE, *key.read_text().splitlines()[1:-1]]),
    ):
        with mounted(document, here / "m", QUICK | {"RED_VAR_p": PASSWORD}):
            ours = processes(here / "m")
            assert len(ours) >= 2  # sshfs and the bridge
            for pid in ours:
                seen = b"".join(Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ"))
                assert not [secret for secret in secrets if secret.encode() in seen]
                assert b"RED_VAR_" not in seen
            shown = Path("/proc/self/mountinfo").read_text()
            assert not [secret for secret in secrets if secret in shown]


def test_a_username_that_is_a_secret_is_not_shown_either(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.make_dir(fresh)
    document = {"host": sshd.host, "port": sshd.port, "dirName": fresh}
    document |= {"_username": sshd.username, "_password": PASSWORD}
    with mounted(document, here / "m"):
        assert f"{sshd.username}@" not in Path("/proc/self/mountinfo").read_text()
        for pid in processes(here / "m"):
            assert f"{sshd.username}@".encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


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


def test_the_mount_holds_none_of_the_callers_pipes(sshd: Sshd, here: Path, fresh: str) -> None:
    """The agent reads stdout and stderr to their ends, and would wait for as long as the mount lasts."""
    sshd.make_dir(fresh)
    process = start(SSH, "mount-dir", access(sshd, fresh), here / "m", env=QUICK)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err
    unmount(here / "m")


def test_through_a_jump_host(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.place(f"{fresh}/a", b"a")
    with own_server() as before:
        auth = {"username": before.username, "password": before.password}
        jump = {"host": before.host, "port": before.port, "auth": auth}
        with mounted(access(sshd, fresh, jump=jump), here / "m"):
            assert (here / "m/a").read_bytes() == b"a"


def test_ciphers_are_those_of_the_document(here: Path) -> None:
    with own_server("Ciphers aes256-ctr") as server:
        server.place("x/a", b"a")
        with mounted(access(server, "x", ciphers="aes256-ctr"), here / "m"):
            assert (here / "m/a").read_bytes() == b"a"
        refused = run(SSH, "mount-dir", access(server, "x", ciphers="aes128-ctr"), here / "m", env=QUICK)
        assert refused.code == 76, refused.stderr


def test_without_sshfs_it_is_69_and_says_what_to_install(sshd: Sshd, here: Path, fresh: str) -> None:
    sshd.make_dir(fresh)
    (here / "bin").mkdir()
    for name in ("sh", "readlink", "fusermount3"):
        (here / "bin" / name).symlink_to(shutil.which(name) or "")
    path = f"{os.path.dirname(sys.executable)}:{here}/bin"
    result = run(SSH, "mount-dir", access(sshd, fresh), here / "m", env=QUICK | {"PATH": path})
    assert result.code == 69, result.stderr
    assert "apt-get install sshfs" in result.stderr
    assert not (here / "m").exists()


@contextmanager
def own_server(*options: str) -> Iterator[Sshd]:
    with sshd_.start(*options) as server:
        yield server


def end(server: Sshd) -> None:
    """Kill it and all that it has begun: connections are reset, and new ones refused."""
    serving = server.conversations()
    os.kill(int((server.folder / "sshd.pid").read_text()), signal.SIGKILL)
    for pid in serving:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in (*map(int, below), pid):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
    time.sleep(0.1)


@contextmanager
def begun_anew(server: Sshd) -> Iterator[None]:
    """The same server, with the same keys, at the same port."""
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(server.folder / "sshd_config")]
    with sshd_.daemon(command, [server.port], server.folder / "sshd.log"):
        yield
        end(server)
