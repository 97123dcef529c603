"""Reads the JSON listings of nginx (``autoindex_format json``) and Caddy, while they arrive."""

from connectors.http.directory.found import Found, NoDirectoryPage
from connectors.http.transport.reply import Reply, whole_number

BEGINS = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
LIST, ENTRY, DEEPEST = 1, 2, 8  # nesting levels: the page is a list of entries


class JsonIndex:
    """Reads the page ``reply`` into ``found``. NoDirectoryPage if it is other JSON."""

    def __init__(self, reply: Reply, found: Found) -> None:
        import ijson  # type: ignore[import-untyped]

        self._is_framed = reply.is_framed
        self._found = found
        self._depth = 0
        self._key = ""
        self._entry: dict[str, object] = {}
        self._events = ijson.sendable_list()
        # without use_float, ijson crashes on a number of thousands of digits
        self._parser = ijson.basic_parse_coro(self._events, use_float=True)
        self._errors = (ijson.JSONError, ValueError, ArithmeticError, SystemError)

    @property
    def is_sure(self) -> bool:
        return True

    def feed(self, data: bytes) -> None:
        try:
            self._parser.send(data)
        except self._errors:
            raise NoDirectoryPage from None
        self._take()

    def close(self) -> bool:
        try:
            self._parser.close()
        except self._errors:
            if self._is_framed:
                raise NoDirectoryPage from None
            return False
        self._take()
        return True

    def _take(self) -> None:
        for event, value in self._events:
            if event == "map_key":
                self._key = value
            elif change := BEGINS.get(event):
                self._open_or_close(event, change)
            elif self._depth == ENTRY:
                self._entry[self._key] = value
            elif self._depth < ENTRY:
                raise NoDirectoryPage
        del self._events[:]

    def _open_or_close(self, event: str, change: int) -> None:
        if (self._depth == 0 and event != "start_array") or self._depth > DEEPEST:
            raise NoDirectoryPage
        self._depth += change
        if self._depth == ENTRY and change > 0:
            if event != "start_map":
                raise NoDirectoryPage
            self._entry = {}
        elif self._depth == LIST and change < 0:
            self._add()

    def _add(self) -> None:
        name, kind, is_dir = (self._entry.get(key) for key in ("name", "type", "is_dir"))
        if name is None or (kind is None and is_dir is None):
            raise NoDirectoryPage
        if kind == "directory" or is_dir is True:
            self._found.add(str(name).removesuffix("/"), is_dir=True)  # Caddy's names end in a slash
        else:
            self._found.add(str(name), is_dir=False, size=whole_number(str(self._entry.get("size"))))
