"""The fast packets: in use where they are known to work, right, and left out elsewhere."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.packet import Packetizer

from connectors.ssh.sftp import conversation
from connectors.ssh.transport import fast_packets
from connectors.ssh.transport.algorithms import AES_GCM
from tests.servers.sftp_fault import WRITE, Request
from tests.servers.sshd import Sshd
from tests.support.calls import Caller, to
from tests.support.far import SSH, Far, build, small_disk, snapshot
from tests.support.moving import BODY, MIB, moves_everything, server
from tests.support.paramiko_source import digests
from tests.support.program import peak, start
from tests.support.sessions import at, opened

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
        "start_handshake": "34e85d724bfa",
    },
    paramiko.Transport: {
        "__init__": "44dc6d4b846e",
        "run": "755977c923fa",
        "_send_message": "67099931f46d",
        "_send_user_message": "cdbdef4eed8d",
        "_activate_inbound": "f5734a8dbc70",
        "_activate_outbound": "ebcd5535b237",
        "open_channel": "f51e184d448e",
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
        "_unlink": "ff0b5191d110",
    },
}


@pytest.mark.parametrize("owner", READ_AGAINST, ids=lambda owner: owner.__name__)
def test_paramikos_functions_are_unchanged(owner: type) -> None:
    """When this fails: compare the functions with those of the version before, see that what fast_packets.py
    takes for granted still holds, add the version to its KNOWN, and put the digests here that are shown.
    """
    assert digests(owner, READ_AGAINST[owner]) == READ_AGAINST[owner]
    assert paramiko.__version__.startswith(fast_packets.KNOWN)


# --- in use, and not --------------------------------------------------------------------------------


@pytest.mark.parametrize("cipher", AES_GCM)
def test_aes_gcm_uses_fast_packets(sshd: Sshd, fresh: str, tmp_path: Path, cipher: str) -> None:
    with opened(at(sshd), ciphers=(cipher,)) as session:
        fast = fast_packets.fast_packetizer(session.transport)
        assert fast is not None
        moves_everything(session, Far(sshd, fresh), tmp_path)
        assert fast._received > 5 * MIB
        assert fast._sent > 5 * MIB


@pytest.mark.parametrize("cipher", ["aes256-ctr", "aes128-ctr", "aes192-ctr"])
def test_another_cipher_uses_paramikos_packets(tmp_path: Path, cipher: str) -> None:
    with server(f"Ciphers {cipher}") as far, opened(at(far.server)) as session:
        assert fast_packets.fast_packetizer(session.transport) is None
        moves_everything(session, far, tmp_path, files=400)


@pytest.mark.parametrize(
    ("owner", "name", "value"), [(paramiko, "__version__", "5.2.0"), (fast_packets, "ENABLED", False)]
)
def test_an_unknown_version_of_paramiko_or_the_setting_disables_fast_packets(
    sshd: Sshd, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, value: Any
) -> None:
    monkeypatch.setattr(owner, name, value)
    with opened(at(sshd)) as session:
        assert fast_packets.fast_packetizer(session.transport) is None
        moves_everything(session, Far(sshd, fresh), tmp_path, files=400)


def test_files_are_transferred_through_a_jump_host(
    sshd: Sshd, sftp_only: Sshd, fresh: str, tmp_path: Path
) -> None:
    with opened(at(sftp_only), jump=at(sshd)) as session:
        assert fast_packets.fast_packetizer(session.transport) is None
        moves_everything(session, Far(sftp_only, fresh), tmp_path, files=400)


# --- new keys on the way ----------------------------------------------------------------------------


@pytest.fixture
def exchanges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows with every new key."""
    seen: list[str] = []

    def watched(name: str) -> Callable[..., None]:
        before = getattr(fast_packets.FastPacketizer, name)

        def watching(*arguments: Any, **named: Any) -> None:
            seen.append(name)
            before(*arguments, **named)

        return watching

    for name in ("set_inbound_cipher", "set_outbound_cipher"):
        monkeypatch.setattr(fast_packets.FastPacketizer, name, watched(name))
    return seen


@pytest.mark.parametrize("who", ["the server", "we", "both"])
def test_a_rekey_during_a_transfer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: list[str], who: str
) -> None:
    if who != "the server":
        monkeypatch.setattr(fast_packets.FastPacketizer, "REKEY_BYTES", MIB)
    options = () if who == "we" else ("RekeyLimit 1M",)
    with server(*options) as far, opened(at(far.server)) as session:
        moves_everything(session, far, tmp_path, files=600, size=12 * MIB)
    assert len(exchanges) > 12


# --- windows ----------------------------------------------------------------------------------------


def test_more_than_the_servers_window_is_sent_while_it_reads_slowly(caller: Caller) -> None:
    caller.server.fault = to(WRITE, slow)
    assert caller.send(BODY * 6) == 0


def slow(request: Request) -> None:
    time.sleep(0.003)


def test_our_window_is_widened_before_it_is_used_up(
    sshd: Sshd, fresh: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_packets, "HUGE_WINDOW", 20 * MIB)
    monkeypatch.setattr(conversation, "WIDEN_AFTER", 2 * MIB)
    with opened(at(sshd)) as session:
        moves_everything(session, Far(sshd, fresh), tmp_path, size=50 * MIB)


# --- memory, and what takes longer than a key lasts -------------------------------------------------


def same(one: Path, other: Path) -> bool:
    return subprocess.run(["cmp", str(one), str(other)]).returncode == 0


def test_a_file_that_outlasts_its_keys_arrives_in_little_memory(
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
