"""Building blocks of the connectors' schemas. Only data.

A field is a cerberus field plus ``meta``, which may contain

    doc       what the field means, one line
    secret    True: its value, or everything below it, is never shown; "url": the secret parts of a URL
    example   the value in the example document
    optional  the word in the documentation's table, if "required" does not determine it
    words     further words in messages about the field, which stay readable beside a secret

``check_with`` is a Check and a nested ``schema`` is a Schema: both are also described as JSON Schema.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.access import rules

Field = dict[str, Any]


class Schema(dict[str, Field]):
    """The fields of one mapping, and the ``rules`` for combinations of them."""

    def __init__(self, fields: Mapping[str, Field], rules: Iterable[rules.Rule] = ()) -> None:
        super().__init__(fields)
        self.rules = tuple(rules)


def any_case(*choices: str) -> Field:
    """An enumeration accepted in any letter case and passed on as written in ``choices``."""
    written = {choice.lower(): choice for choice in choices}

    def spell(value: Any) -> Any:
        return written.get(value.lower(), value) if isinstance(value, str) and value.isascii() else value

    return {"type": "string", "allowed": list(choices), "coerce": spell}


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
