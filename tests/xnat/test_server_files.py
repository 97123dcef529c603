"""The fake XNAT is like the real one: what it does with files."""

import hashlib
from email.utils import parsedate_to_datetime

import pytest

from tests.servers.xnat import Xnat
from tests.support.asking import Asker, Reply
from tests.support.xnat_calls import FILES, INBODY, SCAN


def multipart(content: bytes, filename: str = "x") -> tuple[bytes, dict[str, str]]:
    head = f'--b0\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--b0--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=b0"}


# --- PUT ---


def test_put_makes_the_resource_and_answers_200_with_nothing(site: Xnat, ask: Asker) -> None:
    for method, name in (("PUT", "a.txt"), ("POST", "sub/b.txt")):
        reply = ask(method, f"{FILES}/{name}{INBODY}", b"abc")
        assert (reply.status, reply.body) == (200, b"")
    assert site.tree(SCAN, "R") == {"a.txt": b"abc", "sub/b.txt": b"abc"}


def test_put_makes_no_parents(site: Xnat, ask: Asker) -> None:
    for path in (FILES.replace("scans/1", "scans/2"), FILES.replace("/E/", "/none/")):
        assert ask("PUT", f"{path}/a{INBODY}", b"abc").status == 404


def test_the_body_is_the_file_by_its_type_or_by_inbody_else_it_is_400(site: Xnat, ask: Asker) -> None:
    octets = {"Content-Type": "application/octet-stream"}
    assert ask("PUT", f"{FILES}/a", b"1", octets).status == 200
    assert ask("PUT", f"{FILES}/b", b"1", {"Content-Type": "x-strange/type"}).status == 400
    assert ask("PUT", f"{FILES}/c", b"1").status == 400
    body, headers = multipart(b"2")
    assert ask("PUT", f"{FILES}/d", body, headers).status == 200
    assert site.tree(SCAN, "R") == {"a": b"1", "d": b"2"}


def test_put_of_what_is_there_answers_200_and_duplicates_and_changes_nothing(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "sub/x", b"old")
    reply = ask("PUT", f"{FILES}/sub/x{INBODY}", b"new")
    assert (reply.status, reply.body) == (200, b'{"duplicates": ["sub/x"]}')
    assert reply.headers["content-type"].startswith("text/html")
    assert site.tree(SCAN, "R") == {"sub/x": b"old"}


def test_overwrite_replaces_and_needs_only_the_right_to_edit(site: Xnat) -> None:
    site.place(SCAN, "R", "x", b"old")
    site.place(SCAN, "R", "xy", b"stays")
    member = Asker(site.url, "member", site.password)
    assert member("PUT", f"{FILES}/x{INBODY}&overwrite=true", b"new").status == 200
    assert site.tree(SCAN, "R") == {"x": b"new", "xy": b"stays"}


def test_who_may_not_edit_gets_200_and_nothing_is_stored(site: Xnat) -> None:
    site.switches.require_login = False
    site.make("P").public = True
    for asker in (Asker(site.url, "reader", site.password), Asker(site.url)):
        reply = asker("PUT", f"{FILES}/x{INBODY}", b"new")
        assert (reply.status, reply.body) == (200, b"")
    assert site.tree(SCAN, "R") == {}


def test_an_empty_body_or_one_of_unknown_length_is_500_but_an_empty_part_is_a_file(
    site: Xnat, ask: Asker
) -> None:
    assert ask("PUT", f"{FILES}/x{INBODY}", b"").status == 500
    assert ask("PUT", f"{FILES}/x{INBODY}", iter([b"ab", b"c"]), encode_chunked=True).status == 500
    body, headers = multipart(b"")
    assert ask("PUT", f"{FILES}/x", body, headers).status == 200
    assert site.tree(SCAN, "R") == {"x": b""}


def test_a_part_of_any_size_arrives_as_it_was(site: Xnat, ask: Asker) -> None:
    for size in (1, 1 << 18, (1 << 18) + 7, 3 << 20):
        content = b"\r\n--b" + bytes(range(256)) * (size // 256) + b"\r\n--"
        body, headers = multipart(content)
        assert ask("PUT", f"{FILES}/{size}?overwrite=true", body, headers).status == 200
        assert site.tree(SCAN, "R")[str(size)] == content


def test_inbody_and_multipart_contradict_each_other(ask: Asker) -> None:
    body, headers = multipart(b"1")
    assert ask("PUT", f"{FILES}/x{INBODY}", body, headers).status == 406


def test_without_a_path_the_file_has_its_own_name(site: Xnat, ask: Asker) -> None:
    body, headers = multipart(b"1", "own.txt")
    assert ask("POST", FILES, body, headers).status == 200
    assert site.tree(SCAN, "R") == {"own.txt": b"1"}


def test_format_content_and_tags_come_back_in_the_list(ask: Asker) -> None:
    ask("PUT", f"{FILES}/x{INBODY}&format=NIFTI&content=RAW&tags=a,b", b"1")
    (row,) = ask("GET", FILES).rows
    assert (row["file_format"], row["file_content"], row["file_tags"]) == ("NIFTI", "RAW", "a,b")
    assert ask("GET", f"{FILES}?file_format=OTHER").rows == []


def test_a_path_that_leads_outside_or_through_a_file_is_refused(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"1")
    assert ask("PUT", f"{FILES}/../y{INBODY}", b"1").status == 400
    assert ask("PUT", f"{FILES}/x/y{INBODY}", b"1").status == 500


# --- names ---


@pytest.mark.parametrize(
    ("quoted", "kept"),
    [
        ("a%23b.txt", "a%23b.txt"),
        ("%C3%BC.txt", "%C3%BC.txt"),
        ("a%20b%23.txt", "a b#.txt"),
        ("d%23/a%2Bb.txt", "d#/a+b.txt"),
        ("d%23/c.txt", "d%23/c.txt"),
        ("100%25.dat", "100%25.dat"),
    ],
)
def test_a_path_is_decoded_only_if_it_has_a_quoted_blank_or_plus(
    site: Xnat, ask: Asker, quoted: str, kept: str
) -> None:
    assert ask("PUT", f"{FILES}/{quoted}{INBODY}", b"1").status == 200
    (row,) = ask("GET", FILES).rows
    assert row["URI"].endswith(f"/files/{kept}")
    assert row["Name"] == kept.rpartition("/")[2]
    assert ask("GET", f"{FILES}/{quoted}").body == b"1"
    again = ask("PUT", f"{FILES}/{quoted}{INBODY}", b"1")
    assert b"duplicates" in again.body


def test_an_older_site_decodes_no_path(site: Xnat, ask: Asker) -> None:
    site.switches.legacy_names = True
    ask("PUT", f"{FILES}/a%20b.txt{INBODY}", b"1")
    assert ask("GET", FILES).rows[0]["Name"] == "a%20b.txt"
    assert ask("GET", f"{FILES}/a%20b.txt").body == b"1"


def test_a_raw_question_mark_cuts_the_name(site: Xnat, ask: Asker) -> None:
    ask("PUT", f"{FILES}/a?b.txt&inbody=true", b"1")
    assert site.tree(SCAN, "R") == {"a": b"1"}


# --- GET ---


def test_get_has_length_and_date_and_head_has_them_too(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"0123456789")
    for method, body in (("GET", b"0123456789"), ("HEAD", b"")):
        reply = ask(method, f"{FILES}/x")
        assert (reply.status, reply.body) == (200, body)
        assert (reply.headers["content-length"], reply.headers["accept-ranges"]) == ("10", "bytes")
        assert parsedate_to_datetime(reply.headers["last-modified"])


def ranged(ask: Asker, asked: str) -> Reply:
    return ask("GET", f"{FILES}/x", headers={"Range": asked, "If-Range": '"another"'})


def test_a_single_range_is_206_and_several_are_501(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"0123456789")
    for asked, body, told in (
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=2-3", b"23", "bytes 2-3/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ):
        reply = ranged(ask, asked)
        assert (reply.status, reply.body, reply.headers["content-range"]) == (206, body, told)
    assert ranged(ask, "bytes=0-1,4-5").status == 501
    assert ranged(ask, "bytes=10-").status == 416


def test_a_missing_file_is_404_and_empty_where_the_resource_is_known(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"1")
    reply = ask("GET", f"{FILES}/none")
    assert (reply.status, reply.body) == (404, b"")
    assert b"<html>" in ask("GET", f"{FILES.replace('/R/', '/none/')}/x").body


def test_who_may_not_read_the_project_gets_404(site: Xnat) -> None:
    site.place(SCAN, "R", "x", b"1")
    assert Asker(site.url, "stranger", site.password)("GET", f"{FILES}/x").status == 404


# --- lists ---


def test_the_list_has_base_names_sizes_digests_and_uris_with_internal_ids(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "sub/a b.txt", b"abc")
    (row,) = ask("GET", f"{FILES}?format=json").rows
    session, number = site.make("P/S/E").id, site.resource(SCAN, "R").id
    assert row == {
        "Name": "a b.txt",
        "Size": "3",
        "URI": f"/data/experiments/{session}/scans/1/resources/{number}/files/sub/a b.txt",
        "collection": "R",
        "file_tags": "",
        "file_format": "",
        "file_content": "",
        "cat_ID": str(number),
        "digest": hashlib.md5(b"abc").hexdigest(),
    }


def test_a_site_without_checksums_has_empty_digests(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"abc")
    site.switches.checksums = False
    assert ask("GET", FILES).rows[0]["digest"] == ""


def test_an_unknown_resource_is_an_empty_list(ask: Asker) -> None:
    reply = ask("GET", FILES)
    assert (reply.status, reply.rows) == (200, [])


def test_a_folder_can_be_listed_by_its_slash(site: Xnat, ask: Asker) -> None:
    for name in ("sub/x", "subway", "y"):
        site.place(SCAN, "R", name, b"1")
    assert [one["Name"] for one in ask("GET", f"{FILES}/sub/").rows] == ["x"]


def test_a_list_may_be_csv(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"1")
    lines = ask("GET", f"{FILES}?format=csv").body.decode().splitlines()
    assert lines[0].startswith('"Name","Size","URI"')
    assert lines[1].startswith('"x","1","/data/')


# --- DELETE ---


def test_delete_takes_everything_that_starts_like_it(site: Xnat, ask: Asker) -> None:
    for name in ("data", "data2.csv", "data.d/x", "other"):
        site.place(SCAN, "R", name, b"1")
    assert ask("DELETE", f"{FILES}/data").status == 200
    assert site.tree(SCAN, "R") == {"other": b"1"}
    assert ask("DELETE", f"{FILES}/data").status == 404
    assert ask("DELETE", f"{FILES}/").status == 200
    assert site.tree(SCAN, "R") == {}


def test_a_member_may_not_delete(site: Xnat) -> None:
    site.place(SCAN, "R", "x", b"1")
    assert Asker(site.url, "member", site.password)("DELETE", f"{FILES}/x").status == 403
    assert site.tree(SCAN, "R") == {"x": b"1"}
