"""Transfers in one process, without the command line."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors import call, http, registry
from connectors.errors import ConfigError, RedError, Unavailable
from connectors.model import MOUNT_DIR, RECEIVE_DIR, RECEIVE_FILE, SEND_DIR, SEND_FILE, Access, Entry, Verb
from connectors.settings import Settings
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.support.fake_remote import FakeRemote, files

HTTP = "red-connector-http"
AT_ONCE = Settings(retries=0)


class Store:
    """Takes the place of the connector for HTTP, and remembers how it was called."""

    EXECUTABLE = HTTP
    SUMMARY = ""
    SCHEMAS = http.SCHEMAS

    def __init__(self) -> None:
        self.remote = FakeRemote(files("a", "b"))
        self.calls: list[tuple[Access, Verb]] = []
        self.wrong = ""

    @contextmanager
    def connect(self, access: Access, verb: Verb, job: Job) -> Iterator[FakeRemote]:
        self.calls.append((access, verb))
        if self.wrong:
            raise ConfigError(self.wrong)
        yield self.remote


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(registry, "load", lambda name: {HTTP: store}[name])
    return store


def prepare(verb: Verb, access: Mapping[str, Any] | None = None, **more: Any) -> call.Transfer:
    document = {"command": HTTP, "access": access or {"url": "http://h/{{name}}"}}
    return call.prepare(verb, document, **{"settings": AT_ONCE, "environ": {"RED_VAR_name": "x"}, **more})


def test_a_parsed_document_is_moved_without_any_output(
    store: Store, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    transfer = prepare(RECEIVE_FILE)
    assert not store.calls
    transfer.run(str(tmp_path / "file"))
    ((access, verb),) = store.calls
    assert (access["url"], verb) == ("http://h/x", RECEIVE_FILE)
    assert (tmp_path / "file").exists()
    assert capfd.readouterr() == ("", "")


def test_a_parsed_listing_takes_the_place_of_one_in_the_document(store: Store, tmp_path: Path) -> None:
    transfer = prepare(RECEIVE_DIR, listing=[{"class": "File", "basename": "c"}])
    assert transfer.promise.listing == [Entry("c", is_dir=False)]
    transfer.run(str(tmp_path))
    assert [one.name for one in tmp_path.iterdir()] == ["c"]


def test_all_faults_are_in_one_error(store: Store) -> None:
    with pytest.raises(ConfigError) as caught:
        call.prepare(
            RECEIVE_DIR,
            {"command": HTTP, "access": {"url": "http://h/", "metod": "GET"}},
            listing=[{"class": "File"}],
            environ={"RED_RETRIES": "many"},
        )
    paths = [fault.path for fault in caught.value.faults]
    assert paths == ["RED_RETRIES", "access.metod", "[0].basename"]
    assert not store.calls


def test_a_fault_that_only_the_connector_finds_has_its_place_in_the_document(store: Store) -> None:
    store.wrong = "not this one"
    transfer = prepare(RECEIVE_FILE)
    with pytest.raises(ConfigError, match="not this one"):
        transfer.check()


def test_a_document_that_names_no_connector_is_refused() -> None:
    with pytest.raises(ConfigError, match="command"):
        call.prepare(RECEIVE_FILE, {"url": "http://h/"}, settings=AT_ONCE)
    assert call.prepare(RECEIVE_FILE, {"url": "http://h/"}, settings=AT_ONCE, connector=HTTP).verb


def test_a_verb_that_the_connector_lacks_is_unavailable() -> None:
    for connector in ("", HTTP):
        with pytest.raises(Unavailable, match="mount-dir"):
            prepare(MOUNT_DIR, connector=connector)


def test_a_check_moves_nothing(store: Store) -> None:
    prepare(SEND_FILE).check()
    assert [verb for _, verb in store.calls] == [SEND_FILE]
    assert not store.remote.sent


def test_several_transfers_share_receipts_which_name_the_verb_of_each(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "receipts"
    receipts, progress = Receipts(str(path)), Progress()
    verbs = [SEND_FILE, RECEIVE_FILE, RECEIVE_DIR, SEND_DIR]
    (tmp_path / "here").mkdir()
    local = {True: str(tmp_path / "here"), False: str(tmp_path / "file")}
    (tmp_path / "file").write_bytes(b"x")
    for verb in verbs:
        prepare(verb).run(local[verb.of_directory], receipts=receipts, progress=progress)
    written = [json.loads(line)["verb"] for line in path.read_text().splitlines()]
    assert written == ["send-file", "receive-file", *["receive-dir"] * 2, *["send-dir"] * 2]


def test_a_receipt_file_of_the_settings_is_closed_after_each_transfer(store: Store, tmp_path: Path) -> None:
    settings = AT_ONCE._replace(receipt=str(tmp_path / "receipts"))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(3):
        prepare(RECEIVE_FILE, settings=settings).run(str(tmp_path / str(number)))
    assert len((tmp_path / "receipts").read_text().splitlines()) == 3
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_transfers_run_in_threads_and_one_failure_is_of_one_transfer(store: Store, tmp_path: Path) -> None:
    failures: list[RedError] = []

    def run(number: int) -> None:
        try:
            folder = "missing" if number == 3 else "."
            prepare(RECEIVE_FILE).run(str(tmp_path / folder / str(number)))
        except RedError as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["0", "1", "2", "4", "5", "6", "7"]
    assert len(failures) == 1
