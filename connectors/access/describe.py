"""Describes a schema: JSON Schema for editors, an example document, a table for the documentation."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connectors.access.document import ENTRY_KEYS
from connectors.access.rules import given, spelt, whole

if TYPE_CHECKING:
    from connectors.access.schema import Schema
    from connectors.model import Verb

_JSON_TYPES = {"dict": "object", "list": "array"}


def json_schema(executable: str, verb: "Verb", schema: "Schema") -> dict[str, Any]:
    """JSON Schema (draft 7, which editors support best) of the access document's three shapes."""
    access = {"$ref": "#/definitions/access"}
    connector = {
        "type": "object",
        "properties": {
            "command": {"const": executable},
            "access": access,
            "mount": {"type": "boolean", "description": "Mount the directory instead of copying it"},
        },
        "required": ["access"],
        "additionalProperties": False,
    }
    entry: dict[str, Any] = {
        "type": "object",
        "properties": {
            **{key: {"type": "string"} for key in ENTRY_KEYS},
            "class": {"const": "Directory" if verb.of_directory else "File"},
            "connector": {"$ref": "#/definitions/connector"},
            "size": {"type": ["integer", "null"], "minimum": 0},
            "checksum": {"type": ["string", "null"], "description": "algorithm$digest, e.g. sha256$…"},
            "listing": {"type": ["array", "null"]},
        },
        "required": ["connector"],
        "additionalProperties": False,
    }
    for key in ("size", "checksum") if verb.of_directory else ("listing",):
        del entry["properties"][key]
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": f"Access document of {executable} {verb}",
        "anyOf": [{"$ref": f"#/definitions/{shape}"} for shape in ("connector", "entry", "access")],
        "definitions": {"connector": connector, "entry": entry, "access": _json_object(schema)},
    }


def _json_object(schema: "Schema") -> dict[str, Any]:
    """A mapping whose keys may all be protected, i.e. begin with an underscore."""
    properties: dict[str, Any] = {}
    needed = []
    for key, field in schema.items():
        plain = _json_field(field)
        properties[key] = plain
        properties[f"_{key}"] = {**plain, "description": f"{plain.get('description', key)} (secret)"}
        if field.get("required"):
            needed.append(given(key))
    needed += [rule.json for rule in schema.rules if rule.json]
    described: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if needed:
        described["allOf"] = needed
    return described


def _json_field(field: Mapping[str, Any]) -> dict[str, Any]:
    kind = field.get("type", "string")
    meta = field.get("meta", {})
    described: dict[str, Any] = {"type": _JSON_TYPES.get(kind, kind)}
    if kind == "dict" and "schema" in field:
        described = _json_object(field["schema"])
    elif kind == "dict" and "valuesrules" in field:
        described["additionalProperties"] = _json_field(field["valuesrules"])
    if "allowed" in field:
        described["anyOf"] = [{"enum": list(field["allowed"])}, {"pattern": whole(spelt(*field["allowed"]))}]
    for rule, keyword in (("default", "default"), ("min", "minimum"), ("max", "maximum")):
        if rule in field:
            described[keyword] = field[rule]
    if field.get("empty") is False:
        described["minLength"] = 1
    if "doc" in meta:
        described["description"] = meta["doc"]
    if "check_with" in field:
        described.update(field["check_with"].json)
    return described


def example(executable: str, verb: "Verb", schema: "Schema") -> str:
    """A template in YAML, which validates unchanged."""
    lines = [f"# for: {executable} {verb}", f"command: {json.dumps(executable)}", "access:"]
    return "\n".join(lines + _example_lines(schema, "  ")) + "\n"


def _example_lines(schema: "Schema", indent: str) -> list[str]:
    lines = []
    for key, field in schema.items():
        meta = field.get("meta", {})
        if "example" in meta:
            lines.append(f"{indent}{key}: {json.dumps(meta['example'], ensure_ascii=False)}")
        elif field.get("type") == "dict":
            below = _example_lines(field.get("schema", {}), indent + "  ")
            lines += [f"{indent}{key}:", *below] if below else []
    return lines


def table(schema: "Schema") -> str:
    """A Markdown table of all fields of the access data, nested keys dotted."""
    lines = [
        "| Access | Type | Optional | Default | Description |",
        "| --- | --- | --- | --- | --- |",
        *_rows(schema, ""),
    ]
    return "\n".join(lines) + "\n"


def _rows(schema: "Schema", parent: str) -> list[str]:
    rows = []
    for key, field in schema.items():
        meta = field.get("meta", {})
        kind = f"enum: {', '.join(field['allowed'])}" if "allowed" in field else field.get("type", "")
        optional = meta.get("optional", "no" if field.get("required") else "yes")
        default = str(field.get("default", ""))
        cells = (parent + key, kind, optional, default, meta.get("doc", ""))
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        rows += _rows(field.get("schema", {}), f"{parent}{key}.") if kind == "dict" else []
    return rows
