"""What is said in a container of files that are, or go, where nothing of the host is mounted."""

import os
from pathlib import Path

import pytest

from connectors.access import parsing
from connectors.errors import CannotCreate, ConfigError, NotFound
from connectors.local import container
from connectors.settings import read
from connectors.transfer.arrival import check_target, check_target_dir
from connectors.transfer.departure import check_source


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A container with a volume at the folder returned."""
    volume = tmp_path / "volume"
    volume.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(container, "is_lost", lambda folder: not Path(folder).is_relative_to(volume))
    return volume


def hint_of(source: object) -> str:
    """The hint about a document that is not there."""
    with pytest.raises(ConfigError) as caught:
        parsing.load(str(source))
    return caught.value.hint


def test_a_missing_document_names_the_mount(inside: Path) -> None:
    assert f'docker run -v "$PWD:{inside.parent}"' in hint_of("in.yml")


def test_a_missing_document_on_a_volume_asks_what_is_mounted_there(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inside)
    assert (
        hint_of("in.yml")
        == f"a container sees only what is mounted: is it in the folder that is mounted at {inside}?"
    )


@pytest.mark.parametrize(
    ("path", "mount", "name"),
    [
        ("/srv/alice/in.yml", "-v /srv/alice:/data", "in.yml"),
        ("/srv/alice b/in.yml", "-v '/srv/alice b':/data", "in.yml"),
        (r"C:\files\alice\in.yml", "-v C:/files/alice:/data", "in.yml"),
        ("C:/files/alice/in.yml", "-v C:/files/alice:/data", "in.yml"),
    ],
)
def test_a_path_of_the_host_is_recognised_as_one(inside: Path, path: str, mount: str, name: str) -> None:
    hint = hint_of(path)
    assert "the container does not see" in hint
    assert mount in hint
    assert f"write {name} in place of {path}" in hint


def test_a_path_of_the_host_is_recognised_wherever_a_file_is_named(inside: Path) -> None:
    for step, error in (
        (lambda: check_target("/srv/alice/x.csv"), CannotCreate),
        (lambda: check_target_dir("/srv/alice/x"), CannotCreate),
        (lambda: check_source("/srv/alice/x.csv"), NotFound),
        (lambda: read({"RED_CA_BUNDLE": "/srv/alice/ca.pem"}), ConfigError),
        (lambda: read({"RED_KNOWN_HOSTS": "/srv/alice/known_hosts"}), ConfigError),
    ):
        with pytest.raises(error) as caught:
            step()
        assert "-v /srv/alice:/data" in caught.value.hint


def test_a_folder_that_is_missing_on_a_volume_is_no_path_of_the_host(inside: Path) -> None:
    with pytest.raises(CannotCreate) as caught:
        check_target(str(inside / "sub" / "x"))
    assert caught.value.hint == ""


def test_outside_of_containers_nothing_is_said_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(container, "SIGNS", ())
    monkeypatch.delenv(container.KUBERNETES, raising=False)
    assert not container.is_lost("/")
    assert hint_of("/srv/alice/in.yml") == hint_of("in.yml") == ""


@pytest.mark.parametrize(
    ("kind", "lost"), [("overlay", True), ("fuse.fuse-overlayfs", True), ("ext4", False), ("tmpfs", False)]
)
def test_a_virtual_machine_with_the_signs_of_a_container_is_none(
    monkeypatch: pytest.MonkeyPatch, kind: str, lost: bool
) -> None:
    """Machines that are made from container images have /.dockerenv, and keep their files."""
    from connectors.local import mountinfo

    root = mountinfo.Mounted(1, "/", False, kind, "none")
    monkeypatch.setattr(container, "SIGNS", ("/",))
    monkeypatch.setattr(mountinfo, "mounts", lambda: iter([root]))
    assert container.is_lost("/") is lost


@pytest.mark.parametrize("sign", ["file", "variable"])
def test_either_sign_tells_a_container(monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    monkeypatch.setattr(container, "SIGNS", ("/",) if sign == "file" else ())
    monkeypatch.delenv(container.KUBERNETES, raising=False)
    if sign == "variable":
        monkeypatch.setenv(container.KUBERNETES, "10.0.0.1")
    monkeypatch.setattr(container, "_mounted", lambda folder: ("/", True))
    assert container.is_lost("/")


def test_the_deepest_mount_point_counts_and_the_last_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.local import mountinfo

    table = [("/", "overlay"), ("/data", "overlay"), ("/data", "ext4"), ("/database", "overlay")]
    mounts = [mountinfo.Mounted(1, path, False, kind, "none") for path, kind in table]
    monkeypatch.setattr(mountinfo, "mounts", lambda: iter(mounts))
    assert container._mounted("/data/a/b") == ("/data", False)
    assert container._mounted("/data") == ("/data", False)
    assert container._mounted("/dat") == ("/", True)


def test_a_working_directory_that_is_gone_is_no_fault_of_the_hint(
    inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = inside / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    os.rmdir(gone)
    assert "docker run -v" in hint_of("in.yml")


@pytest.mark.parametrize(("process", "warned"), [((1, 0), True), ((7, 1), True), ((7, 5), False)])
def test_only_a_container_that_ends_with_us_loses_what_arrives(
    inside: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    process: tuple[int, int],
    warned: bool,
) -> None:
    monkeypatch.setattr(os, "getpid", lambda: process[0])
    monkeypatch.setattr(os, "getppid", lambda: process[1])
    container.warn_of_loss("x.csv")
    assert ("x.csv is not on a volume" in capsys.readouterr().err) == warned
