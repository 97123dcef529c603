"""What is quick as it knows paramiko from inside: that it is in use, that it is right, and what if not."""

import contextlib
import hashlib
import inspect
import os
import random
import subprocess
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.auth_handler import AuthHandler
from paramiko.packet import Packetizer

from connectors.access.prepare import Prepared
from connectors.model import RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Verb
from connectors.settings import Settings
from connectors.ssh import express
from connectors.ssh.login.ssh_session import Session
from connectors.ssh.sftp import conversation
from connectors.ssh.ssh_remote import SshRemote
from connectors.transfer import engine
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.servers import sshd as servers
from tests.servers.sftp_fault import WRITE, Request
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.calls import Caller, to
from tests.support.far import SSH, Far, Snapshot, build, small_disk, snapshot
from tests.support.program import peak, start
from tests.support.sessions import at, opened

MIB = 1 << 20
BODY = random.Random(5).randbytes(MIB)
LARGEST = 80  # MiB of memory that a transfer may take

READ_AGAINST: dict[type, dict[str, str]] = {
    Packetizer: {
        "read_message": "8a29f98dac4f",
        "read_all": "a9114fc41be4",
        "send_message": "a0448325a6b8",
        "write_all": "61eb04ab55d3",
        "set_inbound_cipher": "677f49610b73",
        "set_outbound_cipher": "400d02590784",
        "_trigger_rekey": "2cade5fff059",
        "need_rekey": "5603526aabe3",
        "_check_keepalive": "3476cf1f4b78",
        "closed": "6369f524f8c3",
        "close": "a3ed713dd69a",
        "readline": "b1386455ec55",
        "start_handshake": "34e85d724bfa",
    },
    paramiko.Transport: {
        "__init__": "44dc6d4b846e",
        "run": "755977c923fa",
        "_send_message": "67099931f46d",
        "_send_user_message": "cdbdef4eed8d",
        "_send_kex_init": "3601a52efb64",
        "_activate_inbound": "f5734a8dbc70",
        "_activate_outbound": "ebcd5535b237",
        "_parse_newkeys": "eda51cb66eb4",
        "open_channel": "f51e184d448e",
        "_parse_kex_init": "5f4897157441",
        "_parse_disconnect": "65b050e8fa16",
        "_parse_channel_open_failure": "4a8c391a0bee",
        "_verify_key": "a6d259879034",
        "_check_banner": "cd93532ce6aa",
        "get_exception": "a47d8becfb02",
        "is_authenticated": "529293e80175",
    },
    paramiko.Channel: {
        "_wait_for_send_window": "fc0be139d93f",
        "_window_adjust": "9cfe48702538",
        "_set_window": "939677482253",
        "_set_remote_channel": "aed820c37347",
        "send": "db6351bef1db",
        "recv": "a93faa96f162",
        "_check_add_window": "c4c3313e27f0",
        "_feed": "282a5963b1c6",
        "_handle_close": "07d91b2b3687",
        "_request_failed": "78920e2468eb",
        "_wait_for_event": "ce4873c71428",
        "_unlink": "ff0b5191d110",
        "shutdown": "2a00b8ad3617",
        "_send_eof": "139bf3acdbef",
    },
    AuthHandler: {
        "_request_auth": "cd8f9b2032f9",
        "auth_none": "82cb2ac8087c",
        "auth_publickey": "e991475c88c5",
        "auth_password": "3961e5ce4d08",
        "auth_interactive": "3288148096c3",
        "abort": "f7889b23cc5c",
        "_parse_service_accept": "a66c25d258d3",
        "_parse_userauth_success": "947ee5a0f597",
        "_parse_userauth_failure": "e44fcc468d55",
        "_parse_userauth_info_request": "d0b098ce246c",
    },
}


def source(function: Any) -> str:
    """A short digest of its source, wherever it stands and whatever blanks end its lines."""
    text = inspect.getsource(function.fget if isinstance(function, property) else function)
    lines = [line.rstrip() for line in textwrap.dedent(text).splitlines()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]


@pytest.mark.parametrize("owner", READ_AGAINST, ids=lambda owner: owner.__name__)
def test_paramiko_is_still_what_we_have_read(owner: type) -> None:
    """When this fails: compare the functions with those of the version before, see that what express.py says
    is taken for granted still holds, add the version to its KNOWN, and put the digests here that are shown.
    """
    found = {name: source(inspect.getattr_static(owner, name)) for name in READ_AGAINST[owner]}
    assert found == READ_AGAINST[owner]
    assert paramiko.__version__.startswith(express.KNOWN)


# --- helpers ----------------------------------------------------------------------------------------


def move(session: Session, verb: Verb, path: str, local: Path) -> None:
    """One transfer in a session that others may use at the same time."""
    job = Job(verb, Settings(timeout=10, retries=0), Progress(), Receipts(""))
    engine.MOVES[verb](SshRemote(session, path, job), job, str(local), Prepared({}, None, None, None))


def tree(files: int) -> Snapshot:
    return {b"%d/f%d" % (number % 7, number): BODY[number * 9 : number * 13] for number in range(files)} | {
        b"%d" % number: None for number in range(7)
    }


def moves_everything(session: Session, far: Far, here: Path, files: int = 40, size: int = 5 * MIB) -> None:
    """All four verbs at the same time, in one session, with the right bytes."""
    large = (BODY * (size // MIB + 1))[:size]
    far.place("file", large)
    for path, content in tree(files).items():
        if content is not None:
            far.place(b"tree/" + path, content)
    build(here / "tree", tree(files))
    (here / "large").write_bytes(large)
    tasks: list[tuple[Verb, str, Path]] = [
        (RECEIVE_FILE, "file", here / "received"),
        (SEND_FILE, "sent", here / "large"),
        (RECEIVE_DIR, "tree", here / "received-tree"),
        (SEND_DIR, "sent-tree", here / "tree"),
    ]
    failures: list[BaseException] = []

    def work(verb: Verb, path: str, local: Path) -> None:
        try:
            move(session, verb, far.server.remote(f"{far.folder}/{path}"), local)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=task, daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert failures == []
    assert (here / "received").read_bytes() == large == (far.root / "sent").read_bytes()
    assert snapshot(here / "received-tree") == tree(files) == snapshot(far.root / "sent-tree")


@contextlib.contextmanager
def server(*options: str) -> Iterator[Far]:
    with require.running("sshd", lambda: servers.start(*options)) as sshd:
        yield Far(sshd, "folder")


# --- in use, and not --------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", express.CIPHERS)
def test_with_aes_gcm_packets_go_the_fast_way(sshd: Sshd, fresh: str, tmp_path: Path, cipher: str) -> None:
    with opened(at(sshd), ciphers=(cipher,)) as session:
        fast = express.express_of(session.transport)
        assert fast is not None
        moves_everything(session, Far(sshd, fresh), tmp_path)
        assert fast._received > 5 * MIB
        assert fast._sent > 5 * MIB


@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes128-ctr", "aes192-ctr"])
def test_another_cipher_goes_paramikos_own_way(tmp_path: Path, cipher: str) -> None:
    with server(f"Ciphers {cipher}") as far, opened(at(far.server)) as session:
        assert express.express_of(session.transport) is None
        moves_everything(session, far, tmp_path, files=400)


def test_a_version_of_paramiko_that_nobody_has_read_goes_its_own_way(
    sshd: Sshd, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paramiko, "__version__", "5.2.0")
    with opened(at(sshd)) as session:
        assert type(session.transport) is paramiko.Transport
        moves_everything(session, Far(sshd, fresh), tmp_path, files=400)


def test_through_a_jump_host_files_go_as_well(
    sshd: Sshd, sftp_only: Sshd, fresh: str, tmp_path: Path
) -> None:
    with opened(at(sftp_only), jump=at(sshd)) as session:
        assert express.express_of(session.transport) is None
        moves_everything(session, Far(sftp_only, fresh), tmp_path, files=400)


# --- new keys on the way ----------------------------------------------------------------------------


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every new key."""
    seen: list[str] = []

    def watched(name: str) -> Callable[..., None]:
        before = getattr(express.ExpressPacketizer, name)

        def watching(*arguments: Any, **named: Any) -> None:
            seen.append(name)
            before(*arguments, **named)

        return watching

    for name in ("set_inbound_cipher", "set_outbound_cipher"):
        monkeypatch.setattr(express.ExpressPacketizer, name, watched(name))
    return seen


@pytest.mark.parametrize("who", ["the server", "we", "both"])
def test_new_keys_in_the_middle_of_everything_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: list[str], who: str
) -> None:
    if who != "the server":
        monkeypatch.setattr(express.ExpressPacketizer, "REKEY_BYTES", MIB)
    options = () if who == "we" else ("RekeyLimit 1M",)
    with server(*options) as far, opened(at(far.server)) as session:
        moves_everything(session, far, tmp_path, files=600, size=12 * MIB)
    assert len(exchanges) > 12


@pytest.mark.parametrize("ciphers", [(), ("aes128-ctr",)])
def test_a_channel_that_closes_during_an_exchange_of_keys_does_no_harm(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, ciphers: tuple[str, ...]
) -> None:
    """paramiko's receiving thread would wait for 30 s for what only it can bring about."""
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 1000)
    begun = time.monotonic()
    with opened(at(sshd), ciphers=ciphers) as session:
        for _ in range(20):
            channel = session.channel()
            channel.exec_command("true")
            assert channel.recv_exit_status() == 0
            while not channel.closed:
                time.sleep(0.001)
    assert time.monotonic() - begun < 15


@pytest.mark.parametrize("ciphers", [(), ("aes128-ctr",)])
def test_a_channel_that_closes_while_we_talk_on_it_does_no_harm(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, ciphers: tuple[str, ...]
) -> None:
    """What paramiko says after it has agreed to the end makes OpenSSH hang up."""
    with opened(at(sshd), ciphers=ciphers) as session:
        transport = session.transport
        assert transport
        send = express.send if express.express_of(transport) else paramiko.Channel.send
        say = transport._send_user_message

        def hesitate(message: paramiko.Message) -> None:
            if threading.current_thread() is not transport:
                time.sleep(0.1)  # the command has come to its end by then
            say(message)

        channel = session.channel()
        channel.exec_command("true")
        monkeypatch.setattr(transport, "_send_user_message", hesitate)
        with contextlib.suppress(OSError):
            while send(channel, memoryview(bytes(1000))):
                pass
        assert channel.recv_exit_status() == 0
        again = session.channel()
        again.exec_command("exit 7")
        assert again.recv_exit_status() == 7
        assert session.transport is transport


def test_new_keys_on_paramikos_own_way_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 2 * MIB)
    with server("RekeyLimit 2M", "Ciphers aes128-ctr") as far, opened(at(far.server)) as session:
        moves_everything(session, far, tmp_path)


# --- windows ----------------------------------------------------------------------------------------


def test_more_than_the_servers_window_is_sent_while_it_reads_slowly(caller: Caller) -> None:
    caller.server.fault = to(WRITE, slow)
    assert caller.send(BODY * 6) == 0


def slow(request: Request) -> None:
    time.sleep(0.003)


def test_our_window_is_widened_before_it_is_used_up(
    sshd: Sshd, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(express, "HUGE_WINDOW", 20 * MIB)
    monkeypatch.setattr(conversation, "WIDEN_AFTER", 2 * MIB)
    with opened(at(sshd)) as session:
        moves_everything(session, Far(sshd, fresh), tmp_path, size=50 * MIB)


# --- memory, and what takes longer than a key lasts -------------------------------------------------


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", str(one), str(other)]).returncode == 0


def test_what_outlasts_its_keys_arrives_and_takes_little_memory(
    sshd: Sshd, fresh: str, tmp_path: Path
) -> None:
    """paramiko and we want new keys after 512 MiB."""
    far = Far(sshd, fresh)
    (tmp_path / "x").mkdir()
    with small_disk(tmp_path / "x", "1300m") as here, small_disk(far.make_dir("disk"), "700m"):
        with open(here / "source", "wb") as file:
            for number in range(600):
                file.write(BODY[number:] + BODY[:number])
        assert peak(start(SSH, "send-file", far.file("disk/file"), here / "source")) < LARGEST
        assert same(here / "source", far.root / "disk/file")
        assert peak(start(SSH, "receive-file", far.file("disk/file"), here / "back")) < LARGEST
        assert same(here / "source", here / "back")


def test_many_files_take_little_memory(far: Far, tmp_path: Path) -> None:
    content = os.urandom(40_000)
    build(tmp_path / "x", {b"%d/f%d" % (number % 9, number): content for number in range(3000)})
    assert peak(start(SSH, "send-dir", far.directory("to"), tmp_path / "x")) < LARGEST
    assert peak(start(SSH, "receive-dir", far.directory("to"), tmp_path / "y")) < LARGEST
    assert len(snapshot(tmp_path / "y")) == 3009
