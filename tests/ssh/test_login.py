"""Logging in to an SSH server: with what the document has, once, and not for ever."""

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
from connectors.net import waiting
from connectors.ssh import ssh_failures
from connectors.ssh.login.destination import Login
from connectors.ssh.login.ssh_session import SYSTEM_LOG_IN
from connectors.ssh.transport.corrections import FurtherAttempt
from tests.conformance.promises import wait_until
from tests.servers import PASSWORD, ssh_faults
from tests.servers import sshd as servers
from tests.servers.ssh_faults import guarded, saying, talking
from tests.servers.sshd import ACCOUNT, Sshd
from tests.support import require
from tests.support.keys import made
from tests.support.sessions import WRONG, at, failure, local, new_key, opened, with_key

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Sshd]:
    """One that wants a key and then the password."""
    with require.running("sshd", lambda: servers.start("AuthenticationMethods publickey,password")) as server:
        yield server


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


def test_a_key_for_a_server_that_accepts_only_passwords_is_77_with_the_reason() -> None:
    with require.running("sshd", lambda: servers.start("PubkeyAuthentication no")) as server:
        error = failure(at(server, with_key(server.key)))
    assert isinstance(error, NotAuthenticated)
    assert "only password" in error.message
    assert error.hint == "use password"


def test_a_key_alone_is_77_where_the_server_requires_more(strict: Sshd) -> None:
    error = failure(at(strict, with_key(strict.key)))
    assert isinstance(error, NotAuthenticated)
    assert "password is required too" in error.message


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


@pytest.mark.parametrize(
    "prompt",
    [
        "New password: ",
        "Enter new UNIX password: ",
        "(me@new-host) Your password has expired.\nPassword: ",
        "You are required to change your password immediately (root enforced).\nPassword: ",
        "(current) UNIX password: ",
        "Retype the password: ",
    ],
)
def test_a_question_for_a_new_password_is_77_and_not_answered_with_the_old_one(
    tmp_path: Path, prompt: str
) -> None:
    servers.make_key(tmp_path / "host")
    door = Inquisitive((prompt, False))
    with guarded(door, tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert isinstance(error, NotAuthenticated)
    assert " ".join(prompt.split()) in error.message
    assert "change the password" in error.hint
    assert door.asked == []


@pytest.mark.parametrize("prompt", ["Password: ", "(me@new-passage) Password:", "Changeling's password: "])
def test_other_questions_for_the_password_are_answered(tmp_path: Path, prompt: str) -> None:
    servers.make_key(tmp_path / "host")
    door = Inquisitive((prompt, False))
    with guarded(door, tmp_path / "host") as listener:
        failure(local(listener.port))
    assert door.asked == [("answers", [PASSWORD])]


def test_the_log_in_has_one_time_limit_for_all_its_questions(tmp_path: Path) -> None:
    class Slow(ssh_faults.Door):
        def check_auth_none(self, username: str) -> int:
            time.sleep(0.6)
            return super().check_auth_none(username)

        def check_auth_password(self, username: str, password: str) -> int:
            time.sleep(0.6)
            return super().check_auth_password(username, password)

    servers.make_key(tmp_path / "host")
    with guarded(Slow(), tmp_path / "host") as listener:
        error = failure(local(listener.port), auth_timeout=0.9)
    assert error.code == Exit.TEMPFAIL
    assert "within 0.9 s" in error.message


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

    def slow(*arguments: Any, **named: Any) -> None:
        waited(*arguments, **named)
        time.sleep(0.5)

    monkeypatch.setattr(waiting, "for_event", slow)
    servers.make_key(tmp_path / "host")
    with guarded(Curt(), tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert isinstance(error, NotAuthenticated)


def test_a_missing_key_file_is_78_without_a_login_attempt(sshd: Sshd) -> None:
    before = sshd.refusals()
    error = failure(at(sshd, Login(ACCOUNT, private_key="/nowhere/id")))
    assert error.code == Exit.CONFIG
    assert sshd.refusals() == before


def test_a_key_whose_file_was_deleted_still_logs_in(sshd: Sshd, tmp_path: Path) -> None:
    login = new_key(sshd, tmp_path, "ecdsa")
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
from connectors.ssh.login.destination import Login
from tests.support.sessions import Server, opened
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


def test_server_text_at_the_end_does_not_reach_stderr(
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
def test_library_exceptions_are_translated(thrown: Exception, code: Exit) -> None:
    with pytest.raises(RedError) as caught, ssh_failures.translating("example.com"):
        raise thrown
    assert caught.value.code == code
    assert "example.com" in caught.value.message or caught.value is thrown


def test_an_internal_error_is_not_blamed_on_the_server() -> None:
    with pytest.raises(ZeroDivisionError), ssh_failures.translating("example.com"):
        raise ZeroDivisionError


def test_the_reason_for_a_disconnect_is_reported_even_if_sending_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Leaving(ssh_faults.Door):
        """Says so after the answer to the first question, which is what the password should be sent by."""

        def check_auth_none(self, username: str) -> int:
            threading.Timer(0.1, self.leave).start()
            return super().check_auth_none(username)

        def leave(self) -> None:
            assert self.transport
            farewell = paramiko.Message()
            farewell.add_byte(paramiko.common.cMSG_DISCONNECT)
            farewell.add_int(11)
            farewell.add_string("down for maintenance")
            farewell.add_string("en")
            self.transport._send_message(farewell)  # type: ignore[attr-defined]

    ask = FurtherAttempt._request_auth

    def ask_late(attempt: FurtherAttempt) -> None:
        wait_until(lambda: attempt.transport.packetizer.closed, "the connection is closed")
        ask(attempt)

    monkeypatch.setattr(FurtherAttempt, "_request_auth", ask_late)
    servers.make_key(tmp_path / "host")
    with guarded(Leaving(), tmp_path / "host") as listener:
        error = failure(local(listener.port))
    assert error.code == Exit.TEMPFAIL
    assert "down for maintenance" in error.message


@pytest.mark.parametrize(
    ("introduction", "of_a_system"),
    [
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2", True),
        ("SSH-2.0-dropbear_2022.83", True),
        ("SSH-2.0-OpenSSH_for_Windows_9.5", False),
        ("SSH-2.0-mod_sftp", False),
        ("SSH-2.0-AsyncSSH_2.24.1", False),
    ],
)
def test_servers_with_system_accounts_are_recognised_by_their_banner(
    introduction: str, of_a_system: bool
) -> None:
    assert bool(SYSTEM_LOG_IN.match(introduction)) is of_a_system
