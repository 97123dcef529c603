"""Environment variables that were meant for us and are written otherwise."""

from pathlib import Path

import pytest

from connectors import settings
from tests.support.program import run


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RED_RETRYS", "RED_RETRIES"),
        ("RED_RETRY", "RED_RETRIES"),
        ("RED_TIMEOT", "RED_TIMEOUT"),
        ("RED_PARALEL", "RED_PARALLEL"),
        ("RED_LOGS", "RED_LOG"),
        ("RED_SECRET_DIR", "RED_SECRETS_DIR"),
        ("RED_CA_BUNDEL", "RED_CA_BUNDLE"),
        ("RED_KNOWN_HOST", "RED_KNOWN_HOSTS"),
        ("RED_STRICT_HOSTKEYS", "RED_STRICT_HOST_KEYS"),
        ("RED_RECIEPT", "RED_RECEIPT"),
        ("red_retries", "RED_RETRIES"),
        ("RED_VARS_password", "RED_VAR_password"),
        ("RED_VA_password", "RED_VAR_password"),
        ("RED_VARpassword", "RED_VAR_password"),
        ("RED_var_password", "RED_VAR_password"),
    ],
)
def test_a_variable_one_letter_away_from_a_known_one_is_told_which_was_meant(name: str, meant: str) -> None:
    assert settings.misspelt({name: "hunter22"}) == [(name, meant)]


@pytest.mark.parametrize(
    "name",
    [
        *settings.KNOWN,
        *("RED_VAR_x", "RED_HAT_VERSION", "RED_HAT", "RED_LOGIN", "RED_TEST_REQUIRE", "RED_COLOR"),
        *("RED_CONNECTORS_HOME", "RED", "REDIS_URL", "INFRARED_LOG", "PATH"),
    ],
)  # fmt: skip
def test_variables_of_others_are_left_alone(name: str) -> None:
    assert settings.misspelt({name: "x"}) == []


def test_every_variable_that_the_help_names_is_known() -> None:
    text = run("red-connectors", "--help").stdout
    named = {word.strip(".,") for word in text.split() if word.startswith("RED_") and word != "RED_VAR_name"}
    assert named <= set(settings.KNOWN)


def test_a_misspelt_variable_is_warned_of_without_its_value(tmp_path: Path) -> None:
    (tmp_path / "in.yml").write_text("url: http://h/\n")
    arguments = ("receive-file-validate", "--offline", tmp_path / "in.yml")
    result = run("red-connector-http", *arguments, env={"RED_RETRYS": "hunter22", "RED_HAT_X": "1"})
    assert result.code == 0
    assert "warning: the environment variable RED_RETRYS means nothing here; did you mean RED_RETRIES?" in (
        result.stderr
    )
    assert "hunter22" not in result.stderr
    assert "RED_HAT" not in result.stderr
