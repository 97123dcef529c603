"""Checks of one value, and rules for several fields. Each object also contains its JSON Schema.

``error(field, message)`` reports a fault; a dotted field is one level below. A message never contains a
value. The JSON Schema may accept more than the check does, never less: a variable may be any string.
"""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from connectors.pem import is_pem, unreadable

Error = Callable[[str, str], None]
Json = dict[str, Any]

CONTROL = re.compile(r"[\x00-\x1f\x7f]")
VARIABLE = r"\{\{[^\n]*\}\}"


# JSON Schema


def given(key: str) -> Json:
    """``key`` exists, protected or not."""
    return {"anyOf": [{"required": [key]}, {"required": [f"_{key}"]}]}


def whole(pattern: str) -> str:
    """A string that matches ``pattern`` as a whole, or contains a variable."""
    return f"^(?:{pattern})$|{VARIABLE}"


def spelt(*words: str) -> str:
    """A pattern for ``words`` in any letter case."""
    return "|".join(
        "".join(f"[{char.upper()}{char.lower()}]" if char.isalpha() else char for char in word)
        for word in words
    )


def within(key: str, schema: Json) -> Json:
    """The value of ``key``, if given, protected or not, matches ``schema``."""
    return {"patternProperties": {f"^_?{key}$": schema}}


def _implies(condition: Json, conclusion: Json) -> Json:
    return {"anyOf": [{"not": condition}, conclusion]}


def _is(case: Mapping[str, str]) -> Json:
    """The mapping has the values of ``case``, in any letter case, and no variables in their place."""
    said = [within(key, {"pattern": f"^({spelt(choice)})$"}) for key, choice in case.items()]
    return {"allOf": [*map(given, case), *said]}


# Checks of one value


class Check:
    """Called by cerberus (``check_with``) for a value that has its field's type.

    ``json`` are the keywords of JSON Schema that describe the same value.
    """

    def __init__(self, look: Callable[[str, Any, Error], None], json: Json) -> None:
        self._look = look
        self.json = json
        self.__doc__ = look.__doc__

    def __call__(self, field: str, value: Any, error: Error) -> None:
        self._look(field, value, error)


def check(**json: Any) -> Callable[[Callable[[str, Any, Error], None]], Check]:
    """Decorator that turns a function into a Check with ``json`` as its JSON Schema keywords."""
    return lambda look: Check(look, json)


def matches(pattern: str, message: str, **json: Any) -> Check:
    """The whole value must match ``pattern``, with one meaning in Python and ECMAScript."""

    def look(field: str, value: Any, error: Error) -> None:
        if not re.fullmatch(pattern, value):
            error(field, message)

    return Check(look, {"pattern": whole(pattern), **json})


def all_of(*checks: Check) -> Check:
    """Every one of ``checks``; the faults of all of them are reported."""

    def look(field: str, value: Any, error: Error) -> None:
        for check_ in checks:
            check_(field, value, error)

    return Check(look, {"allOf": [check_.json for check_ in checks]})


no_control = matches(r"[^\x00-\x1f\x7f]*", "must not contain control characters, such as the end of a line")


@check()
def certificate(field: str, value: Any, error: Error) -> None:
    _pem(field, value, error, "CERTIFICATE-----")


@check()
def private_key(field: str, value: Any, error: Error) -> None:
    _pem(field, value, error, "PRIVATE KEY-----")


def _pem(field: str, value: Any, error: Error, label: str) -> None:
    """PEM text in the document, or the path of a readable file."""
    text = value
    if not is_pem(value):
        try:
            with open(value, encoding="ascii", errors="replace") as file:
                text = file.read(1024 * 1024)
        except (OSError, ValueError) as problem:
            error(field, unreadable(value, problem))
            return
    if "-----BEGIN " not in text or label not in text:
        error(field, f"contains no PEM block '-----BEGIN … {label}'")


# Rules for several fields


class Rule(NamedTuple):
    """A condition on several fields of one mapping.

    ``check(document, error)`` gets the mapping with plain keys and defaults, its values of any type.
    ``json`` is the equivalent JSON Schema of the mapping, or empty: then editors do not check it.
    """

    check: Callable[[Mapping[str, Any], Error], None]
    json: Json = {}  # noqa: RUF012  # never changed


def required(key: str, doc: str) -> Rule:
    """``key`` is given. For mappings where ``"required": True`` would not always be right."""

    def look(document: Mapping[str, Any], error: Error) -> None:
        if key not in document:
            error(key, f"required: {doc}")

    return Rule(look, given(key))


def requires(key: str, other: str, why: str = "") -> Rule:
    """If ``key`` is given, so is ``other``; ``why`` may explain that in the message."""

    def look(document: Mapping[str, Any], error: Error) -> None:
        if key in document and other not in document:
            error(key, f"needs {other} as well{f': {why}' if why else ''}")

    return Rule(look, _implies(given(key), given(other)))


def chain(*keys: str) -> Rule:
    """Each of ``keys`` requires all keys before it."""

    def look(document: Mapping[str, Any], error: Error) -> None:
        present = [key for key in keys if key in document]
        for key in keys[: keys.index(present[-1])] if present else ():
            if key not in document:
                error(key, f"required with {present[-1]}: a string")

    return Rule(look, {"allOf": [_implies(given(key), given(before)) for before, key in pairwise(keys)]})


def exactly_one(*choices: str | tuple[str, ...], note: str) -> Rule:
    """One of ``choices`` is given; of a tuple, all keys. ``note`` explains them if none is given."""
    ways = [(choice,) if isinstance(choice, str) else choice for choice in choices]
    names = (", or " if any(len(way) > 1 for way in ways) else " or ").join(map(" with ".join, ways))

    def look(document: Mapping[str, Any], error: Error) -> None:
        present = [[key for key in way if key in document] for way in ways]
        first, *others = [keys for keys in present if keys] or [[]]
        if not first:
            error(ways[0][0], f"required: {names} ({note})")
        elif others:
            also = " and ".join(key for keys in others for key in keys)
            error(first[0], f"is given together with {also}: keep {names}")
        else:
            for key in ways[present.index(first)]:
                if key not in document:
                    error(key, f"required with {first[0]}: a string")

    def alone(way: tuple[str, ...]) -> Json:
        others = [given(key) for other in ways if other != way for key in other]
        return {"allOf": [*map(given, way), {"not": {"anyOf": others}}]}

    return Rule(look, {"oneOf": [alone(way) for way in ways]})


def fields_by_choice(key: str, fields: Mapping[str, tuple[str, ...]], default: str) -> Rule:
    """``key`` (or else ``default``) selects which ``fields`` are given; the others must not be."""
    every = {
        name: [choice for choice in fields if name in fields[choice]]
        for names in fields.values()
        for name in names
    }

    def look(document: Mapping[str, Any], error: Error) -> None:
        choice = document.get(key, default)
        if choice not in [*fields]:  # a fault already: check as for the default
            if any(name in document and default not in choices for name, choices in every.items()):
                return
            choice = default
        for name, choices in every.items():
            if choice in choices and name not in document:
                error(name, f"required by the {key} {choice}: a string")
            elif choice not in choices and name in document:
                error(name, f"not used by the {key} {choice}: leave it out, or use {' or '.join(choices)}")

    def chosen(choice: str) -> Json:
        others = [given(name) for name, choices in every.items() if choice not in choices]
        said = [] if choice == default else [given(key)]
        return {
            "allOf": [*said, *map(given, fields[choice]), {"not": {"anyOf": others}}],
            **within(key, {"pattern": whole(spelt(choice))}),
        }

    return Rule(look, {"anyOf": [chosen(choice) for choice in fields]})


def not_for(case: Mapping[str, str], key: str, message: str) -> Rule:
    """In a ``case``, such as ``{"direction": "in"}``, ``key`` is not given."""

    def look(document: Mapping[str, Any], error: Error) -> None:
        if _applies(case, document) and key in document:
            error(key, message)

    return Rule(look, _implies(_is(case), {"not": given(key)}))


def matches_for(case: Mapping[str, str], key: str, pattern: str, message: str) -> Rule:
    """In a ``case``, such as ``{"direction": "in"}``, the whole value of ``key`` matches ``pattern``."""

    def look(document: Mapping[str, Any], error: Error) -> None:
        value = document.get(key)
        if _applies(case, document) and isinstance(value, str) and not re.fullmatch(pattern, value):
            error(key, message)

    return Rule(look, _implies(_is(case), within(key, {"pattern": whole(pattern)})))


def _applies(case: Mapping[str, str], document: Mapping[str, Any]) -> bool:
    return all(document.get(key) == choice for key, choice in case.items())
