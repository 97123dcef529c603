"""nginx: plain with autoindex, basic authentication, TLS, client certificates, and WebDAV."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.servers import (
    PASSWORD,
    USERNAME,
    Missing,
    Seen,
    Web,
    authority,
    daemon,
    folder,
    free_port,
    needs,
    settled,
)

MODULE = Path("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so")
PORTS = ("plain", "basic", "tls", "client", "dav", "put")

# The names are request headers; nginx writes "" for a missing one.
HEADERS = (
    "authorization", "range", "if-range", "accept-encoding", "content-length", "content-type", "expect",
    "transfer-encoding", "user-agent", "host", "destination", "x-test",
)  # fmt: skip

CONFIG = """
{load}
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 512; }}
http {{
    log_format seen escape=json '{{"method":"$request_method","path":"$request_uri","status":$status,'
        '"connection":"$connection","headers":{{{headers}}}}}';
    access_log {folder}/access.log seen;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    sendfile on;
    default_type application/octet-stream;
    root {root};
    ssl_certificate {pki.certificate};
    ssl_certificate_key {pki.key};

    # What a plain web server is: files and index pages, nothing can be written.
    server {{ listen 127.0.0.1:{plain}; autoindex on; }}

    # WebDAV as nginx has it, behind a password.
    server {{
        listen 127.0.0.1:{basic}; autoindex on;
        auth_basic "test"; auth_basic_user_file {folder}/passwords;
        dav_methods PUT DELETE MKCOL COPY MOVE; {dav_ext}
        dav_access user:rw group:rw all:rw;
    }}
    server {{
        listen 127.0.0.1:{tls} ssl; autoindex on;
        dav_methods PUT DELETE MKCOL COPY MOVE; {dav_ext}
    }}
    server {{
        listen 127.0.0.1:{client} ssl; autoindex on;
        ssl_client_certificate {pki.ca}; ssl_verify_client on;
    }}
    # WebDAV without index pages: only PROPFIND tells what there is.
    server {{
        listen 127.0.0.1:{dav};
        dav_methods PUT DELETE MKCOL COPY MOVE; {dav_ext}
    }}
    # PUT and nothing else: no WebDAV, no index pages, parents are made by the server.
    server {{
        listen 127.0.0.1:{put};
        dav_methods PUT; create_full_put_path on;
    }}
}}
"""


class Nginx(Web):
    """Base URLs without a slash at the end: plain, basic, tls, client, dav, put."""

    def __init__(self, folder: Path, ports: dict[str, int], pki: authority.Authority) -> None:
        super().__init__(folder / "www")
        self.ports = ports
        self.pki = pki
        self._log = folder / "access.log"
        self.plain, self.basic, self.dav, self.put = (
            f"http://127.0.0.1:{ports[name]}" for name in ("plain", "basic", "dav", "put")
        )
        self.tls, self.client = (f"https://127.0.0.1:{ports[name]}" for name in ("tls", "client"))

    def requests(self, prefix: str = "/") -> list[Seen]:
        """Requests for paths (as sent, still quoted) that begin with ``prefix``, oldest first."""
        seen = []
        for line in settled(self._log, self.plain):
            entry = json.loads(line)
            if entry["path"].startswith(prefix):
                sent = {name: value for name, value in entry["headers"].items() if value}
                seen.append(
                    Seen(entry["method"], entry["path"], sent, 0.0, entry["status"], b"", entry["connection"])
                )
        return seen


@contextlib.contextmanager
def start() -> Iterator[Nginx]:
    """All of nginx's ports in one process; Missing if nginx or its dav-ext module is not installed."""
    program = needs("nginx")
    if not MODULE.exists():
        raise Missing("libnginx-mod-http-dav-ext is not installed: run tests/install-servers.sh")
    with folder() as place:
        pki = authority.make(place)
        ports = {name: free_port() for name in PORTS}
        server = Nginx(place, ports, pki)
        server.root.mkdir()
        server.root.chmod(0o777)
        hashed = subprocess.run(
            [needs("openssl"), "passwd", "-apr1", "-stdin"],
            input=PASSWORD.encode(),
            capture_output=True,
            check=True,
        )
        (place / "passwords").write_bytes(USERNAME.encode() + b":" + hashed.stdout)
        (place / "nginx.conf").write_text(
            CONFIG.format(
                load=f"load_module {MODULE};",
                user="user root;" if os.getuid() == 0 else "",
                folder=place,
                root=server.root,
                pki=pki,
                dav_ext="dav_ext_methods PROPFIND OPTIONS;",
                headers=",".join(f'"{name}":"$http_{name.replace("-", "_")}"' for name in HEADERS),
                **ports,
            )
        )
        command = [program, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "start.log")]
        with daemon(command, list(ports.values()), place / "start.log"):
            yield server
