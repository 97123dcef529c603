"""The pieces that connectors' schemas share. Data, no library.

A field is cerberus' with one addition, ``meta``, which may hold

    doc       what the field means, one line
    secret    True: its value, or everything below it, is shown nowhere; "url": what is secret in a URL
    example   the value in the example document
    optional  how optional it is, where "required" does not say it: the word in the documentation's table
    words     what else messages about the field are made of, and stays readable beside a secret

``check_with`` is a Check and a nested ``schema`` is a Schema: both are also described as JSON Schema.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from connectors.access import rules

Field = dict[str, Any]


class Schema(dict[str, Field]):
    """The fields of one mapping, and the ``rules`` that several of them must fulfil together."""

    def __init__(self, fields: Mapping[str, Field], rules: Iterable[rules.Rule] = ()) -> None:
        super().__init__(fields)
        self.rules = tuple(rules)


def any_case(*choices: str) -> Field:
    """An enumeration that is taken in any letter case and handed on as it is written in ``choices``."""
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
