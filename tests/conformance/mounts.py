"""The promises of tests/conformance/promises.py about mounting, for connectors that can mount."""

from pathlib import Path

from connectors.model import MOUNT_DIR
from tests.conformance.promises import AT_ONCE, Case, promise, wrong_password
from tests.servers import free_port
from tests.support.mounting import clean, mounts, needs_fuse


@promise(MOUNT_DIR)
def a_mounted_directory_is_read_as_a_local_one_until_it_is_unmounted(case: Case, here: Path) -> None:
    needs_fuse()
    case.place("dir/sub/a", case.payload(4096))
    case.make_dir("dir/empty")
    try:
        result = case.run("mount-dir", case.access(MOUNT_DIR, "dir"), "m", cwd=here)
        assert result.code == 0, result.stderr
        assert mounts(here) == [str(here / "m")]
        assert sorted(one.name for one in (here / "m").iterdir()) == ["empty", "sub"]
        assert (here / "m" / "sub" / "a").read_bytes() == case.payload(4096)
        assert case.run("umount-dir", "m", cwd=here).code == 0
        assert mounts(here) == []
        assert case.run("umount-dir", "m", cwd=here).code == 66
    finally:
        clean(here)
    assert case.tree("dir") == {"sub/a": case.payload(4096)}


@promise(MOUNT_DIR)
def a_directory_to_mount_fails_with_the_right_code_and_nothing_is_mounted(case: Case, here: Path) -> None:
    needs_fuse()
    case.place("dir/a", case.payload(9))
    access = case.access(MOUNT_DIR, "dir")
    try:
        assert case.run("mount-dir", access, here / "none" / "x").code == 73
        for code, wrong in (
            (66, case.access(MOUNT_DIR, "not-there")),
            (77, wrong_password(access)),
            (68, case.access(MOUNT_DIR, "dir", host="no-such-host.invalid")),
            (75, case.access(MOUNT_DIR, "dir", port=free_port())),
        ):
            for verb, folder in (("mount-dir", [here / "x"]), ("mount-dir-validate", [])):
                result = case.run(verb, wrong, *folder, env=AT_ONCE)
                assert result.code == code, (verb, result.stderr)
        assert mounts(here) == []
    finally:
        clean(here)
    assert list(here.iterdir()) == []
    assert case.tree("") == {"dir/a": case.payload(9)}


@promise(MOUNT_DIR)
def a_wrong_password_for_a_mount_is_tried_once(case: Case, here: Path) -> None:
    needs_fuse()
    case.make_dir("dir")
    before = case.refusals("dir")
    assert case.run("mount-dir", wrong_password(case.access(MOUNT_DIR, "dir")), here / "x").code == 77
    assert case.refusals("dir") - before == 1
