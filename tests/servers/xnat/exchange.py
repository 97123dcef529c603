"""One request and its response, for the fake's modules."""

import csv
import html
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol
from urllib.parse import parse_qsl, unquote

from tests.servers.xnat.accounts import Session, User


class Writable(Protocol):
    """A writable stream that cannot seek."""

    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


class Broken(Exception):
    """The client disconnected, or the connection is to be closed at once."""


class Failed(Exception):
    """A final response other than 200."""

    def __init__(self, status: int, message: str, empty: bool = False) -> None:
        super().__init__(message)
        self.answer = Answer(b"", status=status) if empty else page(status, message)


@dataclass
class Answer:
    """``body`` is bytes, or a function that writes them to a stream; ``length`` is None if unknown."""

    body: bytes | Callable[[Writable], None] = b""
    kind: str = "text/plain"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.body, bytes):
            self.length = len(self.body)


class Body:
    """A request's body as a stream. ``length`` is the client's, or -1 if chunked."""

    def __init__(self, stream: BinaryIO, headers: Mapping[str, str], drop: int | None) -> None:
        self._stream = stream
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self.length = -1 if self._chunked else int(headers.get("content-length") or 0)
        self._left = 0 if self._chunked else self.length
        self._ended = not self._chunked
        self._drop = drop
        self.taken = 0

    @property
    def rest(self) -> int:
        """Remaining bytes; a chunked body may be endless."""
        return self._left if self._ended else 1 << 60

    def read(self, size: int = -1) -> bytes:
        if self._drop is not None:
            if self.taken >= self._drop:
                raise Broken
            size = min(size if size > 0 else self._drop, self._drop - self.taken)
        if not self._left and not self._ended:
            self._next_chunk()
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise Broken
        self._left -= len(data)
        self.taken += len(data)
        if self._chunked and not self._ended and not self._left:
            self._stream.readline()
        return data

    def _next_chunk(self) -> None:
        try:
            self._left = int(self._stream.readline().split(b";")[0], 16)
        except ValueError:
            raise Broken from None
        if not self._left:
            self._ended = True
            while self._stream.readline().strip():
                pass


@dataclass
class Exchange:
    """``segments`` is the path below the context, still quoted."""

    method: str
    segments: list[str]
    query: dict[str, str]
    headers: Mapping[str, str]
    body: Body
    user: User
    session: Session | None
    context: str

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    @property
    def format(self) -> str:
        return self.query.get("format", "json").lower()


def query_of(text: str) -> dict[str, str]:
    return dict(parse_qsl(text, keep_blank_values=True))


def label(segment: str) -> str:
    """A path segment as an identifier."""
    return unquote(segment).replace("[SLASH]", "/")


def page(status: int, message: str, title: str = "Status page") -> Answer:
    """XNAT's error response: HTML, whatever was requested."""
    text = html.escape(message)
    text = f"<html>\n<head>\n   <title>{title}</title>\n</head>\n<body>\n<h3>{text}</h3>\n</body>\n</html>\n"
    return Answer(text.encode(), "text/html;charset=UTF-8", status)


def table(rows: Iterable[Mapping[str, Any]], exchange: Exchange, columns: list[str]) -> Answer:
    """A list as JSON, or as CSV if requested: all values are strings."""
    cells = [{name: str(row.get(name, "")) for name in columns} for row in rows]
    if exchange.format == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writeheader()
        writer.writerows(cells)
        return Answer(text.getvalue().encode(), "text/csv;charset=UTF-8")
    return as_json({"ResultSet": {"Result": cells, "totalRecords": str(len(cells))}})


def as_json(value: Any) -> Answer:
    return Answer(json.dumps(value, ensure_ascii=False).encode(), "application/json;charset=UTF-8")


def items(xsi_type: str, fields: Mapping[str, str]) -> Answer:
    """An object as JSON."""
    meta = {"isHistory": False, "xsi:type": xsi_type, "start_date": "Mon Jan 05 10:00:00 UTC 2026"}
    return as_json({"items": [{"children": [], "meta": meta, "data_fields": dict(fields)}]})
