"""SSH servers other than OpenSSH: dropbear, ProFTPD's mod_sftp, rclone, and one made with AsyncSSH. The
first two need root, for the account, like sshd. Each logs refusals in its own format.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.servers import PASSWORD, Missing, daemon, folder, free_port, needs
from tests.servers.sshd import ACCOUNT, Sshd, make_account, make_key

PROFTPD = """
ServerType standalone
ServerName red-test
DefaultAddress 127.0.0.1
SocketBindTight on
UseIPv6 off
Port {port}
User nobody
Group nogroup
PidFile {folder}/sshd.pid
ScoreboardFile {folder}/scoreboard
AuthPAM off
RequireValidShell off
ModulePath /usr/lib/proftpd
LoadModule mod_sftp.c
SFTPEngine on
SFTPHostKey {folder}/host_ed25519
SFTPAuthMethods password
<IfModule mod_delay.c>
DelayEngine off
</IfModule>
"""
REFUSED = re.compile(r"Bad password attempt|password rejected|Login failed|refused: ")


class Other(Sshd):
    """A running one: its port, folders, passwords and refusals; the rest of Sshd is unsupported."""

    def refusals(self) -> int:
        return len(REFUSED.findall(self.log()))


class ServersOwn(Other):
    """All files belong to the user who runs the server and the tests."""

    def own(self, path: Path) -> None:
        """To the server's user, who already owns it."""


@contextlib.contextmanager
def _started(
    kind: type[Other], command: Callable[[Other], list[str]], prefix: str | None = None
) -> Iterator[Other]:
    """Runs what ``command`` returns. Clients name the log-in directory ``prefix``, or as the tests do."""
    with folder() as place:
        root = place / "home"
        server = kind(place, root, str(root) if prefix is None else prefix, free_port())
        root.mkdir()
        server.own(root)
        with daemon(command(server), [server.port], place / "sshd.log"):
            yield server


def _host_key(server: Other) -> str:
    """The path of a new one."""
    path = server.folder / "host_ed25519"
    server.host_keys["ed25519"], server.fingerprints["ed25519"] = make_key(path)
    return str(path)


def dropbear() -> AbstractContextManager[Other]:
    """With a shell; SFTP is OpenSSH's own program for it."""

    def command(server: Other) -> list[str]:
        key = str(server.folder / "host_dropbear")
        words = [needs("dropbearconvert"), "openssh", "dropbear", _host_key(server), key]
        subprocess.run(words, check=True, capture_output=True)
        address = ["-p", f"127.0.0.1:{server.port}", "-P", f"{server.folder}/sshd.pid"]
        return [needs("dropbear"), "-F", "-E", "-r", key, *address]

    make_account()
    return _started(Other, command)


def proftpd(*options: str) -> AbstractContextManager[Other]:
    """SFTP only, its own implementation. ``options`` are configuration lines."""

    def command(server: Other) -> list[str]:
        _host_key(server)
        config = server.folder / "proftpd.conf"
        lines = PROFTPD.format(port=server.port, folder=server.folder), *options
        config.write_text("\n".join(lines))
        return [needs("proftpd"), "--nodaemon", "--config", str(config)]

    make_account()
    return _started(Other, command)


def rclone() -> AbstractContextManager[Other]:
    """SFTP only, as in Go's libraries; files have no modes."""

    def command(server: Other) -> list[str]:
        options = {
            "addr": f"127.0.0.1:{server.port}",
            "user": ACCOUNT,
            "pass": PASSWORD,
            "key": _host_key(server),
            "config": "",
            "cache-dir": f"{server.folder}/cache",
            "dir-cache-time": "0s",  # tests place files directly
            "vfs-cache-mode": "writes",
            "vfs-write-back": "0s",
        }
        words = [f"--{name}={value}" for name, value in options.items()]
        return [needs("rclone"), "serve", "sftp", *words, str(server.root)]

    return _started(ServersOwn, command, prefix="")


def asyncssh() -> AbstractContextManager[Other]:
    """SFTP only; strict about the order of SSH messages. It runs as root, who owns Python's files, but
    without capabilities: so it cannot read files that their owner cannot.
    """

    def command(server: Other) -> list[str]:
        words = [needs("setpriv"), "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
        words.append(sys.executable)
        if subprocess.run([*words, "-c", f"import asyncssh, {__name__}"], capture_output=True).returncode:
            raise Missing(
                f"{sys.executable} and the checkout must be readable for root without root's powers"
            )
        return [*words, "-m", __name__, str(server.port), _host_key(server), server.prefix]

    return _started(ServersOwn, command)


def serve(port: int, key: str, home: str) -> None:
    """The program that ``asyncssh`` runs."""
    import asyncio

    import asyncssh

    class Door(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, password: str) -> bool:
            if (username, password) == (ACCOUNT, PASSWORD):
                return True
            print("refused:", username, flush=True)
            return False

    async def listen() -> None:
        host = "127.0.0.1"
        await asyncssh.listen(host, port, server_factory=Door, server_host_keys=[key], sftp_factory=True)
        await asyncio.Future()

    os.chdir(home)
    asyncio.run(listen())


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2], sys.argv[3])
