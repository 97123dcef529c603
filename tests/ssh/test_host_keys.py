"""Whether an SSH server is the one that is meant: found out before a password leaves."""

import base64
import hashlib
import hmac
import subprocess
from pathlib import Path
from typing import Any

import pytest

from connectors import settings
from connectors.errors import ConfigError, Exit, ProtocolViolation, RedError
from connectors.ssh.login import host_keys
from connectors.ssh.login.destination import Login, Server
from tests.servers import PASSWORD
from tests.servers import sshd as servers
from tests.servers.ssh_faults import Door, guarded
from tests.servers.sshd import ACCOUNT, Sshd
from tests.support import require
from tests.support.sessions import WITH_PASSWORD, at, failure, job, opened

OTHER = "SHA256:" + "A" * 43


def known(folder: Path, text: str) -> Any:
    """A job with a known_hosts file of that text."""
    file = folder / "known_hosts"
    file.write_text(text)
    return job(known_hosts=str(file))


def unnamed(server: Sshd, port: int = 0) -> Server:
    """A server of which the document gives no key."""
    return Server(server.host, port or server.port, WITH_PASSWORD)


def negotiated(server: Server, work: Any = None) -> str:
    """The type of the key that the server has shown, once logged in."""
    with opened(server, work) as session:
        assert session.transport
        return session.transport.get_remote_server_key().get_name()


# -- hostKey of the document -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name"), [("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")]
)
def test_the_fingerprint_of_any_of_its_keys_is_enough(sshd: Sshd, kind: str, name: str) -> None:
    assert negotiated(at(sshd, host_key=kind)) == name


@pytest.mark.parametrize(
    ("kind", "name"), [("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")]
)
def test_a_public_key_line_is_asked_for_by_its_type(sshd: Sshd, kind: str, name: str) -> None:
    assert negotiated(at(sshd, host_key=sshd.host_keys[kind] + " root@somewhere")) == name


def test_another_fingerprint_is_76_and_both_are_shown(sshd: Sshd) -> None:
    error = failure(at(sshd, host_key=OTHER))
    assert error.code == Exit.PROTOCOL
    assert OTHER in error.message
    assert sshd.fingerprints["ed25519"] in error.message
    assert f'hostKey: "{sshd.fingerprints["ed25519"]}"' in error.hint


def test_another_key_of_the_same_type_is_76_and_both_are_shown(sshd: Sshd, tmp_path: Path) -> None:
    line, fingerprint = servers.make_key(tmp_path / "other", "rsa")
    error = failure(at(sshd, host_key=line))
    assert error.code == Exit.PROTOCOL
    assert fingerprint in error.message
    assert sshd.fingerprints["rsa"] in error.message


def test_a_key_of_a_type_that_the_server_lacks_is_76(tmp_path: Path) -> None:
    line, _ = servers.make_key(tmp_path / "other", "rsa")
    with require.running("sshd", lambda: servers.start(kinds=["ed25519"])) as server:
        error = failure(at(server, host_key=line))
    assert error.code == Exit.PROTOCOL


def test_no_password_is_sent_before_the_host_key_is_checked(tmp_path: Path) -> None:
    servers.make_key(tmp_path / "host")
    door = Door()
    with guarded(door, tmp_path / "host") as listener:
        error = failure(Server("127.0.0.1", listener.port, Login(ACCOUNT, PASSWORD), OTHER))
        assert error.code == Exit.PROTOCOL
        assert door.asked == []
        failure(Server("127.0.0.1", listener.port, Login(ACCOUNT, PASSWORD)))
        assert door.asked == [("password", PASSWORD)]  # this is how it would have shown


def test_no_username_is_sent_before_the_host_key_is_checked() -> None:
    with require.running("sshd", servers.start) as server:
        failure(at(server, host_key=OTHER))
        assert ACCOUNT not in server.log()


# -- both --------------------------------------------------------------------------------------------


def test_the_documents_key_is_enough_for_a_host_that_the_file_does_not_have(
    sshd: Sshd, tmp_path: Path
) -> None:
    assert negotiated(at(sshd), known(tmp_path, "")) == "ssh-ed25519"
    authority = known(tmp_path, f"@cert-authority * {sshd.host_keys['rsa']}\n")
    assert negotiated(at(sshd), authority) == "ssh-ed25519"


@pytest.mark.parametrize("as_line", [False, True])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_key_that_document_and_file_agree_on_is_taken(
    sshd: Sshd, tmp_path: Path, kind: str, as_line: bool
) -> None:
    server = at(sshd, host_key=sshd.host_keys[kind] if as_line else kind)
    assert kind in negotiated(server, known(tmp_path, sshd.known_hosts()))


@pytest.mark.parametrize("as_line", [False, True])
def test_a_file_that_contradicts_the_document_is_76_and_both_are_shown(
    sshd: Sshd, tmp_path: Path, as_line: bool
) -> None:
    line, fingerprint = servers.make_key(tmp_path / "other")
    server = at(sshd, host_key=sshd.host_keys["ed25519"] if as_line else "ed25519")
    error = failure(server, known(tmp_path, f"[127.0.0.1]:{sshd.port} {line}\n"))
    assert error.code == Exit.PROTOCOL
    assert fingerprint in error.message
    assert sshd.fingerprints["ed25519"] in error.message


def test_of_several_keys_the_one_that_the_document_means_must_be_in_the_file(
    sshd: Sshd, tmp_path: Path
) -> None:
    error = failure(at(sshd, host_key="rsa"), known(tmp_path, sshd.known_hosts(["ed25519"])))
    assert error.code == Exit.PROTOCOL
    assert f"its host key is ssh-rsa {sshd.fingerprints['rsa']}, and {tmp_path}" in error.message
    assert f"has ssh-ed25519 {sshd.fingerprints['ed25519']}" in error.message


def test_a_document_that_contradicts_the_file_is_76(sshd: Sshd, tmp_path: Path) -> None:
    error = failure(at(sshd, host_key=OTHER), known(tmp_path, sshd.known_hosts()))
    assert error.code == Exit.PROTOCOL
    assert OTHER in error.message


# -- RED_KNOWN_HOSTS ---------------------------------------------------------------------------------


def test_a_known_host_is_accepted_without_a_message(
    sshd: Sshd, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    negotiated(unnamed(sshd), known(tmp_path, "# mine\n\n" + sshd.known_hosts()))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("kind", "name"), [("ed25519", "ssh-ed25519"), ("ecdsa", "ecdsa-sha2-nistp256"), ("rsa", "ssh-rsa")]
)
def test_the_server_is_asked_for_the_type_that_the_file_has(
    sshd: Sshd, tmp_path: Path, kind: str, name: str
) -> None:
    assert negotiated(unnamed(sshd), known(tmp_path, sshd.known_hosts([kind]))) == name


def test_an_unknown_host_is_76_with_the_line_to_add(sshd: Sshd, tmp_path: Path) -> None:
    error = failure(unnamed(sshd), known(tmp_path, "elsewhere.example.com " + sshd.host_keys["rsa"]))
    assert error.code == Exit.PROTOCOL
    line = error.hint.rpartition("line: ")[2]
    negotiated(unnamed(sshd), known(tmp_path, line + "\n"))  # does what it says


def test_a_changed_key_is_76_and_both_are_shown(sshd: Sshd, tmp_path: Path) -> None:
    line, fingerprint = servers.make_key(tmp_path / "other")
    error = failure(unnamed(sshd), known(tmp_path, f"[127.0.0.1]:{sshd.port} {line}\n"))
    assert error.code == Exit.PROTOCOL
    assert fingerprint in error.message
    assert sshd.fingerprints["ed25519"] in error.message


def test_the_same_host_at_another_port_is_another_host(sshd: Sshd, tmp_path: Path) -> None:
    work = known(tmp_path, sshd.known_hosts(port=sshd.port + 1) + f"127.0.0.1 {sshd.host_keys['ed25519']}\n")
    assert failure(unnamed(sshd), work).code == Exit.PROTOCOL


def test_one_of_several_keys_is_enough(sshd: Sshd, tmp_path: Path) -> None:
    line, _ = servers.make_key(tmp_path / "other")
    text = f"[127.0.0.1]:{sshd.port} {line}\n" + sshd.known_hosts(["ed25519"])
    assert negotiated(unnamed(sshd), known(tmp_path, text)) == "ssh-ed25519"


def test_hashed_names_as_ssh_keygen_makes_them_are_understood(sshd: Sshd, tmp_path: Path) -> None:
    work = known(tmp_path, sshd.known_hosts())
    subprocess.run(["ssh-keygen", "-H", "-f", work.settings.known_hosts], check=True, capture_output=True)
    assert "127.0.0.1" not in Path(work.settings.known_hosts).read_text()
    negotiated(unnamed(sshd), work)


def test_a_revoked_key_is_76_even_if_it_is_known_or_in_the_document(sshd: Sshd, tmp_path: Path) -> None:
    work = known(tmp_path, f"@revoked * {sshd.host_keys['ed25519']}\n" + sshd.known_hosts(["ed25519"]))
    for server in (unnamed(sshd), at(sshd)):
        error = failure(server, work)
        assert error.code == Exit.PROTOCOL
        assert "revoked" in error.message


def test_a_host_with_only_a_cert_authority_is_refused_with_the_reason(sshd: Sshd, tmp_path: Path) -> None:
    error = failure(unnamed(sshd), known(tmp_path, f"@cert-authority * {sshd.host_keys['ed25519']}\n"))
    assert error.code == Exit.PROTOCOL
    assert "has only an @cert-authority for this host, and certificates are not checked" in error.message


def test_invalid_known_hosts_lines_are_warned_about_and_the_others_count(
    sshd: Sshd, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    nonsense = [
        "nonsense",
        "host ssh-ed25519",
        "host ssh-ed25519 !!!!",
        f"host ssh-rsa {sshd.host_keys['ed25519'].split()[1]}",
        f"@unheard-of host {sshd.host_keys['ed25519']}",
        f"|1|short|hash= {sshd.host_keys['ed25519']}",
        f"|2|x {sshd.host_keys['ed25519']}",
        "\x00\xff\ud800".encode("utf-8", "replace").decode("latin-1"),
    ]
    work = known(tmp_path, "\n".join([*nonsense, sshd.known_hosts()]))
    negotiated(unnamed(sshd), work)
    warnings = capfd.readouterr().err.splitlines()
    assert [f"known_hosts:{number}:" in line for number, line in enumerate(warnings, 1)] == [True] * 8


def test_bytes_that_are_not_text_in_known_hosts_do_no_harm(sshd: Sshd, tmp_path: Path) -> None:
    work = known(tmp_path, "")
    Path(work.settings.known_hosts).write_bytes(b"\xff\xfe\x00\n" + sshd.known_hosts().encode())
    negotiated(unnamed(sshd), work)


@pytest.mark.parametrize("name", ["RED_KNOWN_HOSTS", "RED_CA_BUNDLE"])
def test_a_file_that_cannot_be_read_is_78_and_named(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings.read({name: "/nowhere/file"})
    assert caught.value.message == f"{name}: /nowhere/file cannot be read: No such file or directory"
    with pytest.raises(ConfigError, match=f"nowhere/file cannot be read: .* .looked in {Path.cwd()}"):
        settings.read({name: "nowhere/file"})
    with pytest.raises(ConfigError, match="RED_KNOWN_HOSTS: /nowhere/file cannot be read"):
        list(host_keys.read("/nowhere/file"))


def line_about(hosts: str) -> host_keys.Known:
    return host_keys.Known(hosts, b"")


@pytest.mark.parametrize(
    ("hosts", "name", "matches"),
    [
        ("example.com", "example.com", True),
        ("Example.COM", "example.com", True),
        ("example.com,10.0.0.1", "10.0.0.1", True),
        ("*.example.com", "a.b.example.com", True),
        ("*.example.com", "example.com", False),
        ("host?", "host1", True),
        ("host?", "host", False),
        ("*.example.com,!bad.example.com", "bad.example.com", False),
        ("!bad.example.com,*.example.com", "bad.example.com", False),
        ("!bad.example.com,*.example.com", "good.example.com", True),
        ("[example.com]:2222", "[example.com]:2222", True),
        ("[example.com]:2222", "example.com", False),
        ("example.com", "[example.com]:2222", False),
        ("[*.example.com]:*", "[a.example.com]:99", True),
        ("2001:db8::1", "2001:db8::1", True),
        ("[ab]", "a", False),
        ("e.ample.com", "example.com", False),
    ],
)
def test_names_match_as_in_openssh(hosts: str, name: str, matches: bool) -> None:
    assert line_about(hosts).is_about(name) is matches


def test_a_hashed_name_matches_itself_alone() -> None:
    salt = bytes(range(20))
    digest = hmac.digest(salt, b"[example.com]:2222", "sha1")
    hosts = f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"
    assert line_about(hosts).is_about("[example.com]:2222")
    assert not line_about(hosts).is_about("example.com")


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("Example.com", 22, "example.com"),
        ("example.com", 2222, "[example.com]:2222"),
        ("2001:db8::1", 22, "2001:db8::1"),
        ("2001:db8::1", 2222, "[2001:db8::1]:2222"),
    ],
)
def test_a_host_is_looked_up_as_openssh_writes_it(host: str, port: int, name: str) -> None:
    assert host_keys.name_of(Server(host, port, WITH_PASSWORD)) == name


def test_a_fingerprint_equals_that_of_ssh_keygen(sshd: Sshd) -> None:
    key = base64.b64decode(sshd.host_keys["rsa"].split()[1])
    assert host_keys.fingerprint(key) == sshd.fingerprints["rsa"]
    assert "=" not in host_keys.fingerprint(hashlib.sha256(b"").digest())


# -- neither -----------------------------------------------------------------------------------------


def test_an_unknown_host_key_is_accepted_with_one_warning(
    sshd: Sshd, capfd: pytest.CaptureFixture[str]
) -> None:
    with opened(unnamed(sshd)) as session:
        assert session.transport
        session.transport.close()
        session.open()  # as after a cut
    warnings = capfd.readouterr().err.splitlines()
    assert len(warnings) == 1
    line = warnings[0].rpartition("document: ")[2]
    assert line == f'hostKey: "{sshd.fingerprints["ed25519"]}"'


def test_strict_refuses_an_unknown_host_key(sshd: Sshd) -> None:
    error = failure(unnamed(sshd), job(strict_host_keys=True))
    assert error.code == Exit.PROTOCOL
    assert f'hostKey: "{sshd.fingerprints["ed25519"]}"' in error.hint


def test_strict_accepts_a_known_host_key(sshd: Sshd, tmp_path: Path) -> None:
    negotiated(at(sshd), job(strict_host_keys=True))
    file = known(tmp_path, sshd.known_hosts()).settings.known_hosts
    negotiated(unnamed(sshd), job(strict_host_keys=True, known_hosts=file))


def test_an_unverified_host_key_may_not_change_within_a_session(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from paramiko import Ed25519Key

    keys = host_keys.HostKeys(settings.Settings())
    shown = []
    for name in ("one", "two"):
        servers.make_key(tmp_path / name)
        shown.append(Ed25519Key.from_private_key_file(str(tmp_path / name)))
    server = Server("example.com", 22, WITH_PASSWORD)
    keys.check(server, shown[0])
    keys.check(server, shown[0])
    with pytest.raises(ProtocolViolation, match="its host key was"):
        keys.check(server, shown[1])
    assert capfd.readouterr().err.count("\n") == 1


def test_the_jump_host_is_checked_as_well(sshd: Sshd, tmp_path: Path) -> None:
    with require.running("sshd", lambda: servers.start("AllowTcpForwarding yes")) as gate:
        work = known(tmp_path, sshd.known_hosts())
        with pytest.raises(RedError, match=f"jump host .*{gate.port}.*unknown host key"):
            opened(unnamed(sshd), work, jump=unnamed(gate)).__enter__()
        work = known(tmp_path, sshd.known_hosts() + gate.known_hosts())
        with opened(unnamed(sshd), work, jump=unnamed(gate)) as session:
            assert session.transport


# -- RED_STRICT_HOST_KEYS ----------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "strict"), [("1", True), ("0", False), ("", False)])
def test_red_strict_host_keys_is_read(text: str, strict: bool) -> None:
    assert settings.read({"RED_STRICT_HOST_KEYS": text}).strict_host_keys is strict


@pytest.mark.parametrize("text", ["yes", "2", " 1", "true"])
def test_an_invalid_red_strict_host_keys_is_78(text: str) -> None:
    with pytest.raises(ConfigError, match="RED_STRICT_HOST_KEYS"):
        settings.read({"RED_STRICT_HOST_KEYS": text})
