"""Python's own ``http.server``: index pages, no ranges, HTTP/1.0."""

import contextlib
import functools
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from tests.servers import Seen, Web, folder


class Simple(Web):
    """``url`` is the base URL, ``seen`` every request so far."""

    url = ""

    def __init__(self, root: Any) -> None:
        super().__init__(root)
        self.seen: list[Seen] = []


@contextlib.contextmanager
def start() -> Iterator[Simple]:
    """``python3 -m http.server`` in its own thread."""
    with folder() as place:
        server = Simple(place)

        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *arguments: Any) -> None:
                headers = {name.lower(): value for name, value in getattr(self, "headers", {}).items()}
                server.seen.append(Seen(self.command or "", getattr(self, "path", ""), headers))

        handler = functools.partial(Handler, directory=str(place))
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
            server.url = f"http://127.0.0.1:{listener.server_address[1]}"
            thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            try:
                yield server
            finally:
                listener.shutdown()
                thread.join()
