"""A file or standard input, as JSON or YAML: read within bounds, and every fault with its line."""

import os
import sys
from functools import cached_property
from typing import Any

from connectors.access import secrets
from connectors.access.paths import looked_in, type_name
from connectors.errors import ConfigError, Fault

MOST_BYTES = 256 * 1024 * 1024
"""No document is larger; what is, is a mistake such as the data file itself."""

MOST_YAML = 16 * 1024 * 1024
"""Characters. A YAML tree takes twenty times its text in memory, and 0.5 s for each MiB."""

MOST_LINES = 4 * 1024 * 1024
"""Characters. In larger texts, say a listing of 30,000 files, faults have a path but no line."""


class Parsed:
    """What a document holds (``value``), and where in it things stand; ``source`` is a path or ``-``."""

    def __init__(self, source: str, text: str, value: Any) -> None:
        self.source = source
        self.value = value
        self._text = text

    def line(self, path: str) -> int:
        """The line (from 1) of ``path``, or of the nearest that holds it; 0 if that cannot be told."""
        from connectors.access import nodes

        try:
            return nodes.line_of(self._root, path) if self._root is not None else 0
        except RecursionError:
            return 0

    @cached_property
    def _root(self) -> Any:
        from connectors.access import nodes  # only for a fault: no sound document pays for it

        return nodes.compose(self._text) if len(self._text) <= MOST_LINES else None

    def fault(self, path: str, message: str) -> Fault:
        return Fault(path, message, self.line(path), self.source)


def load(source: str) -> Parsed:
    """Read ``source``, a path or ``-`` for standard input; ConfigError says what is wrong with it."""
    text = _decode(_bytes(source), source)
    try:
        return _parse(text, source)
    except RecursionError:
        raise _error(source, "is nested too deeply") from None


def _error(source: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Fault("", message, line, source)])


def _bytes(source: str) -> bytes:
    try:
        if source == "-":
            if sys.stdin is None:
                raise _error(source, "cannot be read: standard input is closed")
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(source, "rb") as file:
                data = file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, standard input closed
        reason = getattr(error, "strerror", None) or str(error)
        advice, hint = _advice(source, error)
        raise ConfigError([Fault("", f"cannot be read: {reason}{advice}", 0, source, hint)]) from None
    if len(data) > MOST_BYTES:
        raise _error(source, f"is larger than {MOST_BYTES // 1024**2} MiB: no access document or listing is")
    return data


def _advice(source: str, error: Exception) -> tuple[str, str]:
    """What to know of ``source`` that is not there, and a hint: many first calls fail here."""
    if source.lower().startswith(("http://", "https://")):
        secrets.mark_url(source)
        return " (this must be a YAML or JSON file that contains the URL, not the URL itself)", ""
    if not isinstance(error, FileNotFoundError):
        return "", ""
    from connectors import container

    return "" if os.path.isabs(source) else f" ({looked_in()})", container.hint(source)


def _decode(data: bytes, source: str) -> str:
    import json

    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(source, "is not text in UTF-8: save it as UTF-8", line) from None


def _parse(text: str, source: str) -> Parsed:
    import json

    from_json: tuple[str, int] | None = None
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            unseen = set(mapping)
            for key, _ in pairs:
                if key not in unseen:
                    repeated.append(key)
                unseen.discard(key)
        return mapping

    try:
        value = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        from_json = (error.msg.partition(":")[0], error.lineno)
    except ValueError:
        raise _error(source, "holds a number with too many digits: put it in quotes") from None
    else:
        if not repeated:
            return Parsed(source, text, value)
        document = Parsed(source, text, value)
        raise ConfigError(_repeated(document, text) or [_twice(document, key) for key in repeated])

    from connectors.access import nodes

    if len(text) > MOST_YAML:
        raise _error(source, f"is not JSON: {from_json[0]}; and too large for YAML", from_json[1])
    faults: list[Fault] = []
    try:
        value = nodes.read(
            text, lambda path, message, line: faults.append(Fault(path, message, line, source))
        )
    except nodes.Unreadable as error:
        if text.lstrip()[:1] in ("{", "["):
            raise _error(source, f"is not JSON: {from_json[0]}", from_json[1]) from None
        raise _error(source, f"is not YAML: {error.problem}", error.line) from None
    if faults:
        raise ConfigError(sorted(faults, key=lambda fault: fault.line))
    return Parsed(source, text, value)


def _repeated(document: Parsed, text: str) -> list[Fault]:
    """The keys that a JSON text gives twice, with their lines, as far as it is YAML as well."""
    from connectors.access import nodes

    faults: list[Fault] = []
    if len(text) <= MOST_LINES:
        try:
            nodes.read(
                nodes.as_yaml(text),
                lambda path, message, line: faults.append(Fault(path, message, line, document.source)),
            )
        except nodes.Unreadable:
            return []
    return sorted(faults, key=lambda fault: fault.line)


def _twice(document: Parsed, key: str) -> Fault:
    from connectors.access.paths import printable

    return Fault(printable(key), "given twice: keep one", 0, document.source)


def must_be(wanted: str, value: object) -> str:
    """The message for a value of the wrong type; says the types, never the value."""
    quotes = ": put it in quotes" if wanted == "a string" and not isinstance(value, (dict, list)) else ""
    if isinstance(value, str) and wanted in ("an integer", "a number") and value.strip()[:1].isdigit():
        quotes = ": write the number alone, without quotes or a unit"
    if value is None:
        quotes = ": give it a value or leave the key out"
    return f"must be {wanted}, is {type_name(value)}{quotes}"
