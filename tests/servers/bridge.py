"""nginx for containers, on Docker's bridge: files by GET and PUT, with a password."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path

from tests.servers import PASSWORD, USERNAME, Web, daemon, folder, free_port, needs

CONFIG = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
    uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
    server {{
        listen 127.0.0.1:{port};
        listen {address}:{port};
        root {root};
        auth_basic "test"; auth_basic_user_file {folder}/passwords;
        dav_methods PUT; create_full_put_path on;
    }}
}}
"""


class Bridge(Web):
    """``url`` is the base URL for containers, without a trailing slash."""

    def __init__(self, root: Path, url: str) -> None:
        super().__init__(root)
        self.url = url

    def requests(self) -> list[str]:
        """``METHOD /path status`` of every request so far."""
        lines = (self.root.parent / "access.log").read_text().splitlines()
        return [" ".join([*line.split('"')[1].split()[:2], line.split('"')[2].split()[0]]) for line in lines]


@contextlib.contextmanager
def start() -> Iterator[Bridge]:
    """A running server; Missing if nginx is not installed. Docker must run."""
    program = needs("nginx")
    inspect = ["docker", "network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", "bridge"]
    subnet = subprocess.run(inspect, capture_output=True, text=True, check=True).stdout.strip()
    address = ip_network(subnet)[1]  # the first address is this machine
    with folder() as place:
        port = free_port()
        server = Bridge(place / "www", f"http://{address}:{port}")
        server.folder(server.root)
        hashing = [needs("openssl"), "passwd", "-apr1", "-stdin"]
        hashed = subprocess.run(hashing, input=PASSWORD.encode(), capture_output=True, check=True).stdout
        (place / "passwords").write_bytes(USERNAME.encode() + b":" + hashed)
        user = "user root;" if os.getuid() == 0 else ""
        text = CONFIG.format(folder=place, root=server.root, user=user, address=address, port=port)
        (place / "nginx.conf").write_text(text)
        command = [program, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "start.log")]
        with daemon(command, [port], place / "start.log"):
            yield server
