"""OpenSSH's sshd: one with a shell, and one that allows only sftp in a chroot. Password log-in needs a Unix
account, and thus root: ``ACCOUNT`` is created once and kept. Keys, configuration, log and log-in directory
belong to one server and are removed with it. ~/.ssh and /etc/ssh are not used.
"""

import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.servers import PASSWORD, Missing, daemon, folder, free_port, needs

ACCOUNT = "red-test"
KINDS = {"ed25519": "ed25519", "ecdsa": "ecdsa", "rsa": "rsa -b 2048"}
REFUSED = re.compile(r"Failed (?:password|publickey|keyboard-interactive\S*) for ")
ACCEPTED = re.compile(r"Accepted (?:password|publickey|keyboard-interactive\S*) for ")

# The first value of a keyword counts, so the options of start() come before this.
CONFIG = """
ListenAddress 127.0.0.1
Port {port}
PidFile {folder}/sshd.pid
LogLevel VERBOSE
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
UseDNS no
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication yes
MaxStartups 100
PrintMotd no
PrintLastLog no
"""
SHELL = "Subsystem sftp /usr/lib/openssh/sftp-server -d {root}\n"
SFTP_ONLY = """
Subsystem sftp internal-sftp -d /data
ForceCommand internal-sftp -d /data
ChrootDirectory {chroot}
AllowTcpForwarding no
X11Forwarding no
"""


class Sshd:
    """A running server. ``root`` is the log-in directory as the tests see it, ``prefix`` as clients name it.

    ``key`` is an authorized private key (ed25519, not encrypted). ``host_keys`` are public key lines
    (``ssh-ed25519 AAAA…``), ``fingerprints`` are ``SHA256:…``, both by kind: ed25519, ecdsa, rsa.
    """

    host = "127.0.0.1"
    username = ACCOUNT
    password = PASSWORD

    def __init__(self, place: Path, root: Path, prefix: str, port: int) -> None:
        self.port = port
        self.root = root
        self.prefix = prefix
        self.folder = place
        self.key = place / "client_ed25519"
        self.host_keys: dict[str, str] = {}
        self.fingerprints: dict[str, str] = {}
        self.within: Sequence[str] = ()

    def running(self) -> contextlib.AbstractContextManager[None]:
        """A serving process; started again if a test has killed it."""
        command = [*self.within, needs("sshd"), "-D", "-e", "-f", str(self.folder / "sshd_config")]
        return daemon(command, [self.port], self.folder / "sshd.log")

    def remote(self, path: str) -> str:
        """The absolute name, for clients, of ``path`` below the log-in directory."""
        return f"{self.prefix}/{path}".rstrip("/")

    def place(self, path: str | bytes, content: bytes, mode: int = 0o644) -> Path:
        """Put a file below the log-in directory, owned by the account. ``path`` need not be UTF-8."""
        file = self.root / os.fsdecode(path)
        self.make_dir(file.parent)
        file.write_bytes(content)
        file.chmod(mode)
        self.own(file)
        return file

    def make_dir(self, path: str | Path) -> Path:
        """Make a directory and its parents below the log-in directory, owned by the account."""
        folder = self.root / path
        missing = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in missing:
            self.own(one)
        return folder

    def own(self, path: Path) -> None:
        """Make the account the owner of a file, folder or symbolic link."""
        account = pwd.getpwnam(ACCOUNT)
        os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def authorize(self, public: str) -> None:
        """Authorize a key: a line as in authorized_keys, with optional options."""
        with open(self.folder / "authorized_keys", "a") as file:
            file.write(public.strip() + "\n")

    def known_hosts(self, kinds: Sequence[str] = tuple(KINDS), host: str = "", port: int = 0) -> str:
        """Lines for a known_hosts file, for another name or port (a relay's) if given."""
        name = f"[{host or self.host}]:{port or self.port}"
        return "".join(f"{name} {line}\n" for kind, line in self.host_keys.items() if kind in kinds)

    def log(self) -> str:
        """The server's log, once all connections are closed (or after 5 s)."""
        deadline = time.monotonic() + 5
        while self.conversations() and time.monotonic() < deadline:
            time.sleep(0.005)
        return (self.folder / "sshd.log").read_text(errors="replace")

    def refusals(self) -> int:
        """Number of refused passwords and keys."""
        return len(REFUSED.findall(self.log()))

    def logins(self) -> int:
        """Number of log-ins."""
        return len(ACCEPTED.findall(self.log()))

    def hang_up(self) -> None:
        """Disconnect every client."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """To all processes of all connections."""
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):  # the log-in process is exiting
                os.kill(process, number)

    def processes(self) -> list[int]:
        """Those of all connections: the one that serves a client is a child of its monitor, and survives the
        monitor for a while."""
        return [one for number in self.conversations() for one in _family(number)]

    def conversations(self) -> list[int]:
        """The current monitor processes."""
        try:
            number = (self.folder / "sshd.pid").read_text().strip()
            children = Path(f"/proc/{number}/task/{number}/children").read_text()
        except OSError:  # a test has killed the server
            return []
        return [int(one) for one in children.split()]


def _family(number: int) -> list[int]:
    """That process and its descendants."""
    try:
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()
    except OSError:  # it has just exited
        return []
    return [number, *(one for child in children for one in _family(int(child)))]


@contextlib.contextmanager
def start(
    *options: str,
    sftp_only: bool = False,
    interactive: bool = False,
    kinds: Sequence[str] = tuple(KINDS),
    within: Sequence[str] = (),
) -> Iterator[Sshd]:
    """A server; Missing without sshd or root. ``options`` are lines at the beginning of sshd_config:
    ``"MaxSessions 1"``, ``"PasswordAuthentication no"``, ``"Ciphers aes128-ctr"``. ``interactive`` allows
    only keyboard-interactive passwords. ``kinds`` are those of the host keys. ``within`` is a command
    prefix.
    """
    program = needs("sshd")
    make_account()
    Path("/run/sshd").mkdir(0o755, exist_ok=True)
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(folder())
        root, prefix, flavour = place / "home", str(place / "home"), SHELL
        if sftp_only:
            chroot = stack.enter_context(_chroot())
            root, prefix, flavour = chroot / "data", "/data", SFTP_ONLY.replace("{chroot}", str(chroot))
        server = Sshd(place, root, prefix, free_port())
        server.within = within
        root.mkdir()
        server.own(root)
        for kind in kinds:
            server.host_keys[kind], server.fingerprints[kind] = make_key(place / f"host_{kind}", kind)
        server.authorize(make_key(server.key)[0])
        lines = [*options, *(f"HostKey {place}/host_{kind}" for kind in kinds)]
        if interactive:
            lines += ["UsePAM yes", "KbdInteractiveAuthentication yes", "PasswordAuthentication no"]
        if _has_penalties(program):
            lines += ["PerSourcePenalties no"]
        text = CONFIG + flavour
        lines += [text.format(port=server.port, folder=place, root=root)]
        (place / "sshd_config").write_text("\n".join(lines))
        stack.enter_context(server.running())
        try:
            yield server
        finally:
            for number in server.conversations():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGTERM)


def make_key(path: Path, kind: str = "ed25519", *options: str) -> tuple[str, str]:
    """Make a key pair at ``path``; the public line and the fingerprint. ``options`` are ssh-keygen's."""
    words = [needs("ssh-keygen"), "-q", "-t", *KINDS[kind].split(), "-C", "", "-f", str(path)]
    subprocess.run([*words, *options] if "-N" in options else [*words, "-N", "", *options], check=True)
    shown = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], capture_output=True, text=True, check=True)
    return Path(f"{path}.pub").read_text().strip(), shown.stdout.split()[1]


def make_account() -> None:
    """The account with its password, even if several test runs start concurrently."""
    if os.getuid() != 0:
        raise Missing("a server lets a password in only where root has made an account")
    with open(f"/run/{ACCOUNT}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        home = f"/run/{ACCOUNT}"
        try:
            pwd.getpwnam(ACCOUNT)
        except KeyError:
            words = [needs("useradd"), "--system", "--no-create-home", "--home-dir", home]
            subprocess.run([*words, "--shell", "/bin/sh", ACCOUNT], check=True)
        Path(home).mkdir(0o755, exist_ok=True)
        account = f"{ACCOUNT}:{PASSWORD}\n".encode()
        # -c: the hash does not depend on the machine's PAM configuration.
        subprocess.run([needs("chpasswd"), "-c", "SHA512"], input=account, check=True)


@contextlib.contextmanager
def _chroot() -> Iterator[Path]:
    """A folder for chroots: only root may write to its parents, which rules out /tmp."""
    path = Path(tempfile.mkdtemp(prefix="red-server-", dir="/run"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _has_penalties(program: str) -> bool:
    """Whether this sshd (9.8 or later) locks out clients after failed log-ins, which the tests cause."""
    tried = [program, "-G", "-f", "/dev/null", "-o", "PerSourcePenalties=no"]
    return subprocess.run(tried, capture_output=True).returncode == 0
