"""How a place in a document is written in messages: ``access.auth.username``, ``listing[2].basename``."""

import os

LONGEST_KEY = 80
"""Longer keys are cut in messages; nobody reads further."""


def printable(key: object) -> str:
    """``key`` on one line, without control characters, and not longer than LONGEST_KEY."""
    text = key if isinstance(key, str) else str(key)
    if not text.isprintable():
        text = text.encode("unicode_escape", "surrogatepass").decode("ascii")
    return text if len(text) <= LONGEST_KEY else text[: LONGEST_KEY - 1] + "…"


def join(parent: str, *steps: str | int) -> str:
    """The path from ``parent`` by ``steps``: keys (str) and indices (int)."""
    path = parent
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{printable(step)}" if path else printable(step)
    return path


def looked_in() -> str:
    """The directory in which a relative path was looked up."""
    try:
        return f"looked in {os.getcwd()}"
    except OSError:  # it has been removed
        return "the working directory is gone"


def type_name(value: object) -> str:
    """The type of ``value`` in YAML's and JSON's terms, without the value itself."""
    names: dict[type, str] = {
        type(None): "null",
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), f"a {type(value).__name__}")
