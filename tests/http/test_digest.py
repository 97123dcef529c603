"""red-connector-http: Digest with names that are not ASCII, and what the server wants."""

from pathlib import Path

import pytest

from connectors.http.transport import challenge
from connectors.http.transport.challenge import Digest, schemes
from tests.http.test_receive import AUTH, CONTENT, receive
from tests.servers import PASSWORD, USERNAME
from tests.servers.apache import UMLAUT, Apache
from tests.servers.fault import FaultServer, Reply
from tests.support.program import run
from tests.support.trees import listing, read

HTTP = "red-connector-http"
BY_DIGEST = {"username": UMLAUT, "password": PASSWORD, "method": "DIGEST"}


@pytest.mark.parametrize("folder", ["", "/other"], ids=["realm", "realm with an umlaut"])
@pytest.mark.parametrize("user", [USERNAME, UMLAUT])
def test_digest_supports_usernames_that_are_not_ascii(
    httpd: Apache, fresh: str, target: Path, user: str, folder: str
) -> None:
    httpd.place(f"{fresh}{folder}/x y", CONTENT)
    access = {"url": f"{httpd.digest}/{fresh}{folder}/x y?a=%20b", "auth": {**BY_DIGEST, "username": user}}
    result = receive(access, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == CONTENT


def test_a_user_with_a_non_ascii_name_sends_and_receives_a_directory(
    httpd: Apache, fresh: str, tmp_path: Path
) -> None:
    tree = {f"d/f{number}": b"x" * number for number in range(20)}
    for name, content in tree.items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(content)
    httpd.folder(httpd.root / fresh)
    access = {"url": f"{httpd.digest}/{fresh}", "auth": BY_DIGEST}
    result = run(HTTP, "send-dir", {**access, "method": "PUT"}, tmp_path / "out")
    assert result.code == 0, result.stderr
    result = run(HTTP, "receive-dir", access, tmp_path / "in", "--listing", listing(tree, False))
    assert result.code == 0, result.stderr
    assert read(tmp_path / "in") == tree


def test_a_wrong_password_of_a_non_ascii_user_is_tried_once(httpd: Apache, fresh: str, target: Path) -> None:
    httpd.place(f"{fresh}/x", CONTENT)
    auth = {**BY_DIGEST, "password": "wrong"}
    result = receive({"url": f"{httpd.digest}/{fresh}/x", "auth": auth}, target, RED_RETRIES="3")
    assert result.code == 77, result.stderr
    assert len([one for one in httpd.requests(f"/{fresh}") if "authorization" in one.headers]) == 1


def test_basic_for_a_digest_server_fails_with_a_hint(httpd: Apache, fresh: str, target: Path) -> None:
    httpd.place(f"{fresh}/x", CONTENT)
    result = receive({"url": f"{httpd.digest}/{fresh}/x", "auth": AUTH}, target)
    assert result.code == 77
    assert "the server wants Digest" in result.stderr


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ('Basic realm="x"', ["Basic"]),
        ('digest realm="a, Basic b", nonce="n", BASIC realm="x"', ["Digest", "Basic"]),
        ('Bearer realm="x", error="invalid_token"', ["Bearer"]),
        ("Negotiate, NTLM", ["Negotiate", "NTLM"]),
        ("Negotiate YIIabc==", ["Negotiate"]),
        ("Basic, Basic realm=y", ["Basic"]),
        ("", []),
        (',,="', []),
        ("secret-t0ken", []),
    ],
)
def test_the_schemes_of_a_challenge_are_found(said: str, wanted: list[str]) -> None:
    assert schemes(said) == wanted


def test_a_refused_login_names_the_schemes_that_the_server_offers(faulty: FaultServer, target: Path) -> None:
    fields = {"WWW-Authenticate": 'Bearer realm="x", Negotiate'}
    result = receive({"url": faulty.on("/x", Reply(b"", 401, fields))}, target)
    assert result.code == 77
    assert "the server wants Bearer or Negotiate (auth.method)" in result.stderr


@pytest.mark.parametrize(
    ("auth", "scheme", "said"),
    [
        (AUTH, "Basic", "the server refused this username and password"),
        ({"method": "BEARER", "token": "t0ken-t0ken"}, "Bearer", "the server refused this token"),
        (AUTH, "Bearer", "the server wants Bearer (auth.method)"),
    ],
)
def test_a_refused_login_and_a_wrong_method_have_different_messages(
    faulty: FaultServer, target: Path, auth: dict[str, str], scheme: str, said: str
) -> None:
    url = faulty.on("/x", Reply(b"", 401, {"WWW-Authenticate": f'{scheme} realm="x"'}))
    result = receive({"url": url, "auth": auth}, target)
    assert result.code == 77
    assert said in result.stderr


def test_digest_responses_match_the_examples_of_the_rfc(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7616, 3.9.1."""

    class Fixed:
        @staticmethod
        def hex() -> str:
            return "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"

    monkeypatch.setattr(challenge.os, "urandom", lambda count: Fixed)
    said = 'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, nonce={}, opaque={}'
    nonce, opaque = (
        "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    )
    for algorithm, response in (
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ):
        login = Digest("Mufasa", "Circle of Life")
        assert login.hears(said.format(algorithm, f'"{nonce}"', f'"{opaque}"'), refused=False)
        answer = login.answer("GET", "http://www.example.org/dir/index.html")
        assert f'response="{response}"' in answer
        assert f'opaque="{opaque}"' in answer
        assert "nc=00000001" in answer


def test_a_username_is_hashed_if_the_challenge_asks_for_it() -> None:
    """RFC 7616, 3.9.2."""
    login = Digest("Jäsøn Doe", "Secret, or not?")
    said = 'Digest realm="api@example.org", qop=auth, algorithm=SHA-512-256, nonce="n", userhash=true'
    assert login.hears(said, refused=False)
    answer = login.answer("GET", "http://api.example.org/doe.json")
    assert "userhash=true" in answer
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in answer


def test_only_a_stale_challenge_is_answered_again() -> None:
    login = Digest(UMLAUT, PASSWORD)
    said = 'Digest realm="x", nonce="n"'
    assert login.hears(said, refused=False)
    assert not login.hears(said, refused=True)
    assert login.hears(f"{said}, stale=true", refused=True)
    for other in (
        "",
        "Basic realm=x",
        'Digest realm="x"',
        f"{said}, algorithm=SHA-1",
        f"{said}, qop=auth-int",
    ):
        assert not login.hears(other, refused=False)
