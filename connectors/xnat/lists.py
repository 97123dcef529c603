"""Reads XNAT's lists, {"ResultSet": {"Result": [row, …], "totalRecords": "N"}}, while they arrive."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

LARGE = 1 << 20  # bytes: above this, saving memory is worth the 50 ms for importing ijson
LONGEST = 128 << 20  # bytes: the list of some 400,000 files
DEEPEST = 32  # levels; rows are at the fourth, and their values are strings
ROW = 4
PLACE = ["ResultSet", "Result"]

Take = Callable[[Mapping[str, object]], bool]
"""Gets a row; returns False if it is not a row of such a list."""


class NoList(ValueError):
    """This is not a list of XNAT."""


class CutList(NoList):
    """This is a list that was cut short."""


class TooLong(NoList):
    """This is longer than LONGEST."""


class Rows:
    """A sink for the bytes of a list; ``take`` gets its rows. Constant memory, however long it is."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._body = bytearray()
        self._size = 0
        self._large: _Large | None = None

    @property
    def body(self) -> bytes:
        """The whole list, if it is small."""
        return bytes(self._body)

    def write(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > LONGEST:
            raise TooLong
        if self._large:
            self._large.write(data)
            return
        self._body += data
        if len(self._body) > LARGE:
            self._large = _Large(self._take)
            self._large.write(self.body)
            self._body.clear()

    def finish(self) -> None:
        """Raise NoList unless it was a complete list."""
        if self._large:
            self._large.finish()
            return
        try:
            result = json.loads(self._body)["ResultSet"]
            rows, total = result["Result"], result.get("totalRecords")
        except json.JSONDecodeError as error:
            at_end = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated")
            raise CutList if at_end and error.doc.lstrip().startswith("{") else NoList from None
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise NoList from None
        if not isinstance(rows, list):
            raise NoList
        for row in rows:
            _taken(self._take, row)
        _all_there(len(rows), total)


class _Large:
    """Reads a list from ijson's events. ``_keys``: the keys on the path to the current value."""

    def __init__(self, take: Take) -> None:
        import ijson  # type: ignore[import-untyped]

        self._take = take
        self._events: list[tuple[str, Any]] = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events)
        self._broken = (ijson.JSONError, ValueError, SystemError)
        self._incomplete = ijson.IncompleteJSONError
        self._keys = ["", "", "", ""]
        self._depth = 0
        self._row: dict[str, object] = {}
        self._in_rows = self._found = False
        self._count = 0
        self._total: object = None

    def write(self, data: bytes) -> None:
        try:
            self._parser.send(data)
        except self._broken:
            raise NoList from None
        self._read(self._events)
        self._events.clear()

    def finish(self) -> None:
        try:
            self._parser.close()
        except self._incomplete:
            raise CutList from None
        except self._broken:
            raise NoList from None
        self._read(self._events)
        if not self._found:
            raise NoList
        _all_there(self._count, self._total)

    def _read(self, events: Iterable[tuple[str, Any]]) -> None:
        keys = self._keys
        for kind, value in events:  # 20 per file
            if kind == "map_key":
                if self._depth <= ROW:
                    keys[self._depth - 1] = value
            elif kind == "string" and self._in_rows and self._depth == ROW:
                self._row[keys[-1]] = value
            elif kind.startswith("start_"):
                self._begin(kind)
            elif kind.startswith("end_"):
                self._end()
            elif self._in_rows and self._depth == ROW:
                self._row[keys[-1]] = value
            elif self._in_rows and self._depth < ROW:
                raise NoList
            elif self._depth == len(PLACE) and keys[:2] == [PLACE[0], "totalRecords"]:
                self._total = value

    def _begin(self, kind: str) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise NoList
        if self._in_rows and self._depth == ROW:
            if kind != "start_map":
                raise NoList
            self._row = {}
        elif self._depth == ROW - 1 and self._keys[:2] == PLACE:
            if kind != "start_array":
                raise NoList
            self._in_rows = self._found = True

    def _end(self) -> None:
        if self._in_rows and self._depth == ROW:
            _taken(self._take, self._row)
            self._count += 1
        elif self._depth < ROW:
            self._in_rows = False
        self._depth -= 1


def _taken(take: Take, row: object) -> None:
    if not isinstance(row, dict) or not row or not take(row):
        raise NoList


def _all_there(count: int, total: object) -> None:
    """Raise NoList if there are fewer rows than the list states: missing rows are not deleted files."""
    text = str(total)
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text) > count:
        raise NoList


def texts(rows: list[dict[str, str]]) -> Take:
    """A Take that appends to ``rows``. XNAT's values are strings, "" if empty."""

    def take(row: Mapping[str, object]) -> bool:
        rows.append({key: "" if value is None else str(value) for key, value in row.items()})
        return True

    return take
