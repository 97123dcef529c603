"""Values of plain scalars according to YAML 1.2, as RED reads them (ruamel.yaml, ``typ="safe"``).

So ``no``, ``on``, ``y`` and ``12:30`` are strings, ``012`` is 12, ``0o12`` is 10, and ``1e3`` is a number.
PyYAML's own rules are those of YAML 1.1.
"""

import re
from datetime import date
from typing import Any

_TAG = "tag:yaml.org,2002:"
_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {word: word[0] in "tT" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_FIRST = set("0123456789+-.")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_BASES = {"0b": 2, "0o": 8, "0x": 16}
_FLOAT = re.compile(
    r"[-+]?(?:(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+)"
)
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_DATE = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|[ \t]+)\d\d?:\d\d:\d\d(?:\.\d*)?[ \t]*(?:Z|[-+]\d\d?(?::?\d\d)?)?)?"
)
_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (float, int),
    "timestamp": (date,),
}


def plain(text: str) -> Any:
    """The value of unquoted ``text``; ValueError if it looks like a number or date but is invalid."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _FIRST:
        return text
    if _INT.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", ""))
    if found := _DATE.fullmatch(text):
        return date(*map(int, found.groups()))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    base = _BASES.get(digits[:2], 10)
    value = int(digits[2:] if base != 10 else digits, base)
    return -value if text[0] == "-" else value


def is_known(tag: str) -> bool:
    """Whether an explicit ``tag`` is for a string or a type that ``plain`` returns."""
    return tag == f"{_TAG}str" or tag.removeprefix(_TAG) in _TYPES


def tagged(text: str, tag: str) -> Any:
    """The value of ``text`` with a known explicit ``tag``; ValueError if it is not of that type."""
    kind = tag.removeprefix(_TAG)
    if kind == "str":
        return text
    value = plain(text)
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise ValueError(tag)
    return value
