"""red-connector-http: a directory received once more, and how much of it is asked for."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.servers import USERNAME, free_port
from tests.servers.nginx import Nginx
from tests.support.program import Result, run
from tests.support.require import missing
from tests.support.trees import file, listing, read

HTTP = "red-connector-http"
TREE = {f"f{number}": bytes([65 + number]) * 3000 for number in range(4)}
HALF_AN_HOUR = 1800  # seconds


def receive(url: str, target: Path, *extra: object) -> Result:
    return run(
        HTTP, "receive-dir", {"url": url}, target, *extra, env={"RED_RETRIES": "0", "RED_TIMEOUT": "3"}
    )


@pytest.fixture
def remembering(tmp_path: Path) -> Path:
    """A folder on a file system that has extended attributes: without them everything is fetched again."""
    try:
        os.setxattr(tmp_path, "user.red.test", b"x")
    except OSError as error:
        missing("xattr", f"{tmp_path}: {error.strerror}")
    return tmp_path


@pytest.mark.parametrize("by", ["listing", "listing with sizes", "index page"])
def test_a_second_receive_without_checksums_fetches_only_what_changed_here_or_there(
    web: Nginx, fresh: str, remembering: Path, by: str
) -> None:
    for name, content in TREE.items():
        web.place(f"{fresh}/{name}", content)
    sizes = [file(name, size=len(content)) for name, content in TREE.items()]
    facts = {"listing": listing(TREE, False), "listing with sizes": sizes, "index page": None}[by]
    words: list[Any] = [] if facts is None else ["--listing", facts]
    folder = remembering / "d"

    def fetched() -> set[str]:
        """What a further run gets whole."""
        before = len(web.requests(f"/{fresh}/f"))
        result = receive(f"{web.plain}/{fresh}", folder, *words)
        assert result.code == 0, result.stderr
        asked = web.requests(f"/{fresh}/f")[before:]
        return {one.path.rpartition("/")[2] for one in asked if one.method == "GET" and one.status != 304}

    assert fetched() == set(TREE)
    assert fetched() == set()
    assert read(folder) == TREE
    # Changed here, with the same size: as it comes, and with times that an editor or touch -d could set.
    for name, moment in (("f0", None), ("f1", -2 * HALF_AN_HOUR), ("f2", HALF_AN_HOUR)):
        there = (web.root / fresh / name).stat().st_mtime
        (folder / name).write_bytes(b"?" * 3000)
        if moment is not None:
            os.utime(folder / name, (int(there) + moment, int(there) + moment))
    (folder / "f3").write_bytes(b"?" * 3000)
    os.utime(folder / "f3", (int(there), int(there)))  # just what the server says
    assert fetched() == set(TREE)
    assert read(folder) == TREE
    assert fetched() == set()
    # Changed there, with the same size.
    placed = web.place(f"{fresh}/f2", b"!" * 3000)
    later = placed.stat().st_mtime + HALF_AN_HOUR
    os.utime(placed, (later, later))
    assert fetched() == {"f2"}
    assert read(folder) == TREE | {"f2": b"!" * 3000}
    # Gone here.
    (folder / "f1").unlink()
    assert fetched() == {"f1"}


def test_a_file_received_from_another_url_is_not_up_to_date(
    web: Nginx, fresh: str, remembering: Path
) -> None:
    """Two servers may give two files one ETag: nginx makes it of time and size."""
    for folder, content in (("one", b"1" * 5000), ("two", b"2" * 5000)):
        placed = web.place(f"{fresh}/{folder}/x", content)
        os.utime(placed, (1_600_000_000, 1_600_000_000))
    facts = [file("x")]
    for folder, content in (("one", b"1" * 5000), ("two", b"2" * 5000)):
        assert receive(f"{web.plain}/{fresh}/{folder}", remembering / "d", "--listing", facts).code == 0
        assert read(remembering / "d") == {"x": content}


def test_a_listing_that_names_a_hidden_name_is_refused(web: Nginx, fresh: str, tmp_path: Path) -> None:
    """The part of x and a file that is called like it would be one file."""
    for name in (".x.red-part", ".x.red-state"):
        web.place(f"{fresh}/x", b"x" * 5000)
        web.place(f"{fresh}/{name}", b"y" * 5000)
        facts = [file("x"), file(name)]
        access = {"url": f"{web.plain}/{fresh}"}
        for words in (
            ["receive-dir", access, tmp_path / "d", "--listing", facts],
            ["receive-dir-validate", "--offline", access, "--listing", facts],
        ):
            result = run(HTTP, *words)
            assert result.code == 78, result.stderr
            assert "[1].basename" in result.stderr
        assert not (tmp_path / "d").exists() or read(tmp_path / "d") == {}


def test_validate_with_an_empty_listing_still_contacts_the_server(web: Nginx, fresh: str) -> None:
    web.folder(web.root / fresh)
    wrong = {"username": USERNAME, "password": "wrong"}
    for code, access in (
        (0, {"url": f"{web.plain}/{fresh}/"}),
        (77, {"url": f"{web.basic}/{fresh}/"}),
        (77, {"url": f"{web.basic}/{fresh}/", "auth": wrong}),
        (75, {"url": f"http://127.0.0.1:{free_port()}/"}),
        (68, {"url": "http://no-such-host.invalid/"}),
    ):
        result = run(HTTP, "receive-dir-validate", access, "--listing", [], env={"RED_RETRIES": "0"})
        assert result.code == code, (access["url"], result.stderr)
