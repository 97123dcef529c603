"""Remote directories as part of the local file system, by sshfs and a real sshd, through the real FUSE."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import PASSWORD
from tests.servers import sshd as sshd_
from tests.servers.sshd import Sshd
from tests.support.mounting import (
    PASSPHRASE,
    QUICK,
    SSH,
    access,
    mounted,
    mounts,
    nothing_left,
    own_server,
    processes,
    unmount,
)
from tests.support.program import run, start


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
    assert run(SSH, "mount-dir", access(sshd, f"{fresh}/file"), here / "m", env=QUICK).code == 66
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


def test_unmounting_where_nothing_is_mounted_is_66(here: Path) -> None:
    (here / "m").mkdir()
    result = run(SSH, "umount-dir", here / "m")
    assert result.code == 66
    assert "nothing is mounted" in result.stderr
    result = run(SSH, "umount-dir", here / "typo")
    assert result.code == 66
    assert "does not exist" in result.stderr


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
        [shown] = [one for one in Path("/proc/self/mountinfo").read_text().splitlines() if str(here) in one]
        assert sshd.username not in shown
        for pid in processes(here / "m"):
            assert sshd.username.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()


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
