"""XNAT failures: its own surprises, its lists, and a proxy in front of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from connectors.errors import Exit
from connectors.model import Verb
from tests.conformance.promises import Access
from tests.servers import PASSWORD, xnat
from tests.servers.xnat.exchange import Answer, Exchange
from tests.servers.xnat.switches import Fault
from tests.servers.xnat_case import XnatCase
from torture import leaks
from torture.case import Case, kind
from torture.trial import LATER, MOVING_VERBS, SENSIBLE, Trial

GROUP = "XNAT"
CODES = SENSIBLE
METHODS = ("", "GET", "PUT", "POST", "DELETE", "HEAD")
PATHS = ("", "/files", "JSESSION", "/scans/1", "/resources", "format=json")


@contextmanager
def scene(case: Case) -> Iterator[XnatCase]:
    with xnat.start() as site:
        yield XnatCase(site, case.name)


def _fault(name: str, make: Callable[[Case], Fault], codes: frozenset[int], weight: float = 4) -> None:
    @kind(GROUP, name, weight=weight)
    def try_it(case: Case) -> None:
        with scene(case) as one:
            trial = Trial(case, one, case.pick(MOVING_VERBS), checking=case.chance(0.1))
            fault = make(case)
            fault.times = case.pick((1, 1, 2, -1))
            method, path = case.pick(METHODS), case.pick(PATHS)
            before = fault.times
            one.site.fail(method, path.replace("?", r"\?"), fault)
            case.note(f"{method or 'any'} {path}: {fault}")
            env = {
                "RED_RETRIES": str(case.pick((0, 0, 1, 2))),
                "RED_TIMEOUT": "0.6" if fault.pause > 1 else "10",
            }
            outcome = trial.run(env=env)
            trial.fault(outcome, codes, struck=fault.times != before)
            fault.times = 0
            if outcome.code:
                trial.clean()


STATUSES = (400, 401, 403, 404, 405, 409, 413, 415, 417, 423, 429, 500, 502, 503, 504)
_fault("any status", lambda case: Fault(status=case.pick(STATUSES)), CODES, 6)
_fault("done, and an error is said", lambda case: Fault(status=case.pick(STATUSES), after=True), CODES, 6)
_fault(
    "the connection is dropped in what is sent", lambda case: Fault(drop=case.pick((0, 1, 100, 5000))), LATER
)
_fault("the answer is cut", lambda case: Fault(truncate=case.pick((0, 1, 10, 100, 5000))), LATER)
_fault("a slow answer", lambda case: Fault(pause=case.pick((0.05, 0.2))), frozenset(), 1)
_fault("no answer in time", lambda case: Fault(pause=1.5), LATER, 1)


Change = Callable[[Case, list[dict[str, str]]], object]


def _duplicated(case: Case, rows: list[dict[str, str]]) -> None:
    rows += [dict(row) for row in rows]


def _wrong_digest(case: Case, rows: list[dict[str, str]]) -> None:
    for row in rows:
        if "digest" in row:
            row["digest"] = case.pick(("0" * 32, "zz", "abc"))


def _wrong_size(case: Case, rows: list[dict[str, str]]) -> None:
    for row in rows:
        if row.get("Size", "").isdecimal():
            row["Size"] = case.pick((str(int(row["Size"]) + 1), "0", "-1", "abc", "9" * 30, ""))


def _without(case: Case, rows: list[dict[str, str]]) -> None:
    key = case.pick(("URI", "Name", "Size", "label", "collection", "xnat_abstractresource_id", "ID"))
    case.note(f"without {key}")
    for row in rows:
        row.pop(key, None)


def _foreign(case: Case, rows: list[dict[str, str]]) -> None:
    prefix = case.pick(("/inner", "http://other.example", "/data/projects/other"))
    for row in rows:
        if "URI" in row:
            row["URI"] = prefix + row["URI"]


def _dangerous(case: Case, rows: list[dict[str, str]]) -> None:
    if rows and "URI" in rows[0]:
        name = case.pick(
            ("..", "../../up", "a%00b", "%2e%2e/%2e%2e/up", ".x.red-part", "x" * 300, "/etc/passwd")
        )
        uri = rows[0]["URI"].partition("/files/")[0] + "/files/" + name
        rows.append({**rows[0], "URI": uri, "Name": name.rpartition("/")[2]})


def _not_strings(case: Case, rows: list[dict[str, str]]) -> None:
    for row in rows:
        for key in row:
            row[key] = case.pick((None, 5, [], {}, True))  # type: ignore[call-overload]


CHANGES: dict[str, Change] = {
    "a list with every file twice": _duplicated,
    "a list with wrong checksums": _wrong_digest,
    "a list with wrong sizes": _wrong_size,
    "a list without one of its columns": _without,
    "a list of addresses elsewhere": _foreign,
    "a list with a dangerous name": _dangerous,
    "a list of what is no text": _not_strings,
}


def _twist(one: XnatCase, change: Callable[[Exchange, Answer], object]) -> Callable[[], None]:
    """Change the site's responses; returns a function that undoes it."""
    service = one.site._service
    right = service.answer

    def answer(exchange: Exchange, browser: bool) -> Answer:
        found = right(exchange, browser)
        change(exchange, found)
        return found

    service.answer = answer  # type: ignore[method-assign]
    return lambda: setattr(service, "answer", right)


def _changed(name: str, change: Change) -> None:
    @kind(GROUP, name, weight=3)
    def try_it(case: Case) -> None:
        with scene(case) as one:
            trial = Trial(case, one, case.pick((Verb.RECEIVE_DIR, *MOVING_VERBS)), checking=case.chance(0.1))
            told = 0

            def twist(exchange: Exchange, answer: Answer) -> None:
                nonlocal told
                if not (isinstance(answer.body, bytes) and answer.body.startswith(b'{"ResultSet"')):
                    return
                told += 1
                value = json.loads(answer.body)
                change(case, value["ResultSet"]["Result"])
                answer.body = json.dumps(value).encode()
                answer.length = len(answer.body)

            undo = _twist(one, twist)
            outcome = trial.run()
            undo()
            trial.fault(outcome, CODES, struck=told)
            if outcome.code:
                trial.clean()


for _name, _change in CHANGES.items():
    _changed(_name, _change)

BODIES = (
    b"",
    b"{",
    b"[]",
    b"null",
    b"{}",
    b'{"ResultSet": 5}',
    b'{"ResultSet": {"Result": null}}',
    b"\xff\xfe",
    b"<html>Log in</html>",
)


@kind(GROUP, "what is no list, for a list", weight=3)
def _no_list(case: Case) -> None:
    body = case.pick(BODIES)
    case.note(repr(body))
    with scene(case) as one:
        trial = Trial(case, one, case.pick(MOVING_VERBS))
        told = 0

        def twist(exchange: Exchange, answer: Answer) -> None:
            nonlocal told
            if answer.kind.startswith("application/json"):
                told += 1
                answer.body, answer.length = body, len(body)

        undo = _twist(one, twist)
        outcome = trial.run()
        undo()
        trial.fault(outcome, CODES, struck=told)
        if outcome.code:
            trial.clean()


SWITCHES: dict[str, dict[str, object]] = {
    "a site in maintenance": {"maintenance": True},
    "no checksums": {"checksums": False},
    "sessions that end at once": {"session_seconds": 0.01},
    "no further session": {"session_limit": 0},
    "a redirect elsewhere": {"redirect_to": "http://127.0.0.1:1/x"},
    "a redirect in circles": {"redirect_to": "/"},
    "writers that get into each other's way": {"catalog_race": True},
    "an old XNAT": {"version": "1.7.4", "legacy_names": True},
}


@kind(GROUP, "a site that is set up oddly", weight=6)
def _switched(case: Case) -> None:
    name, values = case.pick(sorted(SWITCHES.items()))
    case.note(name)
    with scene(case) as one:
        trial = Trial(case, one, case.pick(MOVING_VERBS))
        right = {key: getattr(one.site.switches, key) for key in values}
        for key, value in values.items():
            setattr(one.site.switches, key, value)
        outcome = trial.run(env={"RED_RETRIES": str(case.pick((0, 2)))})
        for key, value in right.items():
            setattr(one.site.switches, key, value)
        trial.fault(outcome, CODES)
        if outcome.code:
            trial.clean()


@kind("Secrets", "XNAT that says the password back, in any encoding", weight=6)
def _echo(case: Case) -> None:
    with scene(case) as one:
        trial = Trial(case, one, case.pick(MOVING_VERBS))
        name, form = case.pick(sorted(leaks.forms(PASSWORD).items()))
        case.note(name)

        def twist(exchange: Exchange, answer: Answer) -> None:
            text = f"<html><body><h3>because of {form}</h3></body></html>".encode()
            answer.status, answer.kind, answer.body = case.pick((200, 400, 403, 409, 500)), "text/html", text
            answer.length = len(text)

        undo = _twist(one, twist)
        outcome = trial.run()
        undo()
        trial.fault(outcome, CODES)
        if outcome.code:
            trial.clean()


def wrong_password(access: Access) -> Access:
    return {**access, "auth": {**access["auth"], "password": "not the password"}}


@kind(GROUP, "a wrong password", weight=1)
def _wrong(case: Case) -> None:
    with scene(case) as one:
        trial = Trial(case, one, case.pick(MOVING_VERBS))
        outcome = trial.run(document=wrong_password(trial.access()))
        trial.fault(outcome, frozenset({Exit.NOPERM}))
