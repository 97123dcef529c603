"""Reads YAML data and line numbers from libyaml's events, without building a tree of nodes.

PyYAML's own loader silently accepts duplicate keys, keys of any type and unlimited aliases, overflows the
stack on deep nesting, and takes seventy times the size of the text in memory.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from connectors.access import bounds, scalars
from connectors.wording import join

MEMO = 10_000
"""Plain scalars that are cached: most occur in every entry of a listing."""

_SEQUENCE, _MAPPING = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"
_MERGE = "<<"
_KEY = "a key must be a string; a variable {{name}} must be in quotes"

Report = Callable[[str, str, int], None]
"""Takes a path, a message and a line."""


class Unreadable(Exception):
    """The text is not YAML. ``problem`` does not quote the text; ``line`` is 0 if unknown."""

    def __init__(self, problem: str, line: int = 0) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


class Unfit(Unreadable):
    """It is YAML, but exceeds a limit."""


def read(text: str, report: Report) -> Any:
    """The data in ``text``; ``report`` is called for each fault. Unreadable if it is not YAML."""
    return _Builder(report).build(_events(text))


def lines(text: str, paths: Iterable[str]) -> dict[str, int]:
    """The line (from 1) of each of ``paths`` in ``text``, JSON or YAML; for a missing key, its parent's.
    Paths without a known line are left out."""
    wanted = dict.fromkeys(paths)
    found = _Finder(wanted).find(_events(as_yaml(text)))
    return {path: line for path in wanted if (line := _nearest(found, path))}


def as_yaml(json: str) -> str:
    """A JSON text as YAML, which allows neither tabs nor lone surrogates; its lines stay the same."""
    return re.sub(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}", "?", json.replace("\t", " "))


def _events(text: str) -> Iterator[Any]:
    """The parser's events; Unreadable if the text is invalid or exceeds a limit."""
    import yaml  # 30 ms: only for documents that are not JSON, and for the lines of faults

    loader = None
    count = depth = 0
    collections, most_collections = 0, bounds.most_collections(text)
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        get, scalar, end = loader.get_event, yaml.ScalarEvent, yaml.StreamEndEvent
        opening, closing = yaml.CollectionStartEvent, yaml.CollectionEndEvent
        while type(event := get()) is not end:
            yield event
            if type(event) is scalar:
                count += 1
            elif isinstance(event, opening):
                count += 1
                depth += 1
                collections += 1
                if depth > bounds.DEEPEST:
                    raise Unfit(bounds.TOO_DEEP)
                if collections > most_collections:
                    raise Unfit(bounds.TOO_DENSE, _line(event))
            elif isinstance(event, closing):
                depth -= 1
            if count > bounds.MOST_VALUES:
                raise Unfit(bounds.TOO_MANY, _line(event))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(_problem(error.problem or "bad syntax"), mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", None)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 0
        raise Unreadable("contains a character that YAML does not allow", line) from None
    finally:
        if loader:
            loader.dispose()


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _problem(text: str) -> str:
    """PyYAML's message without its quote from the document, which may be a password."""
    if text.startswith("found character") and "start any token" in text:
        return "a character that is not allowed here: put values in quotes, indent with spaces, not tabs"
    return re.sub(r"'[^']*\w[^']*'|\"[^\"]*\w[^\"]*\"", "…", text)


class _Open:
    """An open list or mapping. ``key`` is the next value's key, or None; ``size`` its number of values with
    aliases expanded."""

    __slots__ = ("anchor", "is_key", "key", "line", "merged", "size", "value")

    def __init__(self, value: Any, line: int, anchor: str | None, is_key: bool) -> None:
        self.value = value
        self.line = line
        self.anchor = anchor
        self.is_key = is_key
        self.key: str | None = None
        self.merged: list[Any] = []
        self.size = 1

    @property
    def awaits_key(self) -> bool:
        return self.key is None and type(self.value) is dict


class _Builder:
    """Turns events into data, and counts its values with aliases expanded."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._faults = 0
        self._root: list[Any] = []
        self._stack = [_Open(self._root, 1, None, False)]
        self._anchors: dict[str, tuple[Any, int] | None] = {}
        """The value and size of each anchor; None while it is open."""
        self._most: float = bounds.MOST_VALUES
        self._memo: dict[str, Any] = {}

    def build(self, events: Iterator[Any]) -> Any:
        import yaml

        scalar, alias = yaml.ScalarEvent, yaml.AliasEvent
        opening, closing = yaml.CollectionStartEvent, yaml.CollectionEndEvent
        stack, memo = self._stack, self._memo
        for event in events:
            kind = type(event)
            if kind is scalar:  # ten times per file of a listing: inlined for speed
                frame, text = stack[-1], event.value
                value = memo.get(text, memo) if event.implicit[0] else text
                if value is memo or event.tag is not None:
                    value = self._plain(text, event) if event.implicit[0] else self._tagged(event)
                if event.anchor:
                    self._anchors[event.anchor] = value, 1
                if type(frame.value) is list:
                    frame.value.append(value)
                    frame.size += 1
                elif frame.key is None:
                    self._take_key(frame, text, value, event)
                else:
                    self._put(frame, value, 1)
            elif isinstance(event, opening):
                self._begin(event, [] if kind is yaml.SequenceStartEvent else {})
            elif isinstance(event, closing):
                self._end()
            elif kind is alias:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent and self._root:
                raise Unreadable("contains more than one YAML document: write one", _line(event))
        return self._root[0] if self._root else None

    def _fault(self, message: str, line: int, *steps: str) -> None:
        self._faults += 1
        if self._faults > bounds.MOST_FAULTS:
            raise Unfit("has more errors than these", line)
        self._report(join(self._path(), *steps), message, line)

    def _path(self) -> str:
        """The path of the next value."""
        path = ""
        for frame in self._stack[1:]:
            if type(frame.value) is list:
                path = join(path, len(frame.value))
            elif frame.key is not None:
                path = join(path, frame.key)
        return path

    def _plain(self, text: str, event: Any) -> Any:
        try:
            value = scalars.plain(text)
        except ValueError:
            return self._no_number(event)
        if len(self._memo) < MEMO:
            self._memo[text] = value
        return value

    def _tagged(self, event: Any) -> Any:
        if not scalars.is_known(event.tag):
            self._fault("a YAML tag that is not supported: put the value in quotes", _line(event))
            return None
        try:
            return scalars.tagged(event.value, event.tag)
        except ValueError:
            return self._no_number(event)

    def _no_number(self, event: Any) -> None:
        line = _line(event)
        self._fault("looks like a number or a date but is not one: put it in quotes", line)

    def _take_key(self, frame: _Open, text: str, value: Any, event: Any) -> None:
        if isinstance(value, str) and value not in frame.value and value != _MERGE:
            frame.key = value
            return
        line = _line(event)
        if not isinstance(value, str):
            self._fault("a key must be a string: put it in quotes", line, *([text] if text else []))
        elif text in frame.value:
            self._fault("given twice: keep one", line, *([text] if text else []))
        elif text == _MERGE and event.implicit[0]:
            frame.merged.append(None)  # the next value is merged, not stored under this key
        frame.key = text

    def _begin(self, event: Any, value: Any) -> None:
        frame, line = self._stack[-1], _line(event)
        is_key = frame.awaits_key
        if is_key:
            self._fault(_KEY, line)
        if event.tag not in (None, "!", _SEQUENCE if type(value) is list else _MAPPING):
            self._fault("a YAML tag that is not supported: leave it out", line)
        if event.anchor:
            self._anchors[event.anchor] = None
        self._stack.append(_Open(value, line, event.anchor, is_key))

    def _end(self) -> None:
        frame = self._stack.pop()
        if frame.merged:
            self._merge(frame)
        if frame.size > self._most:
            self._fault(f"its aliases expand to more than {bounds.MOST_VALUES:,} values", frame.line)
            self._most = float("inf")  # report it once: every parent exceeds the limit too
        if frame.anchor:
            self._anchors[frame.anchor] = frame.value, frame.size
        if frame.is_key:
            self._stack[-1].key = ""
        else:
            self._put(self._stack[-1], frame.value, frame.size)

    def _alias(self, event: Any) -> None:
        frame, line = self._stack[-1], _line(event)
        if event.anchor not in self._anchors:
            raise Unreadable("found an alias without its anchor", line)
        found = self._anchors[event.anchor]
        if found is None:
            self._fault("an alias that contains itself", line)
            found = None, 1
        value, size = found
        if not frame.awaits_key:
            self._put(frame, value, size)
        elif isinstance(value, str):
            if value in frame.value:
                self._fault("given twice: keep one", line, value)
            frame.key = value
        else:
            self._fault(_KEY, line)
            frame.key = ""

    def _put(self, frame: _Open, value: Any, size: int) -> None:
        frame.size += size
        if type(frame.value) is list:
            frame.value.append(value)
            return
        if frame.merged and frame.key == _MERGE and frame.merged[-1] is None:
            self._keep_for_merging(frame, value)
        elif frame.key is not None:
            frame.value[frame.key] = value
        frame.key = None

    def _keep_for_merging(self, frame: _Open, value: Any) -> None:
        several = value if isinstance(value, list) else [value]
        if not all(isinstance(one, dict) for one in several):
            self._fault("can merge only a mapping or a list of mappings", frame.line)
            several = []
        frame.merged[-1] = several

    def _merge(self, frame: _Open) -> None:
        """Merged keys come first; the mapping's own keys win; of several mappings, the first wins."""
        own = dict(frame.value)
        frame.value.clear()
        for several in reversed(frame.merged):
            for one in reversed(several or []):
                frame.value.update(one)
        frame.value.update(own)


class _Finder:
    """Finds the lines of ``wanted`` paths and of their parents."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._found: dict[str, int] = {"": 0}
        for path in wanted:
            while path not in self._found:
                self._found[path] = 0
                path = _holder(path)
        self._stack: list[tuple[str | None, Any]] = []
        """For each open value: its path, None if nothing below it is wanted; a key, an index, or None."""

    def find(self, events: Iterator[Any]) -> dict[str, int]:
        import yaml

        try:
            for event in events:
                if isinstance(event, yaml.NodeEvent):
                    self._node(event, yaml)
                elif isinstance(event, yaml.CollectionEndEvent):
                    self._stack.pop()
        except Unreadable:  # the lines found so far are valid
            pass
        return self._found

    def _node(self, event: Any, yaml: Any) -> None:
        path: str | None = ""
        if self._stack:
            holder, step = self._stack[-1]
            if isinstance(step, int):
                self._stack[-1] = holder, step + 1
                path = self._below(holder, step)
            elif step is None:  # a key
                key = event.value if isinstance(event, yaml.ScalarEvent) else ""
                self._stack[-1] = holder, key
                self._see(self._below(holder, key), event)
                path = None
            else:
                self._stack[-1] = holder, None
                path = self._below(holder, step)
        self._see(path, event)
        if isinstance(event, yaml.CollectionStartEvent):
            self._stack.append((path, 0 if isinstance(event, yaml.SequenceStartEvent) else None))

    def _below(self, holder: str | None, step: str | int) -> str | None:
        if holder is None:
            return None
        path = join(holder, step)
        return path if path in self._found else None

    def _see(self, path: str | None, event: Any) -> None:
        if path is not None and not self._found[path]:
            self._found[path] = _line(event)


def _nearest(found: dict[str, int], path: str) -> int:
    while not found[path] and path:
        path = _holder(path)
    return found[path]


def _holder(path: str) -> str:
    """``path`` without its last part; a key with dots has more than one."""
    return path[: max(path.rfind("."), path.rfind("["), 0)]
