"""What an attack on the program found, one test each."""

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import PASSWORD
from tests.servers.fault import FaultServer, Reply
from tests.support.program import peak, run, start

HTTP = "red-connector-http"
DIGEST = {"username": "alice", "password": PASSWORD, "method": "DIGEST"}
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
CHALLENGE = b'HTTP/1.1 401 Who\r\nWWW-Authenticate: Digest realm="x", nonce="y"\r\n'
AT_ONCE = {"RED_RETRIES": "0", "RED_TIMEOUT": "2"}
MIB = 1 << 20


@contextlib.contextmanager
def serving(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that does ``talk`` with whoever connects; its URL."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=8)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 << 10)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=once, args=(client,), daemon=True).start()

    def once(client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:
            talk(client)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def head(client: socket.socket) -> bytes:
    """The request line and header fields, and what came with them."""
    data = b""
    while b"\r\n\r\n" not in data and (more := client.recv(4096)):
        data += more
    return data


def test_a_put_that_cannot_be_verified_for_now_is_75(faulty: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"payload")
    faulty.on("/x", Reply(status=503), Reply(status=503), method="HEAD")
    result = run(HTTP, "send-file", {"url": f"{faulty.url}/x", "method": "PUT"}, tmp_path / "x", env=AT_ONCE)
    assert result.code == 75


def test_a_post_with_digest_is_sent_once(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"p" * 5000)
    bodies = []

    def talk(client: socket.socket) -> None:
        challenge = b'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
        while data := head(client):
            fields, _, body = data.partition(b"\r\n\r\n")
            length = int(fields.lower().partition(b"content-length:")[2].split()[0])
            while len(body) < length and (more := client.recv(4096)):
                body += more
            bodies.append(len(body))
            if b"Authorization: Digest" in fields:
                return  # the body was taken; there is no answer
            client.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n" + challenge + b"\r\n")

    with serving(talk) as url:
        auth = {"username": "alice", "password": PASSWORD, "method": "DIGEST"}
        result = run(HTTP, "send-file", {"url": f"{url}/x", "auth": auth}, tmp_path / "x")
    assert result.code == 75, result.stderr
    assert bodies.count(5000) == 1


def test_an_upload_that_is_read_slowly_and_steadily_is_not_cut_off(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"p" * (2 * MIB))

    def talk(client: socket.socket) -> None:
        left = len(head(client).partition(b"\r\n\r\n")[2]) - 2 * MIB
        while left < 0 and (data := client.recv(8 << 10)):
            left += len(data)
            time.sleep(0.016)  # half a megabyte a second
        client.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    with serving(talk) as url:
        env = {"RED_RETRIES": "0", "RED_TIMEOUT": "1"}
        result = run(HTTP, "send-file", {"url": f"{url}/x"}, tmp_path / "x", env=env)
    assert result.code == 0, result.stderr
    assert result.seconds > 2


def test_header_fields_that_trickle_in_are_progress(tmp_path: Path) -> None:
    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(5):
            time.sleep(0.6)
            client.sendall(b"X-%d: y\r\n" % number)
        client.sendall(b"Content-Length: 2\r\n\r\nok")

    with serving(talk) as url:
        env = {"RED_RETRIES": "0", "RED_TIMEOUT": "1.5"}
        result = run(HTTP, "receive-file", {"url": f"{url}/x"}, tmp_path / "x", env=env)
    assert result.code == 0, result.stderr


WITHOUT_END = {
    "lines of a header": (b"HTTP/1.1 200 OK\r\n", b"X-More: y\r\n"),
    "one line of a header": (b"HTTP/1.1 200 OK\r\nX-More: ", b"y"),
    "answers before the answer": (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    "lines of a trailer": (CHUNKS + b"0\r\n", b"X-More: y\r\n"),
    "one line of a trailer": (CHUNKS + b"0\r\nX-More: ", b"y"),
    "a chunk's extension": (CHUNKS + b"5;x=", b"y"),
    "a challenge": (CHALLENGE, b"X-More: y\r\n"),
    "the body of a challenge": (CHALLENGE + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n"),
}


@pytest.mark.parametrize("kind", WITHOUT_END)
def test_what_trickles_without_an_end_is_given_up(tmp_path: Path, kind: str) -> None:
    first, more = WITHOUT_END[kind]

    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(first)
        with contextlib.suppress(OSError):
            while True:
                client.sendall(more)
                time.sleep(0.2)

    with serving(talk) as url:
        access = {"url": f"{url}/x", "auth": DIGEST}
        env = {"RED_RETRIES": "0", "RED_TIMEOUT": "0.6"}
        result = run(HTTP, "receive-file", access, tmp_path / "x", env=env)
    assert result.code == 75, result.stderr
    assert result.seconds < 6
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", WITHOUT_END)
def test_what_floods_without_an_end_is_given_up_and_kept_nowhere(tmp_path: Path, kind: str) -> None:
    first, more = WITHOUT_END[kind]

    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(first)
        with contextlib.suppress(OSError):
            while True:
                client.sendall(more * 10_000)

    with serving(talk) as url:
        access = {"url": f"{url}/x", "auth": DIGEST}
        env = {"RED_RETRIES": "0", "RED_TIMEOUT": "0.6"}
        process = start(HTTP, "receive-file", access, tmp_path / "x", env=env)
        assert peak(process, 75, 76) < 100
    assert not (tmp_path / "x").exists()


def test_a_promised_size_limits_a_body_without_end(tmp_path: Path) -> None:
    sent = [0]

    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while True:
            sent[0] += client.send(b"x" * 65536)

    with serving(talk) as url:
        listing = [{"class": "File", "basename": "x", "size": 5}]
        result = run(HTTP, "receive-dir", {"url": url}, tmp_path / "d", "--listing", listing, env=AT_ONCE)
    assert result.code == 65
    assert sent[0] < 64 * MIB
    assert not (tmp_path / "d").exists()


def test_header_fields_may_end_in_a_bare_newline(tmp_path: Path) -> None:
    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-MD5: AAAAAAAAAAAAAAAAAAAAAA==\n\nok")

    with serving(talk) as url:
        result = run(HTTP, "receive-file", {"url": f"{url}/x"}, tmp_path / "x", env=AT_ONCE)
    assert result.code == 65, result.stderr


def test_a_reason_that_holds_the_password_is_redacted_before_it_is_cut(tmp_path: Path) -> None:
    password = "pässwörd-" + PASSWORD

    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(b"HTTP/1.1 404 " + b"A" * 190 + password.encode() + b"\r\nContent-Length: 0\r\n\r\n")

    with serving(talk) as url:
        access = {"url": f"{url}/x", "auth": {"username": "alice", "password": password}}
        result = run(HTTP, "receive-file", access, tmp_path / "x", env=AT_ONCE)
    assert result.code == 66
    assert "swörd" not in result.stderr
    assert password[:6] not in result.stderr


@pytest.mark.parametrize("proxy", ["http://[bad", "socks9://x", "http://x:99999", "::::"])
def test_an_invalid_proxy_is_78_and_its_variable_is_named(tmp_path: Path, proxy: str) -> None:
    env = {**AT_ONCE, "HTTP_PROXY": proxy}
    result = run(HTTP, "receive-file", {"url": "http://127.0.0.1:9/x"}, tmp_path / "x", env=env)
    assert result.code == 78
    assert "HTTP_PROXY" in result.stderr


def test_a_local_file_name_with_a_trailing_slash_is_refused(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.on("/x", Reply(b"x"))
    assert run(HTTP, "receive-file", {"url": f"{faulty.url}/x"}, f"{tmp_path}/new/").code == 73
    assert list(tmp_path.iterdir()) == []


def test_too_few_file_descriptors_are_not_an_internal_error(faulty: FaultServer, tmp_path: Path) -> None:
    names = [f"f{number}" for number in range(60)]
    for name in names:
        faulty.on(f"/d/{name}", Reply(b"x", pause=0.05))
    listing = [{"class": "File", "basename": name} for name in names]
    access, env = {"url": f"{faulty.url}/d"}, {"RED_PARALLEL": "64", **AT_ONCE}
    process = start(HTTP, "receive-dir", access, tmp_path / "d", "--listing", listing, env=env)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (24, 24))
    _, error = process.communicate(timeout=60)
    assert process.returncode in (0, 74, 75), error.decode()


@pytest.mark.parametrize("key", ["password", "_username"])
def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path, key: str) -> None:
    document = tmp_path / "in.yml"
    document.write_text(f"url: http://example.com/x\nauth:\n  {key}: 0x{'f' * 5000}\n")
    result = run(HTTP, "receive-file-validate", "--offline", document)
    assert result.code == 78
    assert f"auth.{key}: must be a string" in result.stderr


def test_a_bodiless_response_that_violates_http_is_not_waited_for(tmp_path: Path) -> None:
    """libcurl reads until the connection is closed, as it does not count the length then."""
    (tmp_path / "source").write_bytes(b"hello")

    def talk(client: socket.socket) -> None:
        head(client)
        client.sendall(b"HTTP/1.1 201 Created\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n")
        with contextlib.suppress(OSError):
            while client.recv(65536):
                pass

    with serving(talk) as url:
        access = {"url": f"{url}/x", "method": "PUT"}
        result = run(HTTP, "send-file", access, tmp_path / "source", env={"RED_TIMEOUT": "20"})
    assert result.code == 76, result.stderr
    assert result.seconds < 10
