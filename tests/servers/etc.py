"""A copy of /etc for a single server: accounts and rules that the machine does not have."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.servers import PASSWORD, Missing, needs

GUEST = "red-guest"
NUMBER = 54_017  # of the user and the group
COPIED = (
    "pam.d",
    "security",
    "login.defs",
    "nsswitch.conf",
    "passwd",
    "shadow",
    "group",
    "ssl",
    "environment",
)


class Etc:
    """``within`` is the command prefix to start a server with it."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.within: Sequence[str] = (
            "unshare",
            "-m",
            "sh",
            "-c",
            f'mount --bind {place} /etc && exec "$@"',
            "sh",
        )

    def guest(
        self, *, shell: str = "/bin/sh", locked: bool = False, changed: str = "20000", expires: str = ""
    ) -> None:
        """The account, with PASSWORD. ``changed`` (of the password) and ``expires`` (of the account) are in
        days since 1970; 0 forces a change now. See shadow(5)."""
        words = [needs("openssl"), "passwd", "-6", "-stdin"]
        known = subprocess.run(
            words, input=PASSWORD, capture_output=True, text=True, check=True
        ).stdout.strip()
        mark = "!" if locked else ""
        self._add("passwd", f"{GUEST}:x:{NUMBER}:{NUMBER}::/tmp:{shell}")
        self._add("group", f"{GUEST}:x:{NUMBER}:")
        self._add("shadow", f"{GUEST}:{mark}{known}:{changed}:0:99999:7::{expires}:")

    def write(self, name: str, text: str) -> None:
        (self.place / name).write_text(text)

    def _add(self, name: str, line: str) -> None:
        file = self.place / name
        others = [one for one in file.read_text().splitlines() if not one.startswith(f"{GUEST}:")]
        file.write_text("\n".join([*others, line, ""]))


@contextlib.contextmanager
def copied(place: Path) -> Iterator[Etc]:
    """Missing if private mounts are not allowed."""
    if subprocess.run([needs("unshare"), "-m", "true"], capture_output=True).returncode:
        raise Missing("a process may not have mounts of its own here")
    place.mkdir()
    for name in COPIED:
        source = Path("/etc") / name
        if source.is_dir():
            shutil.copytree(source, place / name, symlinks=True)
        elif source.exists():
            shutil.copy2(source, place / name)
    yield Etc(place)
