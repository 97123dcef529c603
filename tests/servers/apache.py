"""Apache: digest authentication with WebDAV behind it, plain with index pages, and WebDAV with locks."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tests.servers import PASSWORD, USERNAME, Missing, Seen, Web, daemon, folder, free_port, needs, settled

MODULES = Path("/usr/lib/apache2/modules")
REALM = "test"
OTHER_REALM = "Dateien für alle"  # asked for in folders called other
UMLAUT = "jürgen"  # another user, with the same password
PORTS = ("plain", "digest", "dav")

CONFIG = """
ServerRoot {folder}
ServerName 127.0.0.1
PidFile {folder}/apache.pid
ErrorLog {folder}/error.log
Mutex file:{folder}
{user}
{modules}
DavLockDB {folder}/locks
LogFormat "%m\\t%U%q\\t%>s\\t%{{Authorization}}i\\t%{{Range}}i\\t%{{Content-Length}}i" seen
CustomLog {folder}/access.log seen
DocumentRoot {root}
KeepAlive On
MaxKeepAliveRequests 0
AllowEncodedSlashes NoDecode
<Directory {root}>
    Require all granted
    Options +Indexes
    IndexOptions FancyIndexing
</Directory>
Listen 127.0.0.1:{plain}
Listen 127.0.0.1:{digest}
Listen 127.0.0.1:{dav}
<VirtualHost 127.0.0.1:{plain}>
</VirtualHost>
<VirtualHost 127.0.0.1:{digest}>
    <Location />
        Dav On
        AuthType Digest
        AuthName {realm}
        AuthUserFile {folder}/passwords
        Require valid-user
    </Location>
    <LocationMatch "^/[^/]+/other/">
        AuthName "{other_realm}"
    </LocationMatch>
</VirtualHost>
<VirtualHost 127.0.0.1:{dav}>
    <Location />
        Dav On
        Options -Indexes
    </Location>
</VirtualHost>
"""


class Apache(Web):
    """Base URLs without a slash at the end: plain, digest, dav."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        super().__init__(folder / "www")
        self._log = folder / "access.log"
        self.plain, self.digest, self.dav = (f"http://127.0.0.1:{ports[name]}" for name in PORTS)

    def requests(self, prefix: str = "/") -> list[Seen]:
        """Requests for paths (unquoted by Apache) that begin with ``prefix``, oldest first."""
        seen = []
        for line in settled(self._log, self.plain):
            method, path, status, *values = line.split("\t")
            named = zip(("authorization", "range", "content-length"), values, strict=True)
            headers = {name: value for name, value in named if value != "-"}
            if path.startswith(prefix):
                seen.append(Seen(method, path, headers, 0.0, int(status)))
        return seen


def _password_of(user: str, realm: str) -> str:
    """A line of the password file."""
    secret = hashlib.md5(f"{user}:{realm}:{PASSWORD}".encode(), usedforsecurity=False).hexdigest()
    return f"{user}:{realm}:{secret}\n"


@contextlib.contextmanager
def start() -> Iterator[Apache]:
    """All of Apache's ports in one server; Missing if it is not installed."""
    program = needs("apache2")
    if not MODULES.is_dir():
        raise Missing(f"no folder {MODULES}: run tests/install-servers.sh")
    with folder() as place:
        ports = {name: free_port() for name in PORTS}
        server = Apache(place, ports)
        server.root.mkdir()
        server.root.chmod(0o777)
        place.chmod(0o777)  # the lock database is here, and Apache does not serve as root
        lines = [_password_of(user, realm) for user in (USERNAME, UMLAUT) for realm in (REALM, OTHER_REALM)]
        (place / "passwords").write_text("".join(lines))
        names = (
            "mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_digest", "dav",
            "dav_fs", "autoindex", "dir", "mime",
        )  # fmt: skip
        (place / "mime.types").write_text("text/plain txt\n")
        (place / "apache.conf").write_text(
            CONFIG.format(
                folder=place,
                root=server.root,
                realm=REALM,
                other_realm=OTHER_REALM,
                user="User www-data\nGroup www-data" if os.getuid() == 0 else "",
                modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in names)
                + f"\nTypesConfig {place}/mime.types",
                **ports,
            )
        )
        command = [program, "-D", "FOREGROUND", "-f", str(place / "apache.conf")]
        with daemon(command, list(ports.values()), place / "start.log"):
            yield server
