"""Validates access data against a connector's schema with cerberus, and words the faults."""

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from connectors import imports
from connectors.access.parsing import must_be

if TYPE_CHECKING:
    from connectors.access.schema import Schema

Path = tuple[str | int, ...]

TYPES = {
    "string": "a string",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "dict": "a mapping",
    "list": "a list",
}


class Finding(NamedTuple):
    """One fault and the path of keys to it. ``unknown``: the keys that are valid there."""

    path: Path
    message: str
    unknown: tuple[str, ...] = ()


def validate(access: dict[str, Any], schema: "Schema") -> tuple[dict[str, Any], list[Finding]]:
    """``access`` with defaults, and enumerations spelt as in the schema; and all its faults."""
    access, findings = _without_misshapen(access, schema, ())
    misshapen = {finding.path for finding in findings}
    validator = _validator_class()(schema, error_handler=_error_handler())
    validator.validate(access)
    found = [*_findings(validator.errors, schema), *_broken_rules(validator.document, schema, ())]
    findings += (finding for finding in found if finding.path not in misshapen)
    return dict(validator.document), findings


def _broken_rules(document: dict[str, Any], schema: "Schema", path: Path) -> Iterator[Finding]:
    """The faults that the rules of ``schema`` and its nested schemas find in ``document``, at ``path``."""
    faults: list[tuple[str, str]] = []
    for rule in schema.rules:
        rule.check(document, lambda *fault: faults.append(fault))
    yield from (Finding(_place(path, field), message) for field, message in faults)
    for key, field in schema.items():
        below = document.get(key)
        if field.get("type") == "dict" and "schema" in field and isinstance(below, dict):
            yield from _broken_rules(below, field["schema"], (*path, key))


def _place(above: Path, field: str) -> Path:
    """The path of a reported ``field``; a dotted field is one level below."""
    return (*above, *field.split(".", 1))


def _without_misshapen(
    access: dict[str, Any], schema: "Schema", path: Path
) -> tuple[dict[str, Any], list[Finding]]:
    """``access`` without values that should be mappings or lists: cerberus fails on them."""
    sound, findings = dict[str, Any](), list[Finding]()
    for key, value in access.items():
        field, here = schema.get(key, {}), (*path, key)
        meant = {"dict": dict, "list": list}.get(field.get("type", ""))
        if meant and not isinstance(value, meant):
            findings.append(Finding(here, must_be(TYPES[field["type"]], value)))
            continue
        if meant is dict and "schema" in field:
            value, below = _without_misshapen(value, field["schema"], here)
            findings += below
        sound[key] = value
    return sound, findings


@cache
def _error_handler() -> Any:
    imports.import_cerberus()
    from cerberus.errors import BaseErrorHandler

    class AsTheyAre(BaseErrorHandler):  # type: ignore[misc]
        """Returns the raw errors; cerberus' own handlers put values into the text."""

        def __call__(self, errors: Any) -> Any:
            return list(errors)

    return AsTheyAre


@cache
def _validator_class() -> Any:
    imports.import_cerberus()  # 20 ms: not for cli-version, not for --help
    import cerberus

    whole = cerberus.TypeDefinition("integer", (int,), (bool,))  # in Python, and in cerberus, true is an int

    class Validator(cerberus.Validator):  # type: ignore[misc]
        types_mapping: ClassVar = {**cerberus.Validator.types_mapping, "integer": whole}
        _valid_schemas: ClassVar = imports.AllSchemas()

        def _error(self, *args: Any) -> None:
            """cerberus sorts all errors each time one is added: 5,000 take minutes."""
            if len(args) == 1:
                self._errors.extend(args[0])
            else:
                super()._error(*args)

        def _validate_check_with(self, checks: Any, field: str, value: Any) -> None:
            if value is not None:  # already a fault; checks need not handle it
                super()._validate_check_with(checks, field, value)

        _validate_check_with.__doc__ = cerberus.Validator._validate_check_with.__doc__

        def _normalize_default(self, mapping: dict[str, Any], schema: Any, field: str) -> None:
            """{'nullable': True}"""
            if field not in mapping:  # cerberus would replace an explicit null, a wrong type
                super()._normalize_default(mapping, schema, field)

    return Validator


def _findings(errors: Any, schema: "Schema") -> Iterator[Finding]:
    imports.import_cerberus()
    from cerberus import errors as kinds

    for error in errors:
        if error.is_group_error:
            yield from _findings(error.child_errors, schema)
            continue
        path: Path = tuple(error.document_path)
        field = _field(schema, path)
        if error.code == kinds.UNKNOWN_FIELD.code:
            yield Finding(path, "unknown", tuple(_fields(schema, path[:-1])))
        elif error.code == kinds.CUSTOM.code:
            yield Finding(_place(path[:-1], str(path[-1])), str(error.info[0]))
        elif error.code == kinds.REQUIRED_FIELD.code:
            kind = TYPES.get(field.get("type", ""), "a value")
            yield Finding(path, f"required: {field.get('meta', {}).get('doc', 'missing')} ({kind})")
        elif error.code in (kinds.BAD_TYPE.code, kinds.NOT_NULLABLE.code):
            wanted = field.get("type", "string")
            names = [wanted] if isinstance(wanted, str) else wanted
            yield Finding(path, must_be(" or ".join(TYPES.get(name, name) for name in names), error.value))
        elif error.code == kinds.UNALLOWED_VALUE.code:
            yield Finding(path, f"must be one of {', '.join(map(str, error.constraint))}")
        elif error.code == kinds.EMPTY_NOT_ALLOWED.code:
            yield Finding(path, "must not be empty")
        elif error.code == kinds.MIN_VALUE.code:
            yield Finding(path, f"must be at least {error.constraint}")
        elif error.code == kinds.MAX_VALUE.code:
            yield Finding(path, f"must be at most {error.constraint}")
        else:
            yield Finding(path, f"breaks the rule {error.rule}: {error.constraint}")


def _fields(schema: "Schema", path: Path) -> dict[str, Any]:
    """The fields that ``schema`` knows at ``path``."""
    fields: Any = schema
    for key in path:
        fields = fields.get(key, {}).get("schema", {})
    return fields  # type: ignore[no-any-return]


def _field(schema: "Schema", path: Path) -> dict[str, Any]:
    fields = _fields(schema, path[:-1])
    field = fields.get(str(path[-1])) if path else None
    if field is None and len(path) > 1:
        field = _field(schema, path[:-1]).get("valuesrules")
    return dict(field or {})
