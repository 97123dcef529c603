"""docs/xnat-rest-api.md names a test for each thing that XNAT does, and the test is there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "xnat-rest-api.md").read_text()
POINTS = re.findall(r"^- \*\*(\d\.\d+)\*\*", PAGE, re.MULTILINE)
ROWS = re.findall(r"^\| (\d\.\d+) \| ([\w/]+) \| (test_\w+) \|$", PAGE, re.MULTILINE)


def test_every_test_that_the_page_names_exists() -> None:
    tests = ROOT / "tests"
    assert len(ROWS) == PAGE.partition("\n## The tests\n")[2].count("\n| ") - 2, "a row is no row"
    missing = [
        f"{point}: {file}.py::{name}"
        for point, file, name in ROWS
        if not re.search(rf"^def {name}\(", (tests / f"{file}.py").read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_point_of_what_it_does_and_breaks_has_a_test() -> None:
    assert [point for point in POINTS if point[0] in "56"] == [
        *(f"5.{number}" for number in range(1, 28)),
        *(f"6.{number}" for number in range(1, 7)),
    ], "code cites them by number: add at the end"
    assert {point for point in POINTS if point[0] in "56"} <= {point for point, _, _ in ROWS} <= set(POINTS)


def test_every_point_that_code_and_tests_cite_is_on_the_page() -> None:
    files = [one for folder in ("connectors", "tests") for one in (ROOT / folder).rglob("*xnat*/*.py")]
    cited = {
        point
        for file in files
        for text in re.findall(r"\s\((?:docs/xnat-rest-api.md, )?(\d\.\d+(?:, \d\.\d+)*)\)", file.read_text())
        for point in text.split(", ")
    }
    assert cited
    assert cited <= set(POINTS)
