"""Private keys: of every kind and format, however they were pasted; and what is said of those that fail."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest
import yaml
from cryptography.hazmat.primitives import serialization as formats
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import ConfigError
from connectors.pem import as_pem
from connectors.ssh.login import keys
from tests.support.documents import patient
from tests.support.keys import FORMATS, KEYS, MADE, NONE, PASSPHRASE, WAYS, Key, made, ways
from tests.support.program import CHECKOUT, Result, run
from tests.support.require import missing

every_key = pytest.mark.parametrize("key", KEYS, ids=lambda key: key.name)


def public(key: paramiko.PKey) -> str:
    return f"{key.get_name()} {key.get_base64()}"


def works(key: paramiko.PKey) -> bool:
    """Whether it signs what its own public part takes, as at a log-in."""
    algorithm = "rsa-sha2-512" if key.get_name() == "ssh-rsa" else None
    signature = key.sign_ssh_data(b"data", algorithm)
    signature.rewind()
    known = paramiko.PKey.from_type_string(key.get_name(), key.asbytes())
    return bool(known.verify_ssh_sig(b"data", signature))


@every_key
def test_every_kind_and_format_of_key_is_taken(key: Key) -> None:
    loaded = keys.load(key.text, PASSPHRASE if key.encrypted else "")
    assert public(loaded) == key.public
    assert works(loaded)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "secret"])
def test_what_ssh_keygen_makes_is_taken(kind: str, form: str, passphrase: str, tmp_path: Path) -> None:
    if not shutil.which("ssh-keygen"):
        missing("ssh", "ssh-keygen is not installed")
    file = tmp_path / "id"
    command = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", passphrase, "-a", "1", "-f", file]
    subprocess.run(command, check=True, timeout=60)
    line = file.with_suffix(".pub").read_text()
    for way in ways(file.read_text()):
        assert line.startswith(public(keys.load(WAYS[way](file.read_text()), passphrase)))


@pytest.mark.parametrize(("key", "way"), [(key, way) for key in KEYS for way in ways(key.text)])
def test_a_key_is_taken_however_its_lines_were_treated(key: Key, way: str) -> None:
    assert public(keys.load(WAYS[way](key.text), PASSPHRASE)) == key.public


@every_key
def test_a_key_may_be_a_file(key: Key, tmp_path: Path) -> None:
    file = tmp_path / "a key"
    file.write_text(key.text)
    assert public(keys.load(str(file), PASSPHRASE)) == key.public


def test_a_passphrase_that_is_not_needed_does_no_harm() -> None:
    assert public(keys.load(KEYS[0].text, "not needed")) == KEYS[0].public


def test_restoring_lines_changes_nothing_but_lines() -> None:
    for key in KEYS:
        assert as_pem(key.text).split() == as_pem(as_pem(key.text)).split()
        assert "".join(as_pem(key.text).split()) == "".join(key.text.split())


def refusal(private_key: str, passphrase: str = "") -> str:
    """What is said of a key that cannot work, which holds nothing of it."""
    with pytest.raises(ConfigError) as caught:
        keys.load(private_key, passphrase)
    said = f"{caught.value.message}; {caught.value.hint}"
    assert passphrase == "" or passphrase not in said
    assert caught.value.__suppress_context__
    for line in private_key.replace("\\n", "\n").splitlines():
        assert len(line) < 8 or line.startswith(("-----", "/", "PuTTY", "----")) or line not in said
    return said


@pytest.mark.parametrize("key", [key for key in KEYS if key.encrypted], ids=lambda key: key.name)
def test_a_missing_or_wrong_passphrase_is_reported_as_such(key: Key) -> None:
    assert "encrypted, and its passphrase is missing; give it as passphrase" in refusal(key.text)
    assert "cannot be decrypted: the passphrase is wrong" in refusal(key.text, "wr0ng-passphrase")


def openssh(kind: bytes) -> str:
    """The outside of a key of ``kind``, as OpenSSH writes it."""

    def string(data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + data

    inside = b"openssh-key-v1\0" + 2 * string(b"none") + string(b"") + b"\0\0\0\1"
    inside += string(string(kind) + string(b"x" * 32)) + string(b"y" * 128)
    text = base64.encodebytes(inside).decode()
    return f"-----BEGIN OPENSSH PRIVATE KEY-----\n{text}-----END OPENSSH PRIVATE KEY-----\n"


def pkcs8(key: "dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | ed448.Ed448PrivateKey") -> str:
    return key.private_bytes(formats.Encoding.PEM, formats.PrivateFormat.PKCS8, NONE).decode()


PUTTY = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: me\nPublic-Lines: 2\nAAAA\n"
BODY = KEYS[0].text.splitlines()[1]
CUT = "\n".join(KEYS[0].text.splitlines()[:9])
SHORTENED = "\n".join([*KEYS[0].text.splitlines()[:9], KEYS[0].text.splitlines()[-1]])


@pytest.mark.parametrize(
    ("private_key", "said"),
    [
        (KEYS[0].public, "is a public key; the private one is needed, in the file without .pub"),
        (KEYS[0].public + " me@here\n", "is a public key"),
        (
            MADE["rsa"].public_key().public_bytes(formats.Encoding.PEM, formats.PublicFormat.PKCS1).decode(),
            "is a public key",
        ),
        (f"---- BEGIN SSH2 PUBLIC KEY ----\n{BODY}\n---- END SSH2 PUBLIC KEY ----\n", "is a public key"),
        (PUTTY, "is a PuTTY key; convert it: puttygen KEY.ppk -O private-openssh -o KEY"),
        (f"-----BEGIN DSA PRIVATE KEY-----\n{BODY}\n-----END DSA PRIVATE KEY-----\n", "is a DSA key"),
        (openssh(b"ssh-dss"), "is a DSA key, which servers no longer accept; make another one: ssh-keygen"),
        (pkcs8(dsa.generate_private_key(1024)), "is of a type, or encrypted in a way, that is not"),
        (pkcs8(ed448.Ed448PrivateKey.generate()), "is of a type, or encrypted in a way, that is not"),
        (pkcs8(ec.generate_private_key(ec.SECP256K1())), "is of a type, or encrypted in a way, that is not"),
        (openssh(b"sk-ssh-ed25519@openssh.com"), "is stored on a security key (FIDO)"),
        (openssh(b"ssh-xyz"), "is of a type, or encrypted in a way, that is not supported"),
        (openssh(b"ssh-ed25519"), "is damaged"),
        (CUT, "is cut short"),
        (SHORTENED, "is damaged"),
        (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{BODY}\n-----END RSA PRIVATE KEY-----", "is cut short"),
        (f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----\n", "is damaged"),
        ("-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n", "is damaged"),
        ("-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n", "is damaged"),
        ("-----BEGIN PRIVATE KEY-----\nAAA\u00e4\n-----END PRIVATE KEY-----\n", "is damaged"),
        (f"-----BEGIN CERTIFICATE-----\n{BODY}\n-----END CERTIFICATE-----\n", "contains no private key"),
        (f"{BODY}\n{BODY}\n", "contains no private key"),
        (
            "/nowhere/id",
            "must be PEM text or the path of a file that can be read (No such file or directory; in a",
        ),
        ("nowhere/id", f"can be read (No such file or directory; looked in {Path.cwd()})"),
        ("~/nowhere/id", "; ~ is not expanded: write an absolute path, or a variable {{name}}"),
        ("/", "must be PEM text or the path of a file that can be read (Is a directory)"),
        ("/dev/null", "contains no private key"),
        ("a\0b", "must be PEM text or the path of a file that can be read"),
        ("", "must be PEM text or the path of a file that can be read"),
    ],
)
def test_an_unusable_key_is_refused_with_a_hint(private_key: str, said: str) -> None:
    assert said in refusal(private_key)


@pytest.mark.parametrize("start", ["", "/", "~/", "./"])
def test_a_piece_of_a_key_is_not_echoed_though_it_may_look_like_a_path(start: str) -> None:
    for key in KEYS:
        for piece in (key.text.splitlines()[-2], "".join(key.text.splitlines()[1:-1])):
            assert piece[:8] not in refusal(start + piece)


@patient
@given(
    st.text(max_size=60), st.sampled_from(["OPENSSH ", "RSA ", "EC ", "ENCRYPTED ", ""]), st.text(max_size=5)
)
def test_any_block_is_a_key_or_refused(inside: str, kind: str, passphrase: str) -> None:
    with pytest.raises(ConfigError):
        keys.load(
            f"-----BEGIN {kind}PRIVATE KEY-----\n{inside}\n-----END {kind}PRIVATE KEY-----\n", passphrase
        )


@patient
@given(st.data())
def test_a_damaged_key_is_a_key_or_refused(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(KEYS))
    at = data.draw(st.integers(30, len(key.text) - 40))
    damaged = key.text[:at] + data.draw(st.characters(codec="ascii")) + key.text[at + 1 :]
    with suppress(ConfigError):
        keys.load(damaged, PASSPHRASE)


def test_an_rsa_key_whose_halves_do_not_fit_together_is_damaged() -> None:
    """What one has signed the other does not accept: the server would say that it does not know the key."""
    right = MADE["rsa"].private_numbers()
    wrong = rsa.RSAPrivateNumbers(
        p=right.p, q=right.q, d=right.d + 2, dmp1=right.dmp1, dmq1=right.dmq1, iqmp=right.iqmp,
        public_numbers=right.public_numbers,
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
    text = wrong.private_bytes(formats.Encoding.PEM, FORMATS["OpenSSH"], NONE).decode()
    assert "is damaged" in refusal(text)


def test_an_rsa_key_that_would_take_minutes_is_refused() -> None:
    """Its parts fit, as far as anyone looks; nobody could use it, and trying would not end."""
    bits = 2 * 8200
    p, q = (1 << bits // 2) - 1, (1 << bits // 2) - 3
    wrong = rsa.RSAPrivateNumbers(
        p=p, q=q, d=3, dmp1=1, dmq1=1, iqmp=1, public_numbers=rsa.RSAPublicNumbers(e=3, n=p * q)
    ).private_key(unsafe_skip_rsa_key_validation=True)  # fmt: skip
    text = wrong.private_bytes(formats.Encoding.PEM, FORMATS["PKCS8"], NONE).decode()
    assert "is an RSA key of 16400 bits; at most 16384 are supported" in refusal(text)


def test_a_compressed_point_is_not_supported() -> None:
    """Nobody writes one, but a byte may be damaged; the library answers that in a way of its own."""
    lines = made("nistp256", "OpenSSH", encrypted=False).text.strip().split("\n")
    inside = base64.b64decode("".join(lines[1:-1])).replace(b"nistp256\0\0\0\x41\4", b"nistp256\0\0\0\x41\2")
    text = "\n".join((lines[0], base64.b64encode(inside).decode(), lines[-1]))
    with pytest.raises(ConfigError, match="not supported"):
        keys.load(text, "")


# -- red-connectors ssh-key ----------------------------------------------------------------------


def ssh_key(*arguments: object, stdin: str = "", env: dict[str, str] | None = None) -> Result:
    result = run("red-connectors", "ssh-key", *arguments, stdin=stdin, env=env)
    assert BODY not in result.stderr
    return result


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "id"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("key", KEYS[:6], ids=lambda key: key.name)
def test_the_printed_lines_can_be_pasted_below_auth(key: Key, file: Callable[[str], Path]) -> None:
    result = ssh_key(file(key.text))
    assert (result.code, bool(result.stderr)) == (0, key.encrypted)
    lines = ["auth:", "  username: me", *("  " + line for line in result.stdout.splitlines())]
    for indent in (0, 2, 6):
        pasted = yaml.safe_load("\n".join(" " * indent + line for line in lines))["auth"]
        assert pasted["username"] == "me"
        assert pasted["privateKey"].split() == as_pem(key.text).split()
        assert pasted.get("passphrase") == ("{{ssh_key_passphrase}}" if key.encrypted else None)
        assert public(keys.load(pasted["privateKey"], PASSPHRASE)) == key.public


def test_ssh_key_prints_json_as_well(file: Callable[[str], Path]) -> None:
    shown = ssh_key(file(KEYS[1].text), "--json").stdout
    assert json.loads(shown) == yaml.safe_load(ssh_key(file(KEYS[1].text)).stdout)
    assert list(json.loads(shown)) == ["privateKey", "passphrase"]


def test_ssh_key_reads_standard_input_and_keeps_only_the_key() -> None:
    key = KEYS[0]
    shown = yaml.safe_load(ssh_key("-", stdin=f"# mine\n{key.text}# end\n").stdout)
    assert shown["privateKey"].split() == key.text.split()


def test_how_to_give_the_passphrase_is_explained_on_stderr(file: Callable[[str], Path]) -> None:
    said = ssh_key(file(KEYS[1].text)).stderr
    assert "set the variable ssh_key_passphrase" in said
    assert "RED_VAR_ssh_key_passphrase" in said


def test_ssh_key_prints_a_working_access_document(file: Callable[[str], Path]) -> None:
    login = json.loads(ssh_key("--json", file(KEYS[1].text)).stdout)
    access = {"host": "h", "auth": {"username": "me", **login}, "filePath": "x"}
    verb = ("receive-file-validate", "--offline")
    assert run("red-connector-ssh", *verb, access).code == 78
    env = {"RED_VAR_ssh_key_passphrase": PASSPHRASE}
    assert run("red-connector-ssh", *verb, access, env=env).code == 0


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (KEYS[0].public, 65, "is a public key"),
        (PUTTY, 65, "puttygen"),
        (SHORTENED, 65, "is damaged"),
        (CUT, 65, "is cut short"),
        ("", 65, "contains no private key"),
        ("\0\1\2\xff", 65, "contains no private key"),
    ],
)
def test_an_invalid_key_is_65(text: str, code: int, said: str, file: Callable[[str], Path]) -> None:
    result = ssh_key(file(text))
    assert result.code == code
    assert said in result.stderr
    assert result.stdout == ""


def test_other_mistakes_have_their_own_codes(tmp_path: Path) -> None:
    assert ssh_key(tmp_path / "missing").code == 66
    assert ssh_key(tmp_path).code == 74
    assert ssh_key().code == 64
    assert ssh_key("a", "b").code == 64
    assert run("red-connector-ssh", "ssh-key", "a").code == 64


def test_the_entrypoint_runs_ssh_key() -> None:
    done = subprocess.run([CHECKOUT / "entrypoint.sh", "ssh-key", "/nowhere"], capture_output=True, text=True)
    assert "red-connectors" in done.stderr
