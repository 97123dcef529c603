"""SSH servers that are not OpenSSH: dropbear, ProFTPD's mod_sftp, and one made with AsyncSSH.

The first two need root, for the account, as sshd does. Their logs tell refusals in words of their own.
"""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers import PASSWORD, daemon, folder, free_port, needs
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
DelayTable {folder}/delay
AuthPAM off
RequireValidShell off
ModulePath /usr/lib/proftpd
LoadModule mod_sftp.c
SFTPEngine on
SFTPHostKey {folder}/host_ed25519
SFTPAuthMethods password
DelayEngine off
"""
REFUSED = re.compile(r"Bad password attempt|Login failed|refused: ")


class Other(Sshd):
    """A running one; its log has gone where sshd's goes. It has no ``key`` that may log in."""

    def refusals(self) -> int:
        return len(REFUSED.findall(self.log()))


@contextlib.contextmanager
def _other() -> Iterator[Other]:
    """Its folder, its account and its host key; not started."""
    make_account()
    with folder() as place:
        server = Other(place, place / "home", str(place / "home"), free_port())
        server.root.mkdir()
        server.own(server.root)
        yield server


def _host_key(server: Other) -> Path:
    path = server.folder / "host_ed25519"
    server.host_keys["ed25519"], server.fingerprints["ed25519"] = make_key(path)
    return path


@contextlib.contextmanager
def dropbear() -> Iterator[Other]:
    """With a shell; SFTP is OpenSSH's own program for it."""
    with _other() as server:
        key = server.folder / "host_dropbear"
        words = [needs("dropbearkey"), "-t", "ed25519", "-f", str(key)]
        told = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        (line,) = (line for line in told.splitlines() if line.startswith("ssh-ed25519 "))
        (server.folder / "host.pub").write_text(line + "\n")
        shown = subprocess.run(
            [needs("ssh-keygen"), "-lf", str(server.folder / "host.pub")],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
        server.host_keys["ed25519"], server.fingerprints["ed25519"] = line, shown.stdout.split()[1]
        words = [needs("dropbear"), "-F", "-E", "-r", str(key), "-p", f"127.0.0.1:{server.port}"]
        words += ["-P", str(server.folder / "sshd.pid")]
        with daemon(words, [server.port], server.folder / "sshd.log"):
            yield server


@contextlib.contextmanager
def proftpd() -> Iterator[Other]:
    """Nothing but SFTP, and an implementation of that of its own."""
    with _other() as server:
        _host_key(server)
        config = server.folder / "proftpd.conf"
        config.write_text(PROFTPD.format(port=server.port, folder=server.folder))
        words = [needs("proftpd"), "--nodaemon", "--config", str(config)]
        with daemon(words, [server.port], server.folder / "sshd.log"):
            yield server


class Powerless(Other):
    """Runs as root, but without root's powers: so it can read Python's files, wherever they are, and not
    what its owner may not."""

    def own(self, path: Path) -> None:
        """It is its own already."""


@contextlib.contextmanager
def asyncssh() -> Iterator[Other]:
    """Nothing but SFTP; strict about the order in which SSH's messages come."""
    with folder() as place:
        server = Powerless(place, place / "home", str(place / "home"), free_port())
        server.root.mkdir()
        words = [needs("setpriv"), "--bounding-set=-all", "--inh-caps=-all"] if os.getuid() == 0 else []
        words += [sys.executable, "-m", __name__, str(server.port), str(_host_key(server)), server.prefix]
        with daemon(words, [server.port], server.folder / "sshd.log"):
            yield server


def serve(port: int, key: str, home: str) -> None:
    """What ``asyncssh`` runs."""
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
