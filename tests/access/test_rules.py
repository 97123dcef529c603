"""Each check and each rule says the same to cerberus and in JSON Schema."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors import registry
from connectors.access import describe, rules
from connectors.access.rules import Check, Rule
from connectors.access.schema import Field, Schema
from connectors.errors import ConfigError
from connectors.model import Verb
from tests.support.documents import Documents, checker, no_secrets

pytestmark = pytest.mark.slow

OFFERED = [(name, verb) for name in registry.MODULES for verb in registry.load(name).SCHEMAS]

# No newline at the end: $ matches before it in Python, not in ECMAScript. No variables either.
TEXTS = st.text(max_size=8).map(str.rstrip) | st.sampled_from(
    [
        *("", "a", "a/b", "/a", "a/", "a:b", "a b", "a\nb", "h:22", "-x", "::1", "~", "..", "ALL", "7"),
        *("http://h/", "HTTPS://h", "http://u:p@h/x?y#z", "ftp://h", "http://", "foo", "R_catalog.xml"),
        *("xnat:mrScanData", "xnat:qcAssessmentData", "xnat:reconstructedImageData", "aes128-ctr"),
        *("aes128-ctr,aes256-gcm@openssh.com", f"256 SHA256:{'a' * 43} me@h (ED25519)", "SHA256:" + "a" * 43),
    ]
)
ODD = st.sampled_from(["{{x}}", None, True, 0, 22, -1.5, [], ["aes128-ctr"], {}, {"a": "b"}])


def schemas(schema: Schema) -> Iterator[Schema]:
    yield schema
    for field in schema.values():
        if "schema" in field:
            yield from schemas(field["schema"])


ALL = {f"{name} {verb.value}": registry.load(name).SCHEMAS[verb] for name, verb in OFFERED}
RULES: dict[int, tuple[Rule, Schema]] = {
    id(rule): (rule, inner) for outer in ALL.values() for inner in schemas(outer) for rule in inner.rules
}
CHECKS: dict[int, tuple[Check, Field]] = {
    id(field["check_with"]): (field["check_with"], field)
    for outer in ALL.values()
    for inner in schemas(outer)
    for field in inner.values()
    if "check_with" in field
}
TOLD = [pair for pair in RULES.values() if pair[0].json]


@st.composite
def written(draw: st.DrawFn, schema: Schema, keys: list[str]) -> dict[str, Any]:
    """Any of ``keys`` of ``schema``, some protected, the choices in any letter case."""
    document: dict[str, Any] = {}
    for key in keys:
        if draw(st.booleans()):
            name = draw(st.sampled_from([key, key, f"_{key}"]))
            document[name] = draw(written_value(schema[key]))
    return document


def written_value(field: Field) -> st.SearchStrategy[Any]:
    if field.get("type") == "dict" and "schema" in field:
        return written(field["schema"], list(field["schema"]))
    spellings = [
        spell(choice) for choice in field.get("allowed", ()) for spell in (str, str.upper, str.title)
    ]
    return st.sampled_from(spellings) if spellings else TEXTS


@st.composite
def varied(draw: st.DrawFn, document: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """``document`` less a few fields, with a few others, and with a few odd values."""
    varied_ = dict(document)
    for key in draw(st.lists(st.sampled_from([*schema]), max_size=3)):
        field, value = schema[key], varied_.pop(key, None)
        way = draw(st.sampled_from(["leave out", "protect", "sound", "sound", "odd"]))
        if way == "protect" and value is not None:
            varied_[f"_{key}"] = value
        elif way == "sound":
            varied_[key] = draw(written_value(field))
        elif way == "odd":
            varied_[key] = draw(ODD)
        elif isinstance(value, dict) and "schema" in field:
            varied_[key] = draw(varied(value, field["schema"]))
    return varied_


def plain(document: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """``document`` as rules get it: plain keys, choices as the schema writes them."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        key = name.removeprefix("_")
        field = schema[key]
        if isinstance(value, dict) and "schema" in field:
            value = plain(value, field["schema"])
        found[key] = field["coerce"](value) if "allowed" in field else value
    return found


def faults(rule: Rule, document: dict[str, Any]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    rule.check(document, lambda *fault: found.append(fault))
    return found


def test_there_are_rules_and_checks_to_compare() -> None:
    assert len(TOLD) > 10
    assert len(CHECKS) > 15


@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize(
    ("rule", "schema"), TOLD, ids=lambda value: "" if isinstance(value, Schema) else None
)
@given(data=st.data())
def test_a_rule_and_its_json_schema_refuse_the_same_documents(
    rule: Rule, schema: Schema, data: st.DataObject
) -> None:
    concerned = [key for key in schema if key in json.dumps(rule.json)]
    document = data.draw(written(schema, concerned))
    found = faults(rule, plain(document, schema))
    assert jsonschema.Draft7Validator(rule.json).is_valid(document) == (not found), found
    assert {field.partition(".")[0] for field, _ in found} <= {*concerned}


@settings(deadline=None, max_examples=100)
@pytest.mark.parametrize(("check", "field"), CHECKS.values(), ids=lambda value: "")
@given(data=st.data())
def test_a_value_that_a_check_takes_is_taken_by_its_json_schema(
    check: Check, field: Field, data: st.DataObject
) -> None:
    values = {"string": TEXTS, "number": st.floats() | st.integers(), "dict": st.dictionaries(TEXTS, TEXTS)}
    value = data.draw(values[field["type"]])
    found: list[str] = []
    check("key", value, lambda _, message: found.append(message))
    if not found:
        jsonschema.Draft7Validator(check.json).validate(value)


@pytest.mark.parametrize(("name", "verb"), OFFERED)
def test_a_document_that_validation_takes_is_taken_by_an_editor(
    documents: Documents, name: str, verb: Verb
) -> None:
    connector, in_an_editor = registry.load(name), checker(name, verb)
    schema = connector.SCHEMAS[verb]
    example = yaml.safe_load(describe.example(name, verb, schema))["access"]
    taken = 0

    @settings(deadline=None, max_examples=60, database=None)
    @given(varied(example, schema))
    def compare(document: dict[str, Any]) -> None:
        nonlocal taken
        with no_secrets():
            try:
                documents.access(json.dumps(document), verb, connector=connector)
            except ConfigError:
                return
        taken += 1
        in_an_editor.validate(document)

    compare()
    assert taken > 5


BOTH = rules.exactly_one("a", ("b", "c"), note="strings")
METHOD = rules.fields_by_choice("how", {"KEY": ("key",), "LOGIN": ("user", "word")}, default="LOGIN")


@pytest.mark.parametrize(
    ("rule", "document", "expected"),
    [
        (rules.required("a", "its name"), {}, {"a": "required: its name"}),
        (rules.requires("a", "b"), {"a": 1}, {"a": "needs b as well"}),
        (rules.requires("a", "b", "its size"), {"a": 1}, {"a": "needs b as well: its size"}),
        (rules.requires("a", "b"), {"b": 1}, {}),
        (
            rules.chain("a", "b", "c"),
            {"c": 1},
            {"a": "required with c: a string", "b": "required with c: a string"},
        ),
        (rules.chain("a", "b", "c"), {"a": 1, "b": 1}, {}),
        (BOTH, {}, {"a": "required: a, or b with c (strings)"}),
        (BOTH, {"b": 1}, {"c": "required with b: a string"}),
        (BOTH, {"a": 1, "c": 1}, {"a": "is given together with c: keep a, or b with c"}),
        (BOTH, {"b": 1, "c": 1}, {}),
        (METHOD, {"how": "KEY"}, {"key": "required by the how KEY: a string"}),
        (METHOD, {"how": [], "user": 1}, {"word": "required by the how LOGIN: a string"}),
        (METHOD, {"how": "x", "key": 1}, {}),
        (
            METHOD,
            {"user": 1, "word": 1, "key": 1},
            {"key": "not used by the how LOGIN: leave it out, or use KEY"},
        ),
        (rules.not_for({"a": "X"}, "b", "not for X"), {"a": "X", "b": 1}, {"b": "not for X"}),
        (rules.matches_for({"a": "X"}, "b", "[0-9]+", "digits"), {"a": "X", "b": "1x"}, {"b": "digits"}),
        (rules.matches_for({"a": "X"}, "b", "[0-9]+", "digits"), {"a": "Y", "b": "1x"}, {}),
    ],
)
def test_a_rule_names_the_field_and_what_is_wrong(
    rule: Rule, document: dict[str, Any], expected: dict[str, str]
) -> None:
    assert dict(faults(rule, document)) == expected
    assert jsonschema.Draft7Validator(rule.json).is_valid(document) == (not expected) or "how" in document


@pytest.mark.parametrize("rule", [rules.matches_for({"a": "X"}, "b", "[0-9]+", "digits"), METHOD])
def test_a_variable_may_stand_for_what_a_rule_depends_on(rule: Rule) -> None:
    validator = jsonschema.Draft7Validator(rule.json)
    assert validator.is_valid({"a": "{{kind}}", "b": "x", "how": "{{how}}", "key": "k"})
    assert validator.is_valid({"a": "x", "_b": "{{number}}", "how": "{{how}}", "user": "u", "_word": "w"})
