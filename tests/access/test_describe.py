"""What `schema`, `example` and the documentation say of a schema agrees with what validation does."""

import re
from typing import Any

import pytest
import yaml

from connectors import registry
from connectors.access import describe
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_FILE, Verb
from tests.support.documents import Documents, checker

OFFERED = [(name, verb) for name in registry.MODULES for verb in registry.load(name).SCHEMAS]


@pytest.mark.parametrize(("name", "verb"), OFFERED)
def test_every_example_validates_here_and_in_an_editor(documents: Documents, name: str, verb: Verb) -> None:
    connector = registry.load(name)
    text = describe.example(name, verb, connector.SCHEMAS[verb])
    assert documents.access(text, verb, connector=connector)
    assert yaml.safe_load(text)["command"] == name
    assert not list(checker(name, verb).iter_errors(yaml.safe_load(text)))


SOUND: list[dict[str, Any]] = [
    {"url": "http://h/"},
    {"_url": "http://h/", "method": "pUt", "headers": {"a": "b"}},
    {"url": "http://h/", "auth": {"username": "a", "_password": "b"}},
    {"url": "http://h/", "_auth": {"method": "bearer", "token": "b"}},
    {"url": "http://h/", "auth": {"_method": "Digest", "username": "a", "password": "b"}},
    {"url": "http://h/", "disableSSLVerification": True},
]
UNSOUND: list[Any] = [
    {},
    [],
    {"url": 3},
    {"url": "ftp://h/"},
    {"url": "http://h/", "method": "FETCH"},
    {"url": "http://h/", "methd": "GET"},
    {"url": "http://h/", "auth": {"username": "a"}},
    {"url": "http://h/", "auth": {}},
    {"url": "http://h/", "auth": {"username": "a", "password": "b", "token": "c"}},
    {"url": "http://h/", "auth": {"token": "c"}},
    {"url": "http://h/", "auth": {"method": "DIGEST", "token": "c"}},
    {"url": "http://h/", "auth": {"_method": "bearer", "username": "a", "_password": "b"}},
    {"url": "http://h/", "auth": {"method": "BEARER", "token": "c", "username": "a"}},
    {"url": "http://h/", "headers": {"a": 1}},
    {"url": "http://h/", "disableSSLVerification": "no"},
]


def shapes(access: Any, entry_class: str = "File") -> list[Any]:
    connector = {"command": "red-connector-http", "access": access}
    return [access, connector, {"class": entry_class, "connector": connector}]


@pytest.mark.parametrize("access", SOUND)
def test_the_json_schema_takes_what_validation_takes(documents: Documents, access: dict[str, Any]) -> None:
    for document in shapes(access):
        assert documents.prepared(yaml.safe_dump(document))
        assert not list(checker("red-connector-http", RECEIVE_FILE).iter_errors(document))


@pytest.mark.parametrize("access", UNSOUND)
def test_the_json_schema_refuses_what_validation_refuses(documents: Documents, access: Any) -> None:
    for document in shapes(access):
        assert documents.faults(yaml.safe_dump(document))
        assert not checker("red-connector-http", RECEIVE_FILE).is_valid(document)


def test_the_json_schema_knows_the_class_and_the_variables() -> None:
    file, directory = (
        shapes({"url": "{{url}}", "method": "{{m}}", "auth": {"method": "{{a}}", "token": "b"}})[2],
        shapes({"url": "http://h/"}, "Directory")[2],
    )
    assert checker("red-connector-http", RECEIVE_FILE).is_valid(file)
    assert not checker("red-connector-http", RECEIVE_FILE).is_valid(directory)
    assert checker("red-connector-http", RECEIVE_DIR).is_valid(directory)
    assert checker("red-connector-http", RECEIVE_DIR).is_valid({**directory, "listing": []})


def test_the_table_has_the_documented_columns_and_rows() -> None:
    """The rows that the documentation of the HTTP connector has had, and the columns."""
    table = describe.table(registry.load("red-connector-http").SCHEMAS[SEND_FILE])
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
    assert rows[0] == ["Access", "Type", "Optional", "Default", "Description"]
    for row in (
        ["url", "string", "no", "", "URL starting with http:// or https://"],
        ["method", "enum: GET, PUT, POST", "yes", "POST", "HTTP method"],
        ["auth", "dict", "yes", "", "Authentication information"],
        ["auth.username", "string", "no", "", "Username"],
        ["auth.password", "string", "no", "", "Password"],
        ["auth.method", "enum: BASIC, DIGEST, BEARER", "yes", "BASIC", "Authentication method"],
        ["disableSSLVerification", "boolean", "yes", "False", "Disable verification of SSL cert"],
    ):
        assert row in rows
    assert all(len(row) == 5 for row in rows)
