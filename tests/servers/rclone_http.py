"""rclone: plain with directory pages, and WebDAV, as in Go's libraries."""

import contextlib
from collections.abc import Iterator

from tests.servers import Web, daemon, folder, free_port, needs

OPTIONS = ("--config=", "--dir-cache-time=0s", "--vfs-cache-mode=off")  # tests place files directly


class Rclone(Web):
    """``plain`` and ``dav`` are its base URLs."""

    plain = ""
    dav = ""


@contextlib.contextmanager
def start() -> Iterator[Rclone]:
    with folder() as place:
        server = Rclone(place / "root")
        server.root.mkdir()
        ports = free_port(), free_port()
        server.plain, server.dav = (f"http://127.0.0.1:{port}" for port in ports)
        with contextlib.ExitStack() as stack:
            for kind, port in zip(("http", "webdav"), ports, strict=True):
                words = [needs("rclone"), "serve", kind, f"--addr=127.0.0.1:{port}", *OPTIONS]
                stack.enter_context(daemon([*words, str(server.root)], [port], place / f"{kind}.log"))
            yield server
