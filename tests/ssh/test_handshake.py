"""What an SSH server says before anybody logs in: sense, nonsense, nothing, or too much."""

import contextlib
import socket
import threading

import pytest

from connectors.errors import Exit
from tests.servers import ssh_faults
from tests.servers import sshd as servers
from tests.servers.ssh_faults import saying, talking
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.sessions import at, failure, job, local, opened


def test_a_silent_server_is_75_within_the_time_limit() -> None:
    with talking(ssh_faults.silent) as listener:
        error = failure(local(listener.port), job(timeout=0.5), within=2)
    assert error.code == Exit.TEMPFAIL
    assert "sent nothing within 0.5 s" in error.message


def test_banner_timeout_limits_the_wait_for_the_banner() -> None:
    with talking(ssh_faults.silent) as listener:
        error = failure(local(listener.port), job(timeout=60), within=2, banner_timeout=0.3)
    assert error.code == Exit.TEMPFAIL


def test_a_server_that_is_silent_after_its_introduction_is_75_within_the_time_limit() -> None:
    with talking(saying(b"SSH-2.0-mute\r\n", then_close=False)) as listener:
        error = failure(local(listener.port), job(timeout=0.5), within=2)
    assert error.code == Exit.TEMPFAIL


def test_a_server_that_closes_immediately_is_75() -> None:
    with talking(saying(b"")) as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.TEMPFAIL


def test_a_server_that_resets_the_connection_is_75() -> None:
    def reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with talking(reset) as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.TEMPFAIL


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"220 ftp.example.com ready\r\n",
        bytes(range(128, 256)) * 4 + b"\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"SSH-1.5-old\r\n",
        b"SSH-\r\n",
    ],
)
def test_anything_but_an_introduction_is_76(text: bytes) -> None:
    with talking(saying(text)) as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.PROTOCOL, error.message


def test_the_response_of_a_web_server_is_shown() -> None:
    with talking(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as listener:
        error = failure(local(listener.port))
    assert "does not speak SSH: it says 'HTTP/1.1 400 Bad Request'" in error.message


def test_a_web_server_that_waits_is_76_as_well() -> None:
    with talking(saying(b"HTTP/1.1 408 Request Timeout\r\n", then_close=False)) as listener:
        error = failure(local(listener.port), job(timeout=0.5), within=4)
    assert error.code == Exit.PROTOCOL


@pytest.mark.parametrize("line", [b"x" * 1024, b"one more line of text\r\n" * 40])
def test_a_server_that_talks_without_end_is_76_before_it_fills_the_memory(line: bytes) -> None:
    sent = 0

    def babble(connection: socket.socket) -> None:
        nonlocal sent
        while True:
            sent += connection.send(line)

    with talking(babble) as listener:
        error = failure(local(listener.port), within=3)
    assert error.code == Exit.PROTOCOL
    assert sent < 16 << 20  # what fits into the buffers of the system


def test_a_packet_without_end_before_keys_are_agreed_on_is_cut_off() -> None:
    sent = 0

    def flood(connection: socket.socket) -> None:
        nonlocal sent
        connection.sendall(b"SSH-2.0-flood\r\n\x7f\xff\xff\xf0")
        while True:
            sent += connection.send(b"x" * 4096)

    with talking(flood) as listener:
        error = failure(local(listener.port), within=3)
    assert error.code == Exit.PROTOCOL
    assert sent < 16 << 20


@pytest.mark.parametrize("text", [b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"])
def test_a_server_that_reports_too_many_connections_is_75(text: bytes) -> None:
    with talking(saying(text)) as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.TEMPFAIL
    assert text.decode().strip() in error.message


def test_lines_before_the_introduction_do_no_harm(sshd: Sshd) -> None:
    def relay(connection: socket.socket) -> None:
        connection.sendall(b"Welcome!\r\nAuthorized use only.\r\n")
        with socket.create_connection(("127.0.0.1", sshd.port)) as there:
            back = threading.Thread(target=copy, args=(there, connection), daemon=True)
            back.start()
            copy(connection, there)

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)

    with talking(relay) as listener, opened(local(listener.port)) as session:
        assert session.transport


@pytest.mark.parametrize(
    ("option", "what", "theirs"),
    [
        ("KexAlgorithms diffie-hellman-group18-sha512", "kex", "diffie-hellman-group18-sha512"),
        ("Ciphers chacha20-poly1305@openssh.com", "ciphers", "chacha20-poly1305@openssh.com"),
    ],
)
def test_no_common_algorithm_is_76_and_both_lists_are_shown(option: str, what: str, theirs: str) -> None:
    with require.running("sshd", lambda: servers.start(option)) as server:
        error = failure(at(server))
    assert error.code == Exit.PROTOCOL
    assert f"no common {what}: the server has {theirs}" in error.message
    assert "we have" in error.message


def test_the_ciphers_of_the_document_are_the_only_ones(sshd: Sshd) -> None:
    with opened(at(sshd), ciphers=("aes256-ctr",)) as session:
        assert session.transport
        assert session.transport.remote_cipher == "aes256-ctr"


def test_the_cheapest_cipher_comes_first(sshd: Sshd) -> None:
    with opened(at(sshd)) as session:
        assert session.transport
        assert session.transport.remote_cipher == "aes128-gcm@openssh.com"
