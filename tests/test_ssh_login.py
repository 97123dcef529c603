"""Reaching an SSH server and logging in: with what the document has, once, and not for ever."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paramiko
import pytest
from cryptography.exceptions import InvalidSignature, InvalidTag
from paramiko import ssh_exception as theirs

from connectors.errors import Exit, NotAuthenticated, RedError
from connectors.secure_shell import dial, failures, waiting
from connectors.secure_shell.place import Login, Server
from connectors.transfer.job import Cancelled
from tests import require
from tests.servers import PASSWORD, free_port, ssh_faults
from tests.servers import sshd as servers
from tests.servers.ssh_faults import guarded, saying, talking
from tests.servers.sshd import ACCOUNT, Sshd
from tests.sessions import WITH_PASSWORD, at, closing, failure, job, opened
from tests.test_ssh_keys import made

ROOT = Path(__file__).resolve().parent.parent
WRONG = Login(ACCOUNT, "not the password")


def local(port: int, login: Login = WITH_PASSWORD) -> Server:
    return Server("127.0.0.1", port, login)


def with_key(path: Path) -> Login:
    return Login(ACCOUNT, private_key=str(path))


def kinds(server: Sshd, work: Path, kind: str) -> Login:
    """A key of that kind which may log in."""
    server.authorize(servers.make_key(work / kind, kind)[0])
    return with_key(work / kind)


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Sshd]:
    """One that wants a key and then the password."""
    with require.running("sshd", lambda: servers.start("AuthenticationMethods publickey,password")) as server:
        yield server


# -- reaching it -------------------------------------------------------------------------------------


def test_a_password_lets_us_in(sshd: Sshd) -> None:
    with opened(at(sshd)) as session:
        channel = session.channel()
        channel.invoke_subsystem("sftp")
        assert channel.active


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_of_every_kind_lets_us_in(sshd: Sshd, tmp_path: Path, kind: str) -> None:
    with opened(at(sshd, kinds(sshd, tmp_path, kind))) as session:
        assert session.transport


def test_opening_what_is_open_asks_nobody(sshd: Sshd) -> None:
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


def test_a_session_that_was_cut_opens_itself_again() -> None:
    with require.running("sshd", servers.start) as server, opened(at(server)) as session:
        first = session.transport
        for number in server.conversations():
            os.kill(number, 9)
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


def test_a_refused_connection_is_75(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "CONTAINER", ())
    error = failure(local(free_port()))
    assert error.code == Exit.TEMPFAIL
    assert "refused" in error.message
    assert error.hint == "is the server running, and the port right?"


def test_in_a_container_it_is_said_what_localhost_is_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dial, "CONTAINER", (tmp_path / "not there", tmp_path))
    hint = failure(local(free_port())).hint
    assert hint.startswith("is the server running, and the port right? ")
    assert "127.0.0.1 is the container itself: docker run --network host" in hint


def test_the_second_address_of_a_host_is_tried(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    def two(*arguments: Any, **named: Any) -> list[Any]:
        nobody, right = ("127.0.0.1", free_port()), ("127.0.0.1", sshd.port)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (nobody, right)]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    with opened(at(sshd)) as session:
        assert session.transport


def test_an_address_that_does_not_answer_holds_up_nothing(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_a_host_that_answers_no_connection_is_75_within_the_time_limit() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        error = failure(local(full.getsockname()[1]), job(timeout=0.5), within=2)
        for one in crowd:
            one.close()
    assert error.code == Exit.TEMPFAIL


# -- what it says first ------------------------------------------------------------------------------


def test_a_server_that_says_nothing_is_75_within_the_time_limit() -> None:
    with talking(ssh_faults.silent) as listener:
        error = failure(local(listener.port), job(timeout=0.5), within=2)
    assert error.code == Exit.TEMPFAIL
    assert "said nothing within 0.5 s" in error.message


def test_the_document_says_how_long_to_wait_for_a_server_to_introduce_itself() -> None:
    with talking(ssh_faults.silent) as listener:
        error = failure(local(listener.port), job(timeout=60), within=2, banner_timeout=0.3)
    assert error.code == Exit.TEMPFAIL


def test_a_server_that_is_silent_after_its_introduction_is_75_within_the_time_limit() -> None:
    with talking(saying(b"SSH-2.0-mute\r\n", then_close=False)) as listener:
        error = failure(local(listener.port), job(timeout=0.5), within=2)
    assert error.code == Exit.TEMPFAIL


def test_a_server_that_closes_at_once_is_75() -> None:
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


def test_what_a_web_server_says_is_shown() -> None:
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
    assert error.code in (Exit.TEMPFAIL, Exit.PROTOCOL)
    assert sent < 16 << 20


@pytest.mark.parametrize("text", [b"Exceeded MaxStartups\r\n", b"Not allowed at this time\r\n"])
def test_a_server_that_says_it_is_too_busy_is_75(text: bytes) -> None:
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
def test_no_common_algorithm_is_76_and_says_what_both_have(option: str, what: str, theirs: str) -> None:
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


# -- logging in --------------------------------------------------------------------------------------


def test_a_wrong_password_is_77_and_shown_once() -> None:
    with require.running("sshd", servers.start) as server:
        error = failure(at(server, WRONG))
        assert isinstance(error, NotAuthenticated)
        assert error.code == Exit.NOPERM
        assert server.refusals() == 1


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_wrong_key_is_77_and_shown_once(tmp_path: Path, kind: str) -> None:
    servers.make_key(tmp_path / "other", kind)
    with require.running("sshd", servers.start) as server:
        error = failure(at(server, with_key(tmp_path / "other")))
        assert isinstance(error, NotAuthenticated)
        assert "authorized_keys" in error.hint
        assert server.refusals() == 1


def test_a_wrong_password_is_77_also_where_the_server_then_hangs_up() -> None:
    with require.running("sshd", lambda: servers.start("MaxAuthTries 1")) as server:
        error = failure(at(server, WRONG))
    assert isinstance(error, NotAuthenticated)


def test_no_password_is_sent_to_a_server_that_takes_only_keys() -> None:
    with require.running("sshd", lambda: servers.start("PasswordAuthentication no")) as server:
        error = failure(at(server))
        assert isinstance(error, NotAuthenticated)
        assert "only publickey" in error.message
        assert error.hint == "use privateKey"
        assert server.refusals() == 0


def test_a_key_for_a_server_that_takes_only_passwords_is_77_and_says_so() -> None:
    with require.running("sshd", lambda: servers.start("PubkeyAuthentication no")) as server:
        error = failure(at(server, with_key(server.key)))
    assert isinstance(error, NotAuthenticated)
    assert "only password" in error.message
    assert error.hint == "use password"


def test_a_key_that_is_not_enough_is_77_and_says_what_else_is_wanted(strict: Sshd) -> None:
    error = failure(at(strict, with_key(strict.key)))
    assert isinstance(error, NotAuthenticated)
    assert "password is wanted as well" in error.message


def test_the_password_answers_the_one_question_of_a_server_that_asks_interactively() -> None:
    with require.running("sshd", lambda: servers.start(interactive=True)) as server:
        with opened(at(server)) as session:
            assert session.transport
        assert server.refusals() == 0


def test_a_wrong_answer_is_77_and_given_once() -> None:
    with require.running("sshd", lambda: servers.start(interactive=True)) as server:
        error = failure(at(server, WRONG), within=10)
        assert isinstance(error, NotAuthenticated)
        assert server.refusals() == 1


class Inquisitive(ssh_faults.Door):
    """Asks ``prompts``; each with whether the answer is shown while it is typed."""

    def __init__(self, *prompts: tuple[str, bool]) -> None:
        super().__init__()
        self.prompts = prompts

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive"

    def check_auth_interactive(self, username: str, submethods: str) -> Any:
        return paramiko.InteractiveQuery("", "", *self.prompts)

    def check_auth_interactive_response(self, responses: list[str]) -> Any:
        self.asked.append(("answers", responses))
        return paramiko.InteractiveQuery("", "", ("Verification code: ", False))


@pytest.mark.parametrize(
    ("prompts", "answers"),
    [
        ([("Password: ", False), ("Code: ", False)], []),
        ([("Passcode or option (1-3): ", True)], []),
        ([("Password: ", False)], [("answers", [PASSWORD])]),
    ],
)
def test_no_question_but_the_first_for_a_password_is_answered(
    tmp_path: Path, prompts: list[tuple[str, bool]], answers: list[Any]
) -> None:
    servers.make_key(tmp_path / "host")
    door = Inquisitive(*prompts)
    with guarded(door, tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert isinstance(error, NotAuthenticated)
    assert "the server asks for" in error.message
    assert door.asked == answers


def test_a_server_that_hangs_up_during_the_log_in_is_75(tmp_path: Path) -> None:
    class Rude(ssh_faults.Door):
        def check_auth_password(self, username: str, password: str) -> int:
            assert self.transport
            self.transport.close()
            return super().check_auth_password(username, password)

    servers.make_key(tmp_path / "host")
    with guarded(Rude(), tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.TEMPFAIL
    assert "closed the connection" in error.message


def test_a_server_that_does_not_answer_the_log_in_is_75_within_the_time_limit(tmp_path: Path) -> None:
    class Slow(ssh_faults.Door):
        def check_auth_password(self, username: str, password: str) -> int:
            time.sleep(3)
            return super().check_auth_password(username, password)

    servers.make_key(tmp_path / "host")
    with guarded(Slow(), tmp_path / "host") as listener:
        error = failure(local(listener.port), within=2.5, auth_timeout=0.5)
    assert error.code == Exit.TEMPFAIL
    assert "within 0.5 s" in error.message


def test_a_refusal_is_77_though_the_server_hangs_up_before_we_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Curt(ssh_faults.Door):
        def check_auth_password(self, username: str, password: str) -> int:
            assert self.transport
            threading.Timer(0.1, self.transport.close).start()
            return super().check_auth_password(username, password)

    waited = waiting.for_event

    def slow(*arguments: Any) -> None:
        waited(*arguments)
        time.sleep(0.5)

    monkeypatch.setattr(waiting, "for_event", slow)
    servers.make_key(tmp_path / "host")
    with guarded(Curt(), tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert isinstance(error, NotAuthenticated)


def test_a_key_that_is_none_is_78_and_the_server_is_not_bothered_with_it(sshd: Sshd) -> None:
    before = sshd.refusals()
    error = failure(at(sshd, Login(ACCOUNT, private_key="/nowhere/id")))
    assert error.code == Exit.CONFIG
    assert sshd.refusals() == before


def test_a_key_whose_file_has_gone_since_logs_in_again_and_elsewhere(sshd: Sshd, tmp_path: Path) -> None:
    login = kinds(sshd, tmp_path, "ecdsa")
    with opened(at(sshd, login)) as session:
        (tmp_path / "ecdsa").unlink()
        session.close()
        place = session.pinned()
    with opened(place.server) as session:
        assert session.transport


def test_a_passphrase_that_does_not_fit_is_78_and_names_the_key_and_whose_it_is(sshd: Sshd) -> None:
    login = Login(ACCOUNT, "", made("ed25519", "OpenSSH", encrypted=True).text, "another one")
    error = failure(at(sshd, login))
    assert error.code == Exit.CONFIG
    assert error.message.startswith(f"privateKey (for [127.0.0.1]:{sshd.port}) cannot be decrypted")
    error = failure(local(1), jump=at(sshd, login))
    assert error.code == Exit.CONFIG
    assert error.message.startswith(f"jump.auth.privateKey (for [127.0.0.1]:{sshd.port}) cannot be decrypted")


def test_a_server_that_allows_no_session_is_77() -> None:
    with (
        require.running("sshd", lambda: servers.start("MaxSessions 0")) as server,
        opened(at(server)) as session,
        pytest.raises(RedError) as caught,
    ):
        session.channel()
    assert caught.value.code == Exit.NOPERM
    assert "MaxSessions" in caught.value.hint


CODE = """
import sys; sys.path.insert(0, {root!r})
import os
from connectors.secure_shell.place import Login
from tests.sessions import Server, opened
server = Server("127.0.0.1", {port}, Login("red-test", {password!r}), {key!r})
with opened(server):
    pass  # now all is imported, from folders that not everybody may read
os.setuid(54321)  # has no passwd entry
with opened(server) as session:
    print(session.transport.is_authenticated())
"""


def test_neither_an_agent_nor_home_nor_a_passwd_entry_is_needed_or_asked(sshd: Sshd, tmp_path: Path) -> None:
    agent = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(agent))
        listener.listen()
        agent.chmod(0o777)
        tmp_path.chmod(0o755)
        environment = {"PATH": os.environ["PATH"], "SSH_AUTH_SOCK": str(agent)}
        code = CODE.format(
            root=str(ROOT), port=sshd.port, password=PASSWORD, key=sshd.fingerprints["ed25519"]
        )
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30
        )
        assert done.stdout.strip() == "True", done.stderr
        assert done.stderr == ""
        listener.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listener.accept()


def test_a_key_in_home_that_would_fit_is_not_tried(
    sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "id_ed25519").write_bytes(sshd.key.read_bytes())
    monkeypatch.setenv("HOME", str(tmp_path))
    before = sshd.logins()
    assert isinstance(failure(at(sshd, WRONG)), NotAuthenticated)
    assert sshd.logins() == before


def test_what_a_server_says_at_the_end_does_not_reach_stderr(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with talking(saying(b"SSH-2.0-x\r\n\0\0\0\x0c\x04\x99nonsense")) as listener:
        failure(local(listener.port))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("thrown", "code"),
    [
        (theirs.IncompatiblePeer("no acceptable macs"), Exit.PROTOCOL),
        (theirs.MessageOrderError("In strict-kex mode"), Exit.PROTOCOL),
        (theirs.SSHException("Expecting packet from (31,), got 20"), Exit.PROTOCOL),
        (InvalidSignature(), Exit.PROTOCOL),
        (theirs.AuthenticationException("Authentication failed."), Exit.NOPERM),
        (theirs.ChannelException(1, "Administratively prohibited"), Exit.NOPERM),
        (theirs.ChannelException(3, "Unknown channel type"), Exit.PROTOCOL),
        (theirs.ChannelException(4, "Resource shortage"), Exit.TEMPFAIL),
        (theirs.SSHException("SSH session not active"), Exit.TEMPFAIL),
        (theirs.SSHException("Mismatched MAC"), Exit.TEMPFAIL),
        (InvalidTag(), Exit.TEMPFAIL),
        (EOFError(), Exit.TEMPFAIL),
        (TimeoutError(), Exit.TEMPFAIL),
        (ConnectionResetError(104, "Connection reset by peer"), Exit.TEMPFAIL),
        (OSError("Socket is closed"), Exit.TEMPFAIL),
        (NotAuthenticated("ours"), Exit.NOPERM),
    ],
)
def test_what_libraries_throw_becomes_an_error_of_ours(thrown: Exception, code: Exit) -> None:
    with pytest.raises(RedError) as caught, failures.translating("example.com"):
        raise thrown
    assert caught.value.code == code
    assert "example.com" in caught.value.message or caught.value is thrown


def test_a_fault_of_our_own_is_not_blamed_on_the_server() -> None:
    with pytest.raises(ZeroDivisionError), failures.translating("example.com"):
        raise ZeroDivisionError


# -- cancelling and closing --------------------------------------------------------------------------


@pytest.mark.parametrize("text", [b"", b"SSH-2.0-mute\r\n"])
def test_a_cancelled_call_stops_waiting_at_once(text: bytes) -> None:
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
        for number in server.conversations():
            os.kill(number, 19)  # SIGSTOP
        begun = time.monotonic()
        session.close()
        took = time.monotonic() - begun
        for number in server.conversations():
            os.kill(number, 18)
    assert took < 0.5


def test_a_session_leaves_no_thread_that_could_hold_up_the_end(sshd: Sshd) -> None:
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


def test_a_wrong_password_for_the_jump_host_names_it_and_the_server_is_not_asked(
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


def test_a_wrong_host_key_of_either_is_76(sshd: Sshd, gate: Sshd) -> None:
    other = "SHA256:" + "A" * 43
    first = failure(at(sshd), jump=at(gate, host_key=other))
    second = failure(at(sshd, host_key=other), jump=at(gate))
    assert [first.code, second.code] == [Exit.PROTOCOL] * 2
    assert f"jump host [127.0.0.1]:{gate.port}" in first.message
    assert f"[127.0.0.1]:{sshd.port}" in second.message


def test_a_jump_host_that_forbids_it_is_77_and_says_which_switch(sshd: Sshd) -> None:
    with require.running("sshd", lambda: servers.start("AllowTcpForwarding no")) as gate:
        error = failure(at(sshd), jump=at(gate))
    assert error.code == Exit.NOPERM
    assert error.message.startswith(f"jump host [127.0.0.1]:{gate.port} opens no connection to ")
    assert "AllowTcpForwarding" in error.hint


def test_a_server_that_the_jump_host_cannot_reach_is_75(gate: Sshd) -> None:
    error = failure(local(free_port()), jump=at(gate))
    assert error.code == Exit.TEMPFAIL
    assert "Connection refused" in error.message


def test_a_server_that_the_jump_host_does_not_know_is_68(gate: Sshd) -> None:
    error = failure(Server("no-such-host.invalid", 22, WITH_PASSWORD), jump=at(gate), within=15)
    assert error.code == Exit.NOHOST, error.message
    assert error.hint.startswith("check host in the access document")


def test_a_jump_host_that_does_not_exist_is_68_and_told_by_its_key(sshd: Sshd) -> None:
    error = failure(at(sshd), jump=Server("no-such-host.invalid", 22, WITH_PASSWORD))
    assert error.code == Exit.NOHOST
    assert error.hint == "check jump.host in the access document"


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
