"""The conversation with XNAT: section 1 of docs/xnat-rest-api.md, and its points 6.4 and 6.5."""

import base64
import html
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.promises import visible
from tests.servers import authority, xnat
from tests.servers.xnat import Fault, User, Xnat
from tests.servers.xnat.exchange import Answer, Exchange
from tests.servers.xnat.files import Files
from tests.servers.xnat.server import Service
from tests.support.asking import Asker
from tests.support.xnat_calls import SCAN, Archive


@pytest.fixture
def archive(archive: Archive) -> Archive:
    """With a file."""
    archive.site.place(SCAN, "R", "x", b"123")
    return archive


def test_credentials_and_cookie_go_with_every_request(archive: Archive) -> None:
    assert archive.send(b"1", "y").code == 0
    first, *others = archive.site.seen
    assert first.session == ""
    assert {one.session for one in others} != {""}
    assert len({one.session for one in others}) == 1
    assert all("authorization" in one.headers for one in archive.site.seen)


def test_a_session_that_dies_in_the_middle_is_followed_by_another_one_and_that_is_ended(
    archive: Archive,
) -> None:
    archive.site.switches.session_seconds = 0.0001
    assert archive.send(b"1", "y").code == 0
    assert archive.receive().code == 0
    archive.site.switches.session_seconds = 900
    assert archive.site.open_sessions() == 0


@pytest.fixture
def restarted(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """All sessions are over once the files have been listed; so several workers begin one each."""
    read, one = Files._read, Files._one

    def listed(files: Files, exchange: Exchange, *rest: Any) -> Answer:
        answer = read(files, exchange, *rest)
        if answer.kind.startswith("application/json"):
            archive.site.pass_time(1000)
        return answer

    def slowly(*given: Any) -> Answer:
        time.sleep(0.5)  # all have sent the old cookie until then
        return one(*given)

    monkeypatch.setattr(Files, "_read", listed)
    monkeypatch.setattr(Files, "_one", slowly)
    for number in range(8):
        archive.site.place(SCAN, "R", f"large {number}", bytes(100_000 + number))
    archive.env["RED_PARALLEL"] = "8"
    return archive


def test_when_several_workers_meet_a_dead_session_all_that_they_begin_are_ended(restarted: Archive) -> None:
    result = restarted.receive_dir()
    assert result.code == 0, result.stderr
    assert restarted.site.log_ins > 4
    assert restarted.site.open_sessions() == 0


def test_all_log_outs_together_do_not_take_longer_than_one(restarted: Archive) -> None:
    restarted.site.fail("DELETE", "JSESSION", Fault(pause=5, times=-1))
    result = restarted.receive_dir()
    assert result.code == 0, result.stderr
    assert restarted.site.log_ins > 4
    assert result.seconds < 4


@pytest.mark.parametrize("left", [0, 5])
def test_the_session_is_ended_though_the_first_answer_is_cut(archive: Archive, left: int) -> None:
    archive.site.fail("GET", "", Fault(truncate=left))
    assert archive.receive().code == 75
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


def test_the_session_is_ended_though_the_first_answer_stalls(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = Service._archive_answer

    def stalls(service: Service, exchange: Exchange) -> Answer:
        if exchange.segments[-1] == "scans":
            return Answer(lambda output: time.sleep(4), length=100)
        return answer(service, exchange)

    monkeypatch.setattr(Service, "_archive_answer", stalls)
    archive.env["RED_TIMEOUT"] = "1"
    assert archive.receive().code == 75
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


def test_a_secure_cookie_over_http_costs_no_second_session(archive: Archive) -> None:
    archive.site.switches.secure_cookie = True
    assert archive.receive().code == 0
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("file", ["x", "none"])
def test_the_session_is_ended_though_a_call_fails(archive: Archive, file: str) -> None:
    assert archive.receive(file, "P/S/E/scans/1" if file == "none" else "P/S/E/scans/9").code == 66
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("fault", [Fault(500), Fault(drop=0), Fault(401), Fault(pause=5)])
def test_a_failing_log_out_does_not_hide_a_result(archive: Archive, fault: Fault) -> None:
    archive.site.fail("DELETE", "JSESSION", fault)
    result = archive.receive()
    assert (result.code, result.stderr) == (0, "")
    assert (archive.here / "x").read_bytes() == b"123"
    assert result.seconds < 4


def test_a_failing_log_out_does_not_hide_an_error(archive: Archive) -> None:
    archive.site.fail("DELETE", "JSESSION", Fault(500))
    result = archive.receive("none")
    assert result.code == 66
    assert "500" not in result.stderr


def test_a_wrong_password_is_tried_once_before_anything_is_sent_and_needs_no_log_out(
    archive: Archive,
) -> None:
    wrong = {"auth": {"username": archive.site.username, "password": "wrong"}}
    result = archive.send(bytes(3 << 20), "y", **wrong)
    assert result.code == 77, result.stderr
    assert "auth" in result.stderr
    (only,) = archive.site.seen
    assert (only.method, only.taken) == ("GET", 0)


@pytest.mark.parametrize(
    ("version", "works"), [("1.8.11", True), ("1.7.4", True), ("1.8.11", False), ("1.7.4", False)]
)
def test_an_alias_token_is_as_good_as_a_password(archive: Archive, version: str, works: bool) -> None:
    archive.site.switches.version = version
    ask = Asker(archive.site.url, archive.site.username, archive.site.password)
    token = json.loads(ask("GET", "/data/services/tokens/issue").body)
    if not works:
        ask("GET", f"/data/services/tokens/invalidate/{token['alias']}/{token['secret']}")
    result = archive.receive(auth={"username": token["alias"], "password": token["secret"]})
    assert result.code == (0 if works else 77), result.stderr
    assert token["secret"] not in result.stderr


def test_a_provider_may_stand_before_the_name(archive: Archive) -> None:
    assert archive.receive(**archive.as_user(f"ldap1/{archive.site.username}")).code == 0


def test_too_many_sessions_are_77_and_say_so(archive: Archive) -> None:
    archive.site.switches.session_limit = 0
    result = archive.receive()
    assert result.code == 77
    assert "sessions" in result.stderr


@pytest.mark.parametrize("verb", ["receive-file", "send-file"])
def test_an_expired_password_is_77_and_says_so(archive: Archive, verb: str) -> None:
    archive.site.users[archive.site.username].expired = True
    (archive.here / "out").write_bytes(b"1")
    result = archive.call(verb, archive.access("y"), archive.here / "out")
    assert result.code == 77, result.stderr
    assert "expired" in result.stderr
    assert archive.site.tree(SCAN, "R") == {"x": b"123"}
    assert (archive.here / "out").read_bytes() == b"1"


@pytest.mark.parametrize("verb", ["receive-file", "receive-dir", "send-file"])
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    "page",
    [
        b"<html><title>Status page</title><h3>Your password has expired</h3></html>",
        b"<html><h1>HTTP Status 403</h1><p><b>Message</b> You must change your password.</p></html>",
    ],
)
def test_an_account_that_has_to_change_its_password_is_77_with_the_sites_words_and_asked_once(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, page: bytes, status: int, verb: str
) -> None:
    monkeypatch.setattr(Service, "answer", lambda *_: Answer(page, "text/html", status))
    archive.env["RED_RETRIES"] = "4"
    (archive.here / "out").write_bytes(b"1")
    access, local = archive.access(None if "dir" in verb else "y"), "got" if "dir" in verb else "out"
    result = archive.call(verb, access, archive.here / local)
    assert result.code == 77, result.stderr
    assert "password" in result.stderr.partition("hint:")[0]
    assert "hint: the password has expired: log in with a browser" in result.stderr
    assert len([one for one in archive.site.seen if one.method != "DELETE"]) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_of_what_is_sent_is_refused_and_names_the_base_url_to_use(
    archive: Archive, status: int
) -> None:
    archive.site.switches.redirect_to = "https://xnat.example/xnat"
    archive.site.switches.redirect_status = status
    for result in (archive.send(b"1", "y"), archive.receive()):
        assert result.code == 76, result.stderr
        assert "use https://xnat.example/xnat as baseUrl" in result.stderr
    assert visible(archive.here) == ["out"]


def redirect(monkeypatch: pytest.MonkeyPatch, part: str, where: Callable[[str], str]) -> None:
    """Let the fake send everybody who asks for an address in which ``part`` is found elsewhere."""

    def answer(service: Service, path: str, headers: object) -> Answer | None:
        return Answer(b"", status=302, headers={"Location": where(path)}) if re.search(part, path) else None

    monkeypatch.setattr(Service, "redirect", answer)


def test_a_redirect_of_the_put_alone_is_refused_though_a_page_with_200_is_behind_it(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    redirect(monkeypatch, "inbody=true", lambda path: "/app/template/Login.vm")
    result = archive.send(b"1", "y")
    assert result.code == 76, result.stderr
    assert f"redirects to {archive.site.url}: 302" in result.stderr
    assert "log-in page" in result.stderr
    assert archive.site.tree(SCAN, "R") == {"x": b"123"}
    assert not archive.site.requests("Login.vm")


@pytest.mark.parametrize("relative", [True, False])
def test_who_sends_is_told_the_whole_base_url_though_the_redirect_is_relative(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, relative: bool
) -> None:
    before = "" if relative else archive.site.url
    redirect(monkeypatch, "inbody=true", lambda path: f"{before}/xnat{path}")
    result = archive.send(b"1", "y")
    assert result.code == 76, result.stderr
    assert f"use {archive.site.url}/xnat as baseUrl" in result.stderr


@pytest.mark.parametrize(
    "where",
    [
        lambda path: f"/a{path}",
        lambda path: path[2:] if path.startswith("/a/") else f"/a{path}",
        lambda path: path,
    ],
    ids=["longer and longer", "there and back", "to itself"],
)
def test_redirects_in_a_circle_are_76_after_a_few_requests(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, where: Callable[[str], str]
) -> None:
    redirect(monkeypatch, "", where)
    result = archive.receive()
    assert result.code == 76, result.stderr
    assert "baseUrl" in result.stderr
    assert len(archive.site.seen) <= 3
    assert visible(archive.here) == []


def test_a_log_in_page_that_remembers_where_we_wanted_to_go_is_no_base_url(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    redirect(monkeypatch, "^(?!/login)", lambda path: f"/login?next={path}")
    result = archive.receive()
    assert result.code == 76, result.stderr
    assert "log-in page" in result.stderr
    assert not archive.site.requests("/login")


def test_of_a_redirect_that_is_refused_only_the_host_is_shown(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = "0123456789ABCDEF0123456789ABCDEF"
    redirect(monkeypatch, "", lambda path: f"/app/Login.vm;jsessionid={session}")
    for result in (archive.receive(), archive.send(b"1", "y")):
        assert result.code == 76
        assert f"redirects to {archive.site.url}: 302" in result.stderr
        assert session not in result.stderr


# --- what the site says ---


def refusal(monkeypatch: pytest.MonkeyPatch, status: int, text: str, cookie: str = "") -> None:
    """Let the fake refuse everything, with this text in its page."""
    fields = {"Set-Cookie": f"JSESSIONID={cookie}; Path=/"} if cookie else {}
    page = f"<title>Status page</title><h3>{text}</h3>".encode()
    monkeypatch.setattr(Service, "redirect", lambda *_: Answer(page, "text/html", status, fields))


ODD = "Corr3ct <Horse> & two  blanks"
BASIC = base64.b64encode(f"bob:{ODD}".encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"bad password {html.escape(ODD)} for bob",
        f"bad password {html.escape(html.escape(ODD))} for bob",
        f"bad password {ODD} for bob",
        f"bad password {html.escape(' '.join(ODD.split()))} for bob",
        f"{'a' * 185} {html.escape(ODD)}",
        f"{'a' * 160} Basic {BASIC}",
        f"bad {html.escape(ODD[:5])}\n{html.escape(ODD[5:])}",
        f"bad {BASIC[:20]}\n{BASIC[20:]}",
    ],
)
def test_a_secret_in_what_the_site_says_is_not_shown_however_it_is_put(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    archive.site.users["bob"] = User("bob", ODD)
    refusal(monkeypatch, 403, text)
    result = archive.receive(auth={"username": "bob", "password": ODD})
    assert result.code == 77
    assert "403" in result.stderr
    for part in ("Corr3", "orr3ct", "Horse", "two", "blanks", BASIC[8:18], BASIC[20:30]):
        assert part not in result.stderr


@pytest.mark.parametrize("status", [401, 403])
def test_the_session_is_not_shown_either(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    refusal(monkeypatch, status, "session ABCDEF0123456789 is bad", "ABCDEF0123456789")
    result = archive.receive()
    assert result.code == 77
    assert "is bad" in result.stderr
    assert "ABCDEF" not in result.stderr


def test_what_the_site_says_is_told(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal(monkeypatch, 403, "a &lt;b&gt;\n  <i>c</i> &amp; d")
    assert ": a <b> c & d\n" in archive.receive().stderr


@pytest.mark.parametrize("verb", ["receive-file", "send-file"])
def test_a_404_that_is_not_in_the_words_of_xnat_names_the_base_url_first(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    other = Answer(b"<html><h1>404 Not Found</h1>nginx</html>", "text/html", 404)
    monkeypatch.setattr(Service, "redirect", lambda *_: other)
    (archive.here / "out").write_bytes(b"1")
    result = archive.call(verb, archive.access("y"), archive.here / "out")
    assert "hint: check baseUrl" in result.stderr
    monkeypatch.undo()
    result = archive.call(verb, archive.access("y", "none/S/E/scans/1"), archive.here / "out")
    assert "hint: check project" in result.stderr


@pytest.mark.parametrize("status", [405, 501])
def test_words_that_only_a_plain_web_server_needs_are_not_used(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    refusal(monkeypatch, status, "no")
    result = archive.receive()
    assert "check baseUrl" in result.stderr
    assert "check method" not in result.stderr


def test_a_host_that_does_not_exist_is_68_and_no_field_that_is_not_there_is_blamed(archive: Archive) -> None:
    result = archive.receive(baseUrl="http://no-such-host.invalid")
    assert result.code == 68, result.stderr
    assert "in the address" in result.stderr


def test_who_receives_follows_the_site_to_another_path_and_is_asked_twice_only_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with xnat.start("/xnat") as site:
        redirect(monkeypatch, r"^(?!/xnat/)", lambda path: f"/xnat{path}")
        site.place(SCAN, "R", "x", b"123")
        archive = Archive(site, tmp_path)
        base = site.url.removesuffix("/xnat")
        assert archive.receive(baseUrl=base).code == 0
        assert len(site.seen) == 5
        assert site.open_sessions() == 0
        assert archive.send(b"1", "y", baseUrl=base).code == 76


@pytest.fixture
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Xnat, Path]]:
    made = authority.make(tmp_path_factory.mktemp("ca"))
    with xnat.start("/xnat", (made.certificate, made.key)) as site:
        yield site, made.ca


def test_a_site_below_a_path_and_over_tls_works_as_well(secure: tuple[Xnat, Path], tmp_path: Path) -> None:
    site, ca = secure
    site.place(SCAN, "R", "x", b"123")
    archive = Archive(site, tmp_path)
    assert archive.receive().code == 76
    assert archive.receive(disableSSLVerification=True).code == 0
    archive.env["RED_CA_BUNDLE"] = str(ca)
    for base in (site.url, f"{site.url}/"):
        assert archive.receive(baseUrl=base).code == 0
    assert archive.send(b"1", "y").code == 0
    assert site.tree(SCAN, "R") == {"x": b"123", "y": b"1"}
    assert site.open_sessions() == 0


def test_a_failed_upload_ends_the_session_once(archive: Archive) -> None:
    archive.env["RED_RETRIES"] = "0"
    archive.site.fail("PUT", "/files", Fault(503))
    assert archive.send(b"1", "y").code == 75
    assert [one.method for one in archive.site.seen] == ["GET", "PUT", "DELETE"]
    assert archive.site.open_sessions() == 0


def test_checking_offline_contacts_nobody(archive: Archive) -> None:
    assert archive.call("send-file-validate", archive.access(), "--offline").code == 0
    assert archive.site.seen == []
