"""A file or standard input, as JSON or YAML: read within bounds, and every fault with its line."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from connectors import secrets
from connectors.access import bounds
from connectors.errors import ConfigError, Fault
from connectors.wording import looked_in, printable, type_name

TWICE = "given twice: keep one"


class Parsed:
    """A document's content (``value``), and the lines of its parts; ``source`` is a path or ``-``."""

    def __init__(self, source: str, text: str, value: Any) -> None:
        self.source = source
        self.value = value
        self._text = text

    def fault(self, path: str, message: str) -> Fault:
        """A fault without a line; ``placed`` adds the lines of all faults in one pass."""
        return Fault(path, message, 0, self.source)

    def placed(self, faults: Iterable[Fault]) -> list[Fault]:
        """The ``faults``; those of this document with their line, or that of the nearest parent; 0 if
        unknown."""
        faults = list(faults)
        ours = [fault.path for fault in faults if fault.source == self.source and not fault.line]
        lines = _lines(self._text, ours)
        return [
            fault._replace(line=lines.get(fault.path, 0))
            if fault.source == self.source and not fault.line
            else fault
            for fault in faults
        ]


def _lines(text: str, paths: list[str]) -> dict[str, int]:
    from connectors.access import yaml_text  # only for a fault

    return yaml_text.lines(text, paths) if paths and len(text) <= bounds.MOST_LINES else {}


def load(source: str) -> Parsed:
    """Read ``source``, a path or ``-`` for standard input; ConfigError says what is wrong with it."""
    text = _decode(_bytes(source), source)
    with _deep():
        try:
            return _parse(text, source)
        except RecursionError:
            raise _error(source, bounds.TOO_DEEP) from None


@contextmanager
def _deep() -> Iterator[None]:
    """Let Python's JSON parser, which counts its levels as calls, go as deep as ``bounds.DEEPEST``."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(before + bounds.DEEPEST)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def _error(source: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Fault("", message, line, source)])


def _bytes(source: str) -> bytes:
    try:
        if source == "-":
            if sys.stdin is None:
                raise _error(source, "cannot be read: standard input is closed")
            data = sys.stdin.buffer.read(bounds.MOST_BYTES + 1)
        else:
            with open(source, "rb") as file:
                data = file.read(bounds.MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path, standard input closed
        reason = getattr(error, "strerror", None) or str(error)
        advice, hint = _advice(source, error)
        raise ConfigError([Fault("", f"cannot be read: {reason}{advice}", 0, source, hint)]) from None
    if len(data) > bounds.MOST_BYTES:
        raise _error(
            source,
            f"is larger than {bounds.MOST_BYTES // 1024**2} MiB, the limit for access documents and listings",
        )
    return data


def _advice(source: str, error: Exception) -> tuple[str, str]:
    """Advice and a hint if ``source`` does not exist: many first calls fail here."""
    if source.lower().startswith(("http://", "https://")):
        secrets.mark_url(source)
        return " (this must be a YAML or JSON file that contains the URL, not the URL itself)", ""
    if isinstance(error, PermissionError):
        from connectors.local.files import as_owner

        return "", as_owner("file")
    if not isinstance(error, FileNotFoundError):
        return "", ""
    from connectors.local import container

    return "" if os.path.isabs(source) else f" ({looked_in()})", container.hint(source)


def _decode(data: bytes, source: str) -> str:
    import json

    encoding = json.detect_encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(source, "is not UTF-8 text: save it as UTF-8", line) from None


def _parse(text: str, source: str) -> Parsed:
    import json

    if text.count("{") + text.count("[") > bounds.most_collections(text):  # also counts those in strings
        raise _error(source, bounds.TOO_DENSE)
    from_json: tuple[str, int] | None = None
    repeated: list[str] = []

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(pairs)
        if len(mapping) != len(pairs):
            unseen = set(mapping)
            for key, _ in pairs:
                if key not in unseen and len(repeated) < bounds.MOST_FAULTS:
                    repeated.append(key)
                unseen.discard(key)
        return mapping

    try:
        value = json.loads(text, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        from_json = (error.msg.partition(":")[0], error.lineno)
    except ValueError:
        raise _error(source, "contains a number with too many digits: put it in quotes") from None
    else:
        if not repeated:
            return Parsed(source, text, value)
        raise ConfigError(
            _repeated(text, source) or [Fault(printable(key), TWICE, 0, source) for key in repeated]
        )

    from connectors.access import yaml_text

    if len(text) > bounds.MOST_YAML:
        large = f"larger than {bounds.MOST_YAML // 1024**2} MiB, too large for YAML: write it as JSON"
        if text.lstrip()[:1] in ("{", "["):
            large = f"not JSON: {from_json[0]}"
        raise _error(source, f"is {large}", from_json[1] if "JSON:" in large else 0)
    faults: list[Fault] = []
    try:
        value = yaml_text.read(text, _adding_to(faults, source))
    except yaml_text.Unfit as error:
        raise ConfigError(
            [*_told_twice(faults, text), Fault("", error.problem, error.line, source)]
        ) from None
    except yaml_text.Unreadable as error:
        if text.lstrip()[:1] in ("{", "["):
            raise _error(source, f"is not JSON: {from_json[0]}", from_json[1]) from None
        raise _error(source, f"is not YAML: {error.problem}", error.line) from None
    if faults:
        raise ConfigError(_told_twice(faults, text))
    return Parsed(source, text, value)


def _adding_to(faults: list[Fault], source: str) -> Callable[[str, str, int], None]:
    return lambda path, message, line: faults.append(Fault(path, message, line, source))


def _repeated(text: str, source: str) -> list[Fault]:
    """The duplicate keys of a JSON text, with their lines, as far as it is also YAML."""
    from connectors.access import yaml_text

    faults: list[Fault] = []
    if len(text) <= bounds.MOST_LINES:
        try:
            yaml_text.read(yaml_text.as_yaml(text), _adding_to(faults, source))
        except yaml_text.Unreadable:
            return []
    return _told_twice(faults, text)


def _told_twice(faults: list[Fault], text: str) -> list[Fault]:
    """The ``faults`` sorted by line; those for duplicate keys name the line of the first."""
    first = _lines(text, [fault.path for fault in faults if fault.message == TWICE])
    told = [
        fault._replace(message=f"given twice, first in line {first[fault.path]}: keep one")
        if fault.message == TWICE and fault.path in first
        else fault
        for fault in faults
    ]
    return sorted(told, key=lambda fault: fault.line)


def must_be(wanted: str, value: object) -> str:
    """The message for a value of the wrong type; says the types, never the value."""
    quotes = ": put it in quotes" if wanted == "a string" and not isinstance(value, (dict, list)) else ""
    if isinstance(value, str) and wanted in ("an integer", "a number") and value.strip()[:1].isdigit():
        quotes = ": write the number alone, without quotes or a unit"
    if value is None:
        quotes = ": give it a value or leave the key out"
    return f"must be {wanted}, is {type_name(value)}{quotes}"
