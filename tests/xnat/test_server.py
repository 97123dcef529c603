"""The fake XNAT is like the real one: log-in, sessions, identifiers, containers (the files are elsewhere)."""

import json

import pytest

from tests.servers import authority, xnat
from tests.servers.xnat import Fault, User, Xnat
from tests.support.asking import Asker
from tests.support.xnat_calls import SCAN_URL


def as_user(site: Xnat, name: str, password: str = "", cookie: str = "") -> Asker:
    return Asker(site.url, name, password or site.password, cookie)


# --- transport and authentication ---


@pytest.mark.parametrize("start", ["/data", "/REST", "/data/archive", "/REST/archive"])
def test_the_archive_answers_under_four_names(ask: Asker, start: str) -> None:
    assert ask("GET", f"{start}/projects").rows[0]["ID"] == "P"


def test_a_request_without_a_live_session_gets_a_cookie_and_a_password_without_one_a_new_session(
    site: Xnat, ask: Asker
) -> None:
    first, second = ask("GET", "/data/projects"), ask("GET", "/data/projects")
    assert first.session
    assert first.session != second.session
    assert site.open_sessions() == site.log_ins == 2
    assert any("HttpOnly" in one for one in first.cookies)
    assert any(one.startswith('SESSION_EXPIRATION_TIME="') for one in second.cookies)


def test_password_and_live_cookie_together_go_on_with_the_session(site: Xnat, ask: Asker) -> None:
    cookie = ask("GET", "/data/JSESSION").session
    both = as_user(site, site.username, cookie=cookie)
    assert both("GET", "/data/projects").session == ""
    assert Asker(site.url, cookie=cookie)("GET", "/data/projects").status == 200
    assert site.log_ins == 1


def test_within_a_live_session_the_password_is_not_looked_at(site: Xnat, ask: Asker) -> None:
    cookie = ask("GET", "/data/JSESSION").session
    assert as_user(site, site.username, "wrong", cookie)("GET", "/data/projects").status == 200
    assert as_user(site, "member", "wrong", cookie)("GET", "/data/projects").status == 401


def test_password_and_dead_cookie_log_in_again_and_the_cookie_alone_is_refused(
    site: Xnat, ask: Asker
) -> None:
    cookie = ask("GET", "/data/JSESSION").session
    site.pass_time(901)
    again = as_user(site, site.username, cookie=cookie)("GET", "/data/projects")
    assert again.status == 200
    assert again.session not in ("", cookie)
    assert Asker(site.url, cookie=cookie)("GET", "/data/projects").status == 401


def test_wrong_credentials_are_401_with_html_and_without_a_challenge(site: Xnat) -> None:
    for user, password in ((site.username, "wrong"), ("nobody", site.password)):
        reply = as_user(site, user, password)("GET", "/data/JSESSION")
        assert reply.status == 401
        assert "www-authenticate" not in reply.headers
        assert b"<html>" in reply.body
    assert site.refused == 2
    assert site.open_sessions() == 0
    assert all(one.refused for one in site.seen)


def test_twenty_failures_lock_the_account_for_an_hour(site: Xnat, ask: Asker) -> None:
    for _ in range(20):
        as_user(site, site.username, "wrong")("GET", "/data/projects")
    assert ask("GET", "/data/projects").status == 401
    site.pass_time(3601)
    assert ask("GET", "/data/projects").status == 200


def test_a_session_too_many_is_401(site: Xnat, ask: Asker) -> None:
    site.switches.session_limit = 2
    assert [ask("GET", "/data/projects").status for _ in range(3)] == [200, 200, 401]


def test_no_credentials_are_401_with_a_challenge_and_a_browser_is_sent_to_a_page_of_html(site: Xnat) -> None:
    anybody = Asker(site.url)
    assert anybody("GET", "/data/projects").headers["www-authenticate"].startswith("Basic ")
    reply = anybody("GET", "/data/projects", headers={"User-Agent": "Mozilla/5.0"})
    assert reply.status == 302
    page = anybody("GET", reply.headers["location"])
    assert (page.status, page.headers["content-type"]) == (200, "text/html;charset=UTF-8")


def test_a_guest_may_read_what_is_public_where_no_log_in_is_required(site: Xnat) -> None:
    site.switches.require_login = False
    site.place("P/S/E/scans/1", "R", "x", b"123")
    anybody = Asker(site.url)
    assert anybody("GET", f"{SCAN_URL}/resources/R/files/x").status == 404
    site.make("P").public = True
    assert anybody("GET", f"{SCAN_URL}/resources/R/files/x").body == b"123"


def test_200_from_jsession_proves_no_log_in_and_auth_says_who_it_is(site: Xnat, ask: Asker) -> None:
    reply = Asker(site.url)("GET", "/data/JSESSION")
    assert reply.status == 200
    assert reply.body.decode() == reply.session
    assert ask("GET", "/data/auth").body == b"User 'alice' is logged in"
    assert Asker(site.url)("GET", "/data/auth").status == 401


def test_delete_of_jsession_ends_the_session(site: Xnat, ask: Asker) -> None:
    cookie = ask("POST", "/data/JSESSION").session
    reply = as_user(site, site.username, cookie=cookie)("DELETE", "/data/JSESSION")
    assert (reply.status, reply.body) == (200, b"")
    assert site.open_sessions() == 0


def test_a_browser_needs_a_token_against_csrf(ask: Asker) -> None:
    headers = {"User-Agent": "Mozilla/5.0"}
    assert ask("PUT", "/data/projects/Q", headers=headers).status == 403
    assert ask("PUT", "/data/projects/Q?XNAT_CSRF=1", headers=headers).status == 200


@pytest.mark.parametrize(("version", "status"), [("1.8.11", 401), ("1.7.4", 403)])
def test_an_alias_token_is_as_good_as_a_password_until_it_is_invalidated(
    site: Xnat, ask: Asker, version: str, status: int
) -> None:
    site.switches.version = version
    token = json.loads(ask("GET", "/data/services/tokens/issue").body)
    assert token["estimatedExpirationTime"]
    by_token = as_user(site, token["alias"], token["secret"])
    assert by_token("GET", "/data/auth").body == b"User 'alice' is logged in"
    ask("GET", f"/data/services/tokens/invalidate/{token['alias']}/{token['secret']}")
    assert by_token("GET", "/data/auth").status == status


def test_an_alias_token_lives_two_days(site: Xnat, ask: Asker) -> None:
    token = json.loads(ask("GET", "/data/services/tokens/issue").body)
    site.pass_time(2 * 86400 + 1)
    assert as_user(site, token["alias"], token["secret"])("GET", "/data/auth").status == 401


def test_a_provider_may_stand_before_the_name(site: Xnat) -> None:
    assert as_user(site, f"ldap1/{site.username}")("GET", "/data/auth").status == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
def test_a_site_that_moved_to_https_redirects_everything(site: Xnat, ask: Asker, method: str) -> None:
    site.switches.redirect_to = "https://xnat.example"
    reply = ask(method, f"{SCAN_URL}/resources/R/files/x?inbody=true", b"x")
    assert reply.status == 302
    assert reply.headers["location"] == f"https://xnat.example{SCAN_URL}/resources/R/files/x?inbody=true"


def test_an_expired_password_leads_to_a_page_of_html_with_200(site: Xnat, ask: Asker) -> None:
    site.users[site.username].expired = True
    reply = ask("PUT", f"{SCAN_URL}/resources/R/files/x?inbody=true", b"x")
    assert reply.status == 302
    page = ask("GET", reply.headers["location"])
    assert page.status == 200
    assert b"password has expired" in page.body
    assert site.tree("P/S/E/scans/1", "R") == {}


def test_a_site_in_maintenance_answers_html_with_200(site: Xnat, ask: Asker) -> None:
    site.switches.maintenance = True
    reply = ask("GET", f"{SCAN_URL}/resources/R/files/x")
    assert (reply.status, reply.body[:6]) == (200, b"<html>")


def test_errors_are_html_with_a_message(ask: Asker) -> None:
    reply = ask("GET", "/data/projects/none/resources/R/files/x")
    assert reply.status == 404
    assert b"<title>Status page</title>" in reply.body
    assert b"<h3>Unable to identify project.</h3>" in reply.body


def test_the_cookie_of_an_https_site_is_secure(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = authority.make(tmp_path_factory.mktemp("ca"))
    with xnat.start(certificate=(made.certificate, made.key)) as site:
        assert site.url.startswith("https://")
        assert site.switches.secure_cookie
    with xnat.start() as site:
        site.switches.secure_cookie = True
        reply = Asker(site.url, site.username, site.password)("GET", "/data/JSESSION")
        assert any("JSESSIONID" in one and "Secure" in one for one in reply.cookies)


def test_a_site_may_lie_below_a_path() -> None:
    with xnat.start(context="/xnat") as site:
        site.make("P")
        assert site.url.endswith("/xnat")
        assert Asker(site.url, site.username, site.password)("GET", "/data/projects").rows[0]["ID"] == "P"


def test_every_request_is_recorded(site: Xnat, ask: Asker) -> None:
    cookie = ask("GET", "/data/JSESSION").session
    as_user(site, site.username, cookie=cookie)("PUT", f"{SCAN_URL}/resources/R/files/x?inbody=true", b"abc")
    (one,) = site.requests("/files/", "PUT")
    assert (one.status, one.user, one.session, one.taken) == (200, "alice", cookie, 3)
    assert one.query == {"inbody": "true"}
    assert one.headers["content-length"] == "3"


def test_any_request_can_be_made_to_fail(site: Xnat, ask: Asker) -> None:
    site.fail("GET", "/data/projects$", Fault(503, times=2))
    assert [ask("GET", "/data/projects").status for _ in range(3)] == [503, 503, 200]


# --- how identifiers resolve ---


def test_a_project_that_is_unknown_or_unreadable_is_404(site: Xnat, ask: Asker) -> None:
    assert ask("GET", "/data/projects/none/subjects").status == 404
    assert as_user(site, "stranger")("GET", "/data/projects/P/subjects").status == 404
    site.make("P").fields["alias"] = "other"
    assert ask("GET", "/data/projects/other/subjects").status == 200


def test_subjects_and_sessions_have_a_label_in_the_project_and_an_id_in_the_site(
    site: Xnat, ask: Asker
) -> None:
    subject, session = site.make("P/S"), site.make("P/S/E")
    for path in (f"subjects/{subject.id}", f"subjects/S/experiments/{session.id}", "experiments/E"):
        assert ask("GET", f"/data/projects/P/{path}").status == 200, path
    assert ask("GET", "/data/experiments/E").status == 404
    site.make("P/other")
    assert ask("GET", "/data/projects/P/subjects/other/experiments/E/scans").rows[0]["ID"] == "1"


def test_names_are_case_sensitive(ask: Asker) -> None:
    assert ask("GET", "/data/projects/p").status == 404
    assert ask("GET", "/data/projects/P/subjects/s").status == 404


def test_a_scan_is_found_by_its_type_for_files_but_not_by_itself(site: Xnat, ask: Asker) -> None:
    site.place("P/S/E/scans/1", "R", "x", b"123")
    assert ask("GET", SCAN_URL[:-1] + "T1/resources/R/files/x").body == b"123"
    assert ask("GET", SCAN_URL[:-1] + "T1").status == 404
    assert ask("GET", SCAN_URL).status == 200


def test_commas_are_lists_and_all_is_a_wildcard(site: Xnat, ask: Asker) -> None:
    site.place("P/S/E/scans/1", "R", "x", b"1")
    site.place("P/S/E/scans/2", "R", "y", b"2")
    for several in ("1,2", "ALL", "*"):
        rows = ask("GET", SCAN_URL[:-1] + several + "/resources/R/files").rows
        assert [one["Name"] for one in rows] == ["x", "y"]


def test_slash_in_brackets_is_a_slash_in_the_id_of_a_scan(ask: Asker) -> None:
    assert ask("PUT", SCAN_URL[:-1] + "a[SLASH]b?xsiType=xnat:mrScanData").status == 200
    assert [one["ID"] for one in ask("GET", SCAN_URL[:-2]).rows] == ["1", "a/b"]


@pytest.mark.parametrize("typo", ["scans/9", "reconstructions/9", "assessors/9"])
def test_a_typo_gets_a_namesake_of_the_subject_but_not_by_head(site: Xnat, ask: Asker, typo: str) -> None:
    site.place("P/S", "R", "x", b"the subject's")
    for path in (f"E/{typo}", "typo/scans/1"):
        url = f"/data/projects/P/subjects/S/experiments/{path}/resources"
        assert ask("GET", f"{url}/R/files/x").body == b"the subject's"
        assert ask("GET", f"{url}/R/files").rows[0]["Name"] == "x"
        assert ask("GET", url).rows[0]["label"] == "R"
        assert ask("HEAD", f"{url}/R/files/x").status == 404
        assert ask("PUT", f"{url}/R/files/y?inbody=true", b"1").status == 404


def test_lists_below_what_is_unknown_have_each_their_own_status(ask: Asker) -> None:
    known = "/data/projects/P/subjects/S/experiments"
    for kind, status in (("scans", 500), ("reconstructions", 500), ("assessors", 404)):
        assert ask("GET", f"/data/projects/none/subjects/S/experiments/E/{kind}").status == status
        assert ask("GET", f"{known}/none/{kind}").status == 404
        assert ask("GET", f"/data/projects/P/subjects/none/experiments/E/{kind}").status == 404


def test_a_resource_of_digits_only_is_a_number_and_never_a_label(site: Xnat, ask: Asker) -> None:
    site.place("P/S/E/scans/1", "R", "x", b"1")
    number = site.resource("P/S/E/scans/1", "R").id
    assert ask("GET", f"{SCAN_URL}/resources/{number}/files/x").body == b"1"
    assert ask("PUT", f"{SCAN_URL}/resources/4711/files/x?inbody=true", b"1").status == 404
    assert ask("PUT", f"{SCAN_URL}/resources/4711").status == 404


def test_sessions_and_assessors_with_other_characters_in_their_id_are_417(ask: Asker) -> None:
    session = "/data/projects/P/subjects/S/experiments"
    assert ask("PUT", f"{session}/a%20b?xsiType=xnat:mrSessionData").status == 417
    assert ask("PUT", f"{session}/E/assessors/a.b?xsiType=xnat:qcAssessmentData").status == 417


# --- containers ---


def test_rows_of_containers_have_the_keys_of_their_kind(site: Xnat, ask: Asker) -> None:
    site.make("P/S/E/reconstructions/r")
    site.make("P/S/E/assessors/a")
    scans, reconstructions, assessors = (
        ask("GET", f"{SCAN_URL[:-8]}/{kind}?format=json").rows
        for kind in ("scans", "reconstructions", "assessors")
    )
    assert scans[0]["xsiType"] == "xnat:mrScanData"
    assert (scans[0]["type"], scans[0]["quality"]) == ("T1", "")
    assert set(reconstructions[0]) == {"xnat_reconstructedimagedata_id", "ID", "type", "baseScanType", "URI"}
    assert (assessors[0]["label"], assessors[0]["session_label"]) == ("a", "E")
    assert assessors[0]["ID"].startswith("XNAT_E")
    assert json.loads(ask("GET", SCAN_URL[:-2]).body)["ResultSet"]["totalRecords"] == "1"


@pytest.mark.parametrize(
    ("kind", "query", "new", "again"),
    [
        ("scans", "", 417, 417),
        ("scans", "?xsiType=xnat:petScanData", 200, 200),
        ("scans", "?xsiType=xnat:mrSessionData", 400, 400),
        ("scans", "?xsiType=xnat:nonsense", 422, 422),
        ("reconstructions", "", 200, 200),
        ("assessors", "", 417, 417),
        ("assessors", "?xsiType=xnat:qcAssessmentData", 201, 200),
    ],
)
def test_put_of_a_container(ask: Asker, kind: str, query: str, new: int, again: int) -> None:
    first = ask("PUT", f"{SCAN_URL[:-8]}/{kind}/n{query}")
    second = ask("PUT", f"{SCAN_URL[:-8]}/{kind}/n{query}")
    assert (first.status, second.status) == (new, again)
    if kind == "assessors" and new == 201:
        assert first.body == second.body
        assert first.body.startswith(b"XNAT_E")
    elif new == 200:
        assert first.body == second.body == b""


def test_a_scan_of_another_type_is_409(ask: Asker) -> None:
    assert ask("PUT", f"{SCAN_URL}?xsiType=xnat:petScanData").status == 409
    assert ask("PUT", f"{SCAN_URL}?xsiType=xnat:mrScanData").status == 200
    assert ask("PUT", SCAN_URL).status == 200


def test_containers_need_the_right_to_edit_and_their_end_the_right_to_delete(site: Xnat, ask: Asker) -> None:
    query = "?xsiType=xnat:mrScanData"
    assert as_user(site, "reader")("PUT", f"{SCAN_URL[:-1]}2{query}").status == 403
    assert as_user(site, "member")("PUT", f"{SCAN_URL[:-1]}2{query}").status == 200
    assert as_user(site, "member")("DELETE", f"{SCAN_URL[:-1]}2").status == 403
    assert [ask("DELETE", f"{SCAN_URL[:-1]}2").status for _ in range(2)] == [200, 404]


# --- resources ---


def test_a_resource_is_made_once_and_deleted_as_often_as_one_likes(site: Xnat, ask: Asker) -> None:
    path = f"{SCAN_URL}/resources/R"
    assert [ask("PUT", f"{path}?format=NIFTI").status for _ in range(2)] == [200, 409]
    assert as_user(site, "reader")("PUT", f"{path}2").status == 403
    row = ask("GET", f"{SCAN_URL}/resources").rows[0]
    assert (row["label"], row["format"], row["file_count"], row["file_size"]) == ("R", "NIFTI", "0", "0")
    assert row["xnat_abstractresource_id"].isdigit()
    assert as_user(site, "member")("DELETE", path).status == 403
    assert [ask("DELETE", path).status for _ in range(2)] == [200, 200]


def test_what_went_in_and_what_came_out_are_apart_and_out_is_the_default(site: Xnat, ask: Asker) -> None:
    site.make("P/S/E/assessors/a")
    base = f"{SCAN_URL[:-8]}/assessors/a"
    for side, content in (("in/", b"in"), ("", b"out")):
        assert ask("PUT", f"{base}/{side}resources/R/files/x?inbody=true", content).status == 200
    assert ask("GET", f"{base}/in/resources/R/files/x").body == b"in"
    assert ask("GET", f"{base}/out/resources/R/files/x").body == b"out"
    assert site.tree("P/S/E/assessors/a/in", "R") == {"x": b"in"}
    assert site.tree("P/S/E/assessors/a", "R") == {"x": b"out"}


@pytest.mark.parametrize("node", ["P", "P/S", "P/S/E"])
def test_projects_subjects_and_sessions_have_resources_too(site: Xnat, ask: Asker, node: str) -> None:
    words = zip(("projects", "subjects", "experiments"), node.split("/"), strict=False)
    path = "/data/" + "/".join("/".join(one) for one in words)
    assert ask("PUT", f"{path}/resources/R/files/a/b?inbody=true", b"x").status == 200
    assert site.tree(node, "R") == {"a/b": b"x"}
    (row,) = ask("GET", f"{path}/resources/R/files").rows
    assert ask("GET", row["URI"]).body == b"x"


def test_rights_may_differ_from_project_to_project(site: Xnat) -> None:
    site.users["half"] = User("half", "x", "none", {"P": "member"})
    site.make("Q")
    half = as_user(site, "half", "x")
    assert [one["ID"] for one in half("GET", "/data/projects").rows] == ["P"]
