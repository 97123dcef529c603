"""paramiko's behaviour is corrected on every connection, with the fast packets and without them."""

import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import paramiko
import pytest
from paramiko.auth_handler import AuthHandler
from paramiko.packet import Packetizer

from connectors.ssh.login.ssh_session import Session
from connectors.ssh.sftp.conversation import sender
from connectors.ssh.transport import algorithms, corrections, fast_packets
from tests.servers.sshd import Sshd
from tests.support.moving import MIB, moves_everything, server
from tests.support.paramiko_source import digests
from tests.support.sessions import at, opened

READ_AGAINST: dict[type, dict[str, str]] = {
    paramiko.Transport: {
        "__init__": "44dc6d4b846e",
        "run": "755977c923fa",
        "_send_message": "67099931f46d",
        "_send_user_message": "cdbdef4eed8d",
        "_send_kex_init": "3601a52efb64",
        "_parse_newkeys": "eda51cb66eb4",
        "_parse_kex_init": "5f4897157441",
        "_parse_disconnect": "65b050e8fa16",
        "_parse_channel_open_failure": "4a8c391a0bee",
        "_verify_key": "a6d259879034",
        "_check_banner": "cd93532ce6aa",
        "get_exception": "a47d8becfb02",
        "is_authenticated": "529293e80175",
    },
    paramiko.Channel: {
        "_handle_close": "07d91b2b3687",
        "_request_failed": "78920e2468eb",
        "_wait_for_event": "ce4873c71428",
        "_unlink": "ff0b5191d110",
        "shutdown": "2a00b8ad3617",
        "_send_eof": "139bf3acdbef",
    },
    Packetizer: {
        "closed": "6369f524f8c3",
        "close": "a3ed713dd69a",
        "readline": "b1386455ec55",
        "start_handshake": "34e85d724bfa",
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


@pytest.mark.parametrize("owner", READ_AGAINST, ids=lambda owner: owner.__name__)
def test_paramikos_functions_are_unchanged(owner: type) -> None:
    """When this fails: compare the functions with those of the version before. The tests below show whether
    the corrections still work; see that the rest of what corrections.py takes for granted still holds, and
    put the digests here that are shown.
    """
    assert digests(owner, READ_AGAINST[owner]) == READ_AGAINST[owner]


WAYS = ["fast packets", "fast packets off", "another version of paramiko", "another cipher", "a jump host"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How to reach a server: arguments for ``opened``."""
    if request.param == "fast packets off":
        monkeypatch.setattr(fast_packets, "ENABLED", False)
    elif request.param == "another version of paramiko":
        monkeypatch.setattr(paramiko, "__version__", "99.0")
    elif request.param == "another cipher":
        return {"ciphers": ("aes128-ctr",)}
    elif request.param == "a jump host":
        return {"jump": at(sshd)}
    return {}


def test_only_the_default_settings_have_fast_packets(
    request: pytest.FixtureRequest, sshd: Sshd, way: dict[str, Any]
) -> None:
    with opened(at(sshd), **way) as session:
        is_fast = fast_packets.fast_packetizer(session.transport) is not None
        assert is_fast == (request.node.callspec.params["way"] == "fast packets")


def test_a_channel_that_closes_during_a_key_exchange_does_no_harm(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    """paramiko's receiving thread would wait for 30 s for what only it can bring about."""
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 1000)
    begun = time.monotonic()
    with opened(at(sshd), **way) as session:
        for _ in range(20):
            assert status(session, "true") == 0
    assert time.monotonic() - begun < 15


def status(session: Session, command: str) -> int:
    """The exit status of ``command``, once its channel is closed."""
    channel = session.channel()
    channel.exec_command(command)
    found = channel.recv_exit_status()
    while not channel.closed:
        time.sleep(0.001)
    return found


def test_a_channel_that_closes_during_a_transfer_does_no_harm(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    """What paramiko says after it has agreed to the end makes OpenSSH disconnect."""
    with opened(at(sshd), **way) as session:
        transport: Any = session.transport
        say = transport._send_user_message

        def hesitate(message: paramiko.Message) -> None:
            if threading.current_thread() is not transport:
                time.sleep(0.1)  # the command has come to its end by then
            say(message)

        channel = session.channel()
        send = sender(channel)
        channel.exec_command("true")
        monkeypatch.setattr(transport, "_send_user_message", hesitate)
        with contextlib.suppress(OSError):
            while send(channel, memoryview(bytes(1000))):
                pass
        assert channel.recv_exit_status() == 0
        assert status(session, "exit 7") == 7
        assert session.transport is transport


def test_a_rekey_during_a_transfer_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    monkeypatch.setattr(Packetizer, "REKEY_BYTES", 2 * MIB)
    with server("RekeyLimit 2M") as far, opened(at(far.server), **way) as session:
        moves_everything(session, far, tmp_path)


def test_login_works_on_a_server_that_accepts_one_service_request(
    asyncssh: Sshd, way: dict[str, Any]
) -> None:
    """With a password: the first attempt asks which methods there are."""
    with opened(at(asyncssh), **way) as session:
        assert session.transport


def test_a_server_that_knows_only_the_new_name_of_curve25519_is_reached(way: dict[str, Any]) -> None:
    only = f"KexAlgorithms {algorithms.CURVE25519}"
    with server(only) as far, opened(at(far.server), **way) as session:
        assert session.transport


def test_a_cut_connection_releases_waiting_threads(sshd: Sshd, way: dict[str, Any]) -> None:
    with opened(at(sshd), **way) as session:
        channel = session.channel()
        channel.exec_command("sleep 20")
        threading.Timer(0.2, corrections.cut, [channel]).start()
        begun = time.monotonic()
        assert channel.recv(1) == b""
        assert time.monotonic() - begun < 5
