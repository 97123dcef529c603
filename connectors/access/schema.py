"""The pieces that connectors' schemas share. Data, no library.

A schema is cerberus' with two additions: ``meta`` (below), and the rule ``beside``, a function
(document, error) that looks at several fields at once. ``meta`` may hold

    doc       what the field means, one line
    secret    True: its value, or everything below it, is shown nowhere; "url": what is secret in a URL
    example   the value in the example document
    optional  how optional it is, where "required" does not say it: the word in the documentation's table
    words     what else messages about the field are made of, and stays readable beside a secret
    json      JSON Schema that cannot be derived, e.g. which fields below it go together
    together  JSON Schemas of the mapping that holds the field: what the rule ``beside`` says
"""

from typing import Any

from connectors.access import rules

Field = dict[str, Any]
Schema = dict[str, Field]


def any_case(*choices: str) -> Field:
    """An enumeration that is taken in any letter case and handed on as it is written in ``choices``."""
    written = {choice.lower(): choice for choice in choices}

    def spell(value: Any) -> Any:
        return written.get(value.lower(), value) if isinstance(value, str) and value.isascii() else value

    return {"type": "string", "allowed": list(choices), "coerce": spell}


def given(key: str) -> dict[str, Any]:
    """JSON Schema: ``key`` is there, protected or not."""
    return {"anyOf": [{"required": [key]}, {"required": [f"_{key}"]}]}


USERNAME: Field = {
    "type": "string",
    "check_with": rules.no_control,
    "meta": {"doc": "Username", "example": "username", "optional": "no"},
}

PASSWORD: Field = {
    "type": "string",
    "check_with": rules.no_control,
    "meta": {"doc": "Password", "secret": True, "example": "password", "optional": "no"},
}

PRIVATE_KEY: Field = {
    "type": "string",
    "check_with": rules.private_key,
    "meta": {"doc": "Private key: PEM text or the path of a file", "secret": "key"},
}

PASSPHRASE: Field = {
    "type": "string",
    "meta": {"doc": "Passphrase of the private key", "secret": True},
}
