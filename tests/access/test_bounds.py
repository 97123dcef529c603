"""Documents that are too large, too deep or too many: bounded memory and time, and words that fit."""

import json
from collections.abc import Callable

import pytest

from connectors.access import bounds
from connectors.model import RECEIVE_DIR
from tests.support.documents import Documents
from tests.support.program import peak_and_words, start

pytestmark = pytest.mark.slow

URL = "url: http://h/\n"
FILES = 100_000


def listing(count: int, entry: str) -> str:
    return "".join(entry.format(number) for number in range(count))


def mapping(count: int) -> str:
    return json.dumps({"url": "http://h/", "headers": {f"k{number}": "v" for number in range(count)}})


TOO_MUCH: dict[str, tuple[Callable[[], str], str]] = {
    "megabytes of YAML": (lambda: "headers:\n" + listing(1_100_000, "  k{}: v\n"), "larger than 12 MiB"),
    "one string": (lambda: f"url: '{'x' * bounds.MOST_YAML}'\n", "larger than 12 MiB"),
    "many keys": (lambda: URL + "headers:\n" + listing(700_000, "  k{}: v\n"), "more than 1,200,000 values"),
    "many items": (lambda: URL + "headers: [" + "1," * 1_300_000 + "1]", "more than 1,200,000 values"),
    "many duplicates": (lambda: "a: 1\n" * 500_000, "has more errors than these"),
    "deep": (lambda: URL + "headers: " + "[" * 100_000, "is nested too deeply"),
    "deep JSON": (lambda: '{"a":' * 100_000, "is nested too deeply"),
    "empty lists": (lambda: URL + "headers: [" + "[]," * 1_000_000 + "x]", "more lists and mappings than"),
    "empty mappings": (lambda: '{"headers": [' + "{}," * 4_000_000 + "{}]}", "more lists and mappings than"),
    "headers": (lambda: URL + "headers:\n" + listing(11_000, "  k{}: v\n"), "more than 10,000 values"),
    "headers in JSON": (lambda: mapping(900_000), "contains more than 10,000 values"),
    "unknown keys": (lambda: "access: {}\n" + listing(11_000, "k{}: v\n"), "has more than 10,000 keys"),
    "duplicates in JSON": (lambda: "{" + '"a": 1,' * 1_500_000 + '"b": 1}', "given twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", TOO_MUCH)
def test_an_oversized_document_is_refused_in_little_memory(documents: Documents, name: str) -> None:
    make, message = TOO_MUCH[name]
    text = make()
    source = documents.write(text)
    process = start("red-connector-http", "receive-file-validate", "--offline", source)
    most, said = peak_and_words(process, 78)
    assert message in said
    assert "alias" not in said
    assert most < 30 + 20 * len(text) / 2**20


@pytest.mark.parametrize("write", [json.dumps, None])
def test_a_listing_of_a_hundred_thousand_files_takes_twenty_times_its_size_at_most(
    documents: Documents, write: Callable[[object], str] | None
) -> None:
    entry = "- class: File\n  basename: file-{0:06}.dat\n  size: {0}\n  checksum: sha1${0:040}\n"
    text = listing(FILES, entry)
    if write:
        text = write(
            [
                {"class": "File", "basename": f"file-{n:06}.dat", "size": n, "checksum": f"sha1${n:040}"}
                for n in range(FILES)
            ]
        )
    source = documents.write(text, "listing")
    access = documents.write(URL)
    process = start("red-connector-http", "receive-dir-validate", "--offline", access, "--listing", source)
    most, _ = peak_and_words(process)
    assert most < 25 + 20 * len(text) / 2**20


@pytest.mark.parametrize("levels", [1_000, 1_200])
def test_a_listing_that_is_nested_a_thousand_levels_deep_is_taken(documents: Documents, levels: int) -> None:
    text = '[{"class": "Directory", "basename": "a", "listing": ' * levels + "[]" + "}]" * levels
    for written in (text, text.replace("[", "[ # YAML\n", 1)):
        found = documents.prepared(URL, RECEIVE_DIR, written).promise.listing
        assert found is not None
        assert len(found) == levels


def test_a_fault_deep_in_a_listing_is_found_with_its_line(documents: Documents) -> None:
    levels = 500
    text = (
        '[{"class": "Directory", "basename": "a", "listing":\n' * levels + '[{"class": "X"}]' + "}]" * levels
    )
    (fault,) = documents.faults(URL, RECEIVE_DIR, text)
    assert fault.line == levels + 1
    assert fault.path == "[0].listing" * levels + "[0].class"


@pytest.mark.parametrize(
    ("start", "entry"),
    [
        (URL, "usernam{}: v\n"),
        (URL + "headers:\n", "  k{}: 1\n"),
        (URL + "headers:\n", "  k{}: '{{{{missing}}}}'\n"),
        ("access: {url: http://h/}\n", "comand{}: v\n"),
    ],
)
def test_thousands_of_errors_are_all_reported_with_their_lines(
    documents: Documents, start: str, entry: str
) -> None:
    faults = documents.faults(start + listing(5_000, entry))
    assert len(faults) == 5_000
    assert len({fault.line for fault in faults}) == 5_000
