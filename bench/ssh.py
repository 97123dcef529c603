"""Both ways over SSH, compared with OpenSSH's sftp and scp, rsync, rclone and the existing connector."""

import os
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.measure import Contender, Result, side_by_side
from bench.place import (
    DELAY,
    EXISTING,
    FAR_FILES,
    FILE_SIZE,
    FILES,
    GIB,
    MIB,
    PARALLEL,
    Goal,
    Place,
    Scenario,
    emptied,
    existing,
    is_directory,
    is_file,
    ours,
    theirs,
)
from tests.servers import delay
from tests.servers.sshd import Sshd, make_key

MANY = 10_000
OURS, SFTP, SCP, RSYNC, RCLONE = "red-connector-ssh", "sftp", "scp", "rsync", "rclone"


class Entrance(NamedTuple):
    """How to log in; all programs use the same key, RSA because of the existing connector."""

    here: Place
    server: Sshd
    port: int
    key: Path

    @property
    def options(self) -> list[str]:
        """For OpenSSH's programs: only this key and host key, no settings of the machine."""
        settings = {
            "UserKnownHostsFile": self.known_hosts,
            "GlobalKnownHostsFile": "/dev/null",
            "StrictHostKeyChecking": "yes",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "IdentityFile": self.key,
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "Port": self.port,
        }
        return ["-F", "none", *(word for name in settings for word in ("-o", f"{name}={settings[name]}"))]

    @property
    def known_hosts(self) -> Path:
        return self.here.folder / "known_hosts"

    @property
    def host(self) -> str:
        return f"{self.server.username}@{self.server.host}"

    def document(self, **where: str) -> Path:
        auth = {"username": self.server.username, "privateKey": self.key.read_text()}
        place = {"host": self.server.host, "port": self.port}
        return self.here.document("access.json", {**place, "auth": auth, **where})

    def known(self) -> dict[str, str]:
        """Makes ours check the host key, like OpenSSH."""
        return {"RED_KNOWN_HOSTS": str(self.known_hosts)}

    def rclone(self, path: str) -> str:
        values = {
            "host": self.server.host,
            "port": self.port,
            "user": self.server.username,
            "key_file": self.key,
            "known_hosts_file": self.known_hosts,
        }
        return f":sftp,{','.join(f'{name}={value}' for name, value in values.items())}:{path}"

    def sftp(self, *commands: str) -> list[object]:
        """The command line to run ``commands`` in sftp."""
        script = 'printf "%s\\n" "$0" | sftp -q -b - "$@"'
        return ["sh", "-c", script, "\n".join(commands), *self.options, self.host]

    def existing(self, *line: object, most: int = 0) -> Contender:
        return theirs(EXISTING, existing(OURS), *line, most=most)


@contextmanager
def entered(here: Place, server: Sshd, delayed: bool = False) -> Iterator[Entrance]:
    key = here.folder / f"key-{server.port}"
    if not key.exists():
        server.authorize(make_key(key, "rsa")[0])
    with delay.start(server.port, DELAY, handshake=True) as relay:
        entrance = Entrance(here, server, relay.port if delayed else server.port, key)
        entrance.known_hosts.write_text(server.known_hosts(port=entrance.port))
        yield entrance


def _rsync(entrance: Entrance) -> list[object]:
    return ["rsync", "-rp", "-e", shlex.join(["ssh", *entrance.options])]


def _rclone(verb: str) -> list[object]:
    return ["rclone", "--config", "", verb, "--transfers", PARALLEL, "--checkers", PARALLEL]


def _receive_file(here: Place, rounds: int) -> list[Result]:
    with entered(here, here.sshd) as entrance:
        far = here.sshd.remote("large")
        line = ["receive-file", entrance.document(filePath=far), "{target}/large"]
        contenders = [
            ours(OURS, *line, env=entrance.known()),
            entrance.existing(*line, most=1),
            theirs(SFTP, *entrance.sftp(f"get {far} {{target}}/large")),
            theirs(SCP, "scp", "-q", *entrance.options, f"{entrance.host}:{far}", "{target}/large", most=2),
            theirs(RSYNC, *_rsync(entrance), f"{entrance.host}:{far}", "{target}/large", most=2),
            theirs(RCLONE, *_rclone("copyto"), entrance.rclone(far), "{target}/large", most=2),
        ]
        return side_by_side(contenders, rounds, here.fresh, is_file(GIB, "large"))


def _send_file(here: Place, rounds: int) -> list[Result]:
    with entered(here, here.sshd) as entrance:
        near, far = here.sshd.root / "large", here.sshd.remote("target/large")
        line = ["send-file", entrance.document(filePath=far), near]
        contenders = [
            ours(OURS, *line, env=entrance.known()),
            entrance.existing(*line, most=1),
            theirs(SFTP, *entrance.sftp(f"put {near} {far}")),
            theirs(SCP, "scp", "-q", *entrance.options, near, f"{entrance.host}:{far}", most=2),
            theirs(RSYNC, *_rsync(entrance), near, f"{entrance.host}:{far}", most=2),
            theirs(RCLONE, *_rclone("copyto"), near, entrance.rclone(far), most=2),
        ]
        return side_by_side(contenders, rounds, lambda: far_target(here.sshd), is_file(GIB, "large"))


def _receive_dir(count: int, *left_out: str, delayed: bool = False) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with entered(here, here.sshd, delayed) as entrance:
            name = f"files-{count}"
            for number in range(count):
                here.sshd.place(f"{name}/{number}", os.urandom(FILE_SIZE))
            far = here.sshd.remote(name)
            line = ["receive-dir", entrance.document(dirPath=far), f"{{target}}/{name}"]
            once = 1 if delayed else 0
            contenders = [
                ours(OURS, *line, env=entrance.known()),
                entrance.existing(*line, most=1),
                theirs(SFTP, *entrance.sftp(f"get -r {far} {{target}}"), most=once),
                theirs(SCP, "scp", "-qr", *entrance.options, f"{entrance.host}:{far}", "{target}"),
                theirs(RSYNC, *_rsync(entrance), f"{entrance.host}:{far}", "{target}"),
                theirs(RCLONE, *_rclone("copy"), entrance.rclone(far), f"{{target}}/{name}", most=1),
            ]
            asked = [one for one in contenders if one.name not in left_out]
            return side_by_side(asked, rounds, here.fresh, is_directory(count, name))

    return run


def _send_dir(count: int, *left_out: str) -> Callable[[Place, int], list[Result]]:
    def run(here: Place, rounds: int) -> list[Result]:
        with entered(here, here.sshd) as entrance:
            near, far = source(here, count), here.sshd.remote("target")
            line = ["send-dir", entrance.document(dirPath=f"{far}/{near.name}"), near]
            contenders = [
                ours(OURS, *line, env=entrance.known()),
                entrance.existing(*line, most=1),
                theirs(SFTP, *entrance.sftp(f"put -r {near} {far}")),
                theirs(SCP, "scp", "-qr", *entrance.options, near, f"{entrance.host}:{far}"),
                theirs(RSYNC, *_rsync(entrance), near, f"{entrance.host}:{far}"),
                theirs(RCLONE, *_rclone("copy"), near, entrance.rclone(f"{far}/{near.name}"), most=1),
            ]
            asked = [one for one in contenders if one.name not in left_out]
            check = is_directory(count, near.name)
            return side_by_side(asked, rounds, lambda: far_target(here.sshd), check)

    return run


def _sftp_only(here: Place, rounds: int) -> list[Result]:
    """Sending: the existing connector cannot receive from such a server, and sends only by a listing."""
    server = here.sftp_only
    with entered(here, server, delayed=True) as entrance:
        near, far = source(here, FAR_FILES), server.remote("target")
        files = [{"class": "File", "basename": one.name} for one in near.iterdir()]
        listing = here.document("listing.json", files)
        line = ["send-dir", entrance.document(dirPath=f"{far}/{near.name}"), near, "--listing", listing]
        contenders = [
            ours(OURS, *line, env=entrance.known()),
            entrance.existing(*line, most=1),
            theirs(RCLONE, *_rclone("copy"), near, entrance.rclone(f"{far}/{near.name}"), most=1),
        ]
        check = is_directory(FAR_FILES, near.name)
        return side_by_side(contenders, rounds, lambda: far_target(server), check)


def far_target(server: Sshd) -> Path:
    folder = emptied(server.root / "target")
    server.own(folder)
    return folder


def source(here: Place, count: int) -> Path:
    """A directory with that many files."""
    folder = here.folder / f"files-{count}"
    if not folder.exists():
        folder.mkdir()
        for number in range(count):
            (folder / str(number)).write_bytes(os.urandom(FILE_SIZE))
    return folder


_MEMORY = 80 * MIB


def _scenario(
    name: str,
    title: str,
    rounds: int,
    run: Callable[[Place, int], list[Result]],
    *goals: tuple[str, float],
    memory: int = 0,
) -> Scenario:
    """All over SSH, compared with the programs in ``goals``."""
    return Scenario(OURS, f"ssh-{name}", title, rounds, run, [Goal(*goal) for goal in goals], memory)


# Programs that take minutes are omitted. The existing connector waits 40 ms per sent file, rclone runs a
# checksum command per file; with latency, scp works like sftp.
SCENARIOS: Sequence[Scenario] = (
    _scenario("receive", "1 GiB, ssh", 3, _receive_file, (SFTP, 1.2), (RCLONE, 0.8), memory=_MEMORY),
    _scenario("send", "1 GiB, ssh, sent", 3, _send_file, (SFTP, 1.3), (RCLONE, 0.9), memory=_MEMORY),
    _scenario("receive-files", "1000 × 4 KiB, ssh", 5, _receive_dir(FILES), (RSYNC, 1.2)),
    _scenario("send-files", "1000 × 4 KiB, ssh, sent", 5, _send_dir(FILES), (RSYNC, 1.2)),
    _scenario(
        "receive-many", "10,000 × 4 KiB, ssh", 5, _receive_dir(MANY, RCLONE),
        (RSYNC, 0.9), memory=_MEMORY,
    ),
    _scenario(
        "send-many", "10,000 × 4 KiB, ssh, sent", 5, _send_dir(MANY, RCLONE, EXISTING),
        (RSYNC, 0.9), memory=_MEMORY,
    ),
    _scenario(
        "distant", "200 × 4 KiB, ssh, 25 ms away", 2, _receive_dir(FAR_FILES, SCP, delayed=True),
        (EXISTING, 0.1), (SFTP, 0.8),
    ),
    _scenario("sftp-only", "200 × 4 KiB, sent to sftp only, 25 ms", 2, _sftp_only, (EXISTING, 0.25)),
)  # fmt: skip
