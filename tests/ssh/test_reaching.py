"""Reaching an SSH server, perhaps through another one: in time, whatever becomes of it."""

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import Exit, NotAuthenticated
from connectors.ssh.login.destination import Server
from connectors.transfer.job import Cancelled
from tests.servers import free_port, ssh_faults
from tests.servers import sshd as servers
from tests.servers.ssh_faults import guarded, saying, talking
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.sessions import (
    WITH_PASSWORD,
    WRONG,
    at,
    closing,
    failure,
    job,
    local,
    new_key,
    opened,
    with_key,
)


def test_login_works_with_a_password(sshd: Sshd) -> None:
    with opened(at(sshd)) as session:
        channel = session.channel()
        channel.invoke_subsystem("sftp")
        assert channel.active


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_login_works_with_every_kind_of_key(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    with opened(at(sshd, new_key(sshd, tmp_path, kind))) as session:
        assert session.transport


def test_opening_an_open_session_does_nothing(sshd: Sshd) -> None:
    with opened(at(sshd)) as session:
        transport = session.transport
        session.open()
        assert session.transport is transport


def test_many_threads_open_one_session_once(sshd: Sshd) -> None:
    before = sshd.logins()
    with closing(at(sshd)) as session:
        threads = [threading.Thread(target=session.open) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sshd.logins() == before + 1


def test_a_cut_session_is_reopened() -> None:
    with require.running("sshd", servers.start) as server, opened(at(server)) as session:
        first = session.transport
        server.hang_up()
        deadline = time.monotonic() + 5
        while session.transport and time.monotonic() < deadline:
            time.sleep(0.01)
        assert session.channel().active
        assert session.transport is not first


def test_a_host_that_does_not_exist_is_68() -> None:
    error = failure(Server("no-such-host.invalid", 22, WITH_PASSWORD))
    assert error.code == Exit.NOHOST
    assert "no-such-host.invalid" in error.message
    assert error.hint == "check host in the access document"


def test_a_refused_connection_is_75() -> None:
    error = failure(local(free_port()))
    assert error.code == Exit.TEMPFAIL
    assert "refused" in error.message
    assert error.hint.startswith("is the server running, and the port right?")


def test_the_second_address_of_a_host_is_tried(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*arguments: Any, **named: Any) -> list[Any]:
        nobody, right = ("127.0.0.1", free_port()), ("127.0.0.1", sshd.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (nobody, right)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with opened(at(sshd)) as session:
        assert session.transport


def test_an_address_that_does_not_respond_delays_nothing(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:  # its queue is full: further ones get no answer
            one.setblocking(False)
            one.connect_ex(address)

        def two(*arguments: Any, **named: Any) -> list[Any]:
            places = (address, ("127.0.0.1", sshd.port))
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        begun = time.monotonic()
        with opened(at(sshd)):
            assert 0.2 < time.monotonic() - begun < 3
        for one in crowd:
            one.close()


def test_an_unresponsive_host_is_75_within_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = failure(local(full.getsockname()[1]), job(timeout=0.5), within=2)
        for one in crowd:
            one.close()
    assert error.code == Exit.TEMPFAIL


# -- cancelling and closing --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-mute\r\n"])
def test_a_cancelled_call_stops_waiting_immediately(text: bytes) -> None:
    work = job(timeout=60)
    with talking(saying(text, then_close=False)) as listener, closing(local(listener.port), work) as session:
        threading.Timer(0.3, work.cancelled.set).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            session.open()
        assert time.monotonic() - begun < 1


def test_a_cancelled_call_stops_waiting_for_the_log_in(tmp_path: Path) -> None:
    class Slow(ssh_faults.Door):
        def check_auth_password(self, username: str, password: str) -> int:
            time.sleep(3)
            return super().check_auth_password(username, password)

    servers.make_key(tmp_path / "host")
    work = job(timeout=60)
    with guarded(Slow(), tmp_path / "host") as listener, closing(local(listener.port), work) as session:
        threading.Timer(0.8, work.cancelled.set).start()
        begun = time.monotonic()
        with pytest.raises(Cancelled):
            session.open()
        assert time.monotonic() - begun < 2


def test_closing_takes_no_time_though_the_server_is_silent() -> None:
    with require.running("sshd", servers.start) as server, opened(at(server)) as session:
        server.send_signal(signal.SIGSTOP)
        begun = time.monotonic()
        session.close()
        took = time.monotonic() - begun
        server.send_signal(signal.SIGCONT)
    assert took < 0.5


def test_a_session_leaves_no_thread_that_delays_exit(sshd: Sshd) -> None:
    with opened(at(sshd)):
        assert all(one.daemon for one in threading.enumerate() if one is not threading.main_thread())


# -- through a jump host -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gate() -> Iterator[Sshd]:
    """A second server, to go through."""
    with require.running("sshd", lambda: servers.start("AllowTcpForwarding yes")) as server:
        yield server


def test_a_jump_host_leads_to_the_server(sshd: Sshd, gate: Sshd) -> None:
    before = gate.logins(), sshd.logins()
    with opened(at(sshd), jump=at(gate, with_key(gate.key))) as session:
        channel = session.channel()
        channel.invoke_subsystem("sftp")
    assert (gate.logins(), sshd.logins()) == (before[0] + 1, before[1] + 1)


def test_a_wrong_password_for_the_jump_host_names_it_and_the_server_is_not_contacted(
    sshd: Sshd, gate: Sshd
) -> None:
    before = sshd.logins(), sshd.refusals()
    error = failure(at(sshd), jump=at(gate, WRONG))
    assert isinstance(error, NotAuthenticated)
    assert f"jump host [127.0.0.1]:{gate.port}" in error.message
    assert (sshd.logins(), sshd.refusals()) == before


def test_a_wrong_password_behind_the_jump_host_names_the_server(sshd: Sshd, gate: Sshd) -> None:
    error = failure(at(sshd, WRONG), jump=at(gate))
    assert isinstance(error, NotAuthenticated)
    assert f"[127.0.0.1]:{sshd.port}" in error.message
    assert "jump" not in error.message


def test_a_wrong_host_key_of_jump_host_or_server_is_76(sshd: Sshd, gate: Sshd) -> None:
    other = "SHA256:" + "A" * 43
    first = failure(at(sshd), jump=at(gate, host_key=other))
    second = failure(at(sshd, host_key=other), jump=at(gate))
    assert [first.code, second.code] == [Exit.PROTOCOL] * 2
    assert f"jump host [127.0.0.1]:{gate.port}" in first.message
    assert f"[127.0.0.1]:{sshd.port}" in second.message


def test_a_jump_host_that_forbids_forwarding_is_77_and_the_setting_is_named(sshd: Sshd) -> None:
    with require.running("sshd", lambda: servers.start("AllowTcpForwarding no")) as gate:
        error = failure(at(sshd), jump=at(gate))
    assert error.code == Exit.NOPERM
    assert error.message.startswith(f"jump host [127.0.0.1]:{gate.port} cannot connect to ")
    assert "AllowTcpForwarding" in error.hint


def test_a_server_that_the_jump_host_cannot_reach_is_75(gate: Sshd) -> None:
    error = failure(local(free_port()), jump=at(gate))
    assert error.code == Exit.TEMPFAIL
    assert "Connection refused" in error.message


def test_a_server_that_the_jump_host_does_not_know_is_68(gate: Sshd) -> None:
    error = failure(Server("no-such-host.invalid", 22, WITH_PASSWORD), jump=at(gate), within=15)
    assert error.code == Exit.NOHOST, error.message
    assert error.hint.startswith("check host in the access document")


def test_a_jump_host_that_does_not_exist_is_68_and_its_key_is_named(sshd: Sshd) -> None:
    error = failure(at(sshd), jump=Server("no-such-host.invalid", 22, WITH_PASSWORD))
    assert error.code == Exit.NOHOST
    assert error.hint == "check jump.host in the access document"


def test_a_jump_host_that_does_not_respond_is_75_and_named_as_jump_host(sshd: Sshd) -> None:
    port = free_port()
    error = failure(at(sshd), jump=local(port))
    assert error.code == Exit.TEMPFAIL
    assert f"jump host 127.0.0.1 port {port}" in error.message


def test_a_server_that_is_silent_behind_the_jump_host_is_75_within_the_time_limit(gate: Sshd) -> None:
    with talking(ssh_faults.silent) as listener:
        error = failure(local(listener.port), job(timeout=1), within=4, jump=at(gate))
    assert error.code == Exit.TEMPFAIL
    assert f"[127.0.0.1]:{listener.port}" in error.message


@pytest.mark.skipif(sys.platform != "linux", reason="acknowledging at once is Linux's")
def test_a_session_begins_without_waiting_for_a_late_acknowledgement(sshd: Sshd) -> None:
    seconds = []
    for _ in range(5):
        with opened(at(sshd)) as session:
            begun = time.monotonic()
            session.channel()
            seconds.append(time.monotonic() - begun)
    assert min(seconds) < 0.035  # 40 ms is what a system waits
