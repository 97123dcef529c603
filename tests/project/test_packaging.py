"""What the project is made of: locks, versions, licences, and nothing of the machine it was made on."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import connectors
from tests.support.program import CHECKOUT

LOCKS = ["requirements", "requirements-dev", "requirements-agent", "requirements-xnat", "requirements-bench"]


def tracked() -> list[Path]:
    """The files that belong to the project; without git, there is nothing to tell them from others."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True)
    if result.returncode:
        pytest.skip("this is not a git checkout")
    return [CHECKOUT / name for name in result.stdout.decode().split("\0") if name]


def names(text: str) -> set[str]:
    """The distributions that requirement lines name, normalised after PEP 503."""
    found = re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)", text, re.MULTILINE)
    return {re.sub("[-_.]+", "-", name).lower() for name in found}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_is_locked_to_one_version_with_hashes(name: str) -> None:
    wanted = (CHECKOUT / f"{name}.in").read_text()
    locked = (CHECKOUT / f"{name}.txt").read_text()
    assert names(wanted) <= names(locked)
    for entry in re.split(r"\n(?=[a-z0-9])", locked)[1:]:
        assert re.match(r"[a-z0-9-]+==[^ ]+ (; .* )?\\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("name", LOCKS)
def test_the_locks_name_neither_an_index_nor_a_folder(name: str) -> None:
    locked = (CHECKOUT / f"{name}.txt").read_text()
    assert not re.search(r"^--|://|index|find.links|@ ", locked, re.MULTILINE)


def test_development_uses_the_versions_that_users_get() -> None:
    users = dict(re.findall(r"^(\S+)==(\S+)", (CHECKOUT / "requirements.txt").read_text(), re.MULTILINE))
    ours = dict(re.findall(r"^(\S+)==(\S+)", (CHECKOUT / "requirements-dev.txt").read_text(), re.MULTILINE))
    assert {name: ours[name] for name in users.keys() & ours.keys()} == {
        name: users[name] for name in users.keys() & ours.keys()
    }


def test_there_is_one_version_and_it_is_in_the_package() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "connectors.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", connectors.__version__)


def test_the_licence_is_whole() -> None:
    text = (CHECKOUT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_make_target_is_explained() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    shown = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True).stdout
    assert set(re.findall(r"^make (\w+)", shown, re.MULTILINE)) == set(phony[1].split()) - {"help"}


def test_ci_calls_make_test_and_lets_nothing_be_skipped() -> None:
    script = (CHECKOUT / ".ci" / "run").read_text()
    assert "RED_TEST_REQUIRE=all" in script
    assert "make test" in script


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    pattern = re.compile(rb"(?<![\w.~:$}/-])/(home|root|Users|work)/(?!username/)\w+")
    for file in tracked():
        if file.is_file() and not file.is_symlink():
            found = pattern.search(file.read_bytes())
            assert found is None, f"{file}: {found}"
