"""Resuming after a cut: the first response is cut, and the next one is different."""

from collections.abc import Callable
from dataclasses import dataclass

from connectors.errors import Exit
from connectors.model import Verb
from torture import web
from torture.case import Case, kind
from torture.trial import FILE, LATER, Trial
from torture.web import Answer, Request
from torture.web_scene import WebScene, environment, scene

GROUP = "Going on after a cut"
MORE = b"more"
CODES = LATER | {Exit.PROTOCOL, Exit.DATAERR}


@dataclass
class Second:
    """The response to the resuming request, from ``start``. The file was ``old`` and is now ``new``."""

    case: Case
    answer: Answer
    start: int
    old: bytes
    new: bytes

    def part(self, content: bytes, begin: int, total: str = "", **fields: str) -> None:
        """206 with ``content`` from ``begin`` on."""
        body = content[begin:]
        about = {"Content-Range": f"bytes {begin}-{len(content) - 1}/{total or len(content)}"}
        self.answer.status, self.answer.body = 206, body
        self.answer.fields = {
            **self.answer.fields,
            **about,
            **{key.replace("_", "-"): one for key, one in fields.items()},
        }


def _of_another(second: Second) -> None:
    second.part(second.new, second.start, ETag='"another"')


def _weak(second: Second) -> None:
    tag = second.answer.fields.get("ETag", '"x"')
    second.part(second.new, second.start, ETag=f"W/{tag}")


def _other_length(second: Second) -> None:
    second.part(second.new + MORE, second.start)


def _wrong_total(second: Second) -> None:
    second.part(second.old, second.start, str(len(second.old) + second.case.pick((-1, 1, 1000))))


def _wrong_start(second: Second) -> None:
    second.part(second.old, max(0, second.start - second.case.pick((-1, 1, second.start))))


def _not_to_the_end(second: Second) -> None:
    end = second.start + max(1, (len(second.old) - second.start) // 2)
    second.answer.status, second.answer.body = 206, second.old[second.start : end]
    total = second.case.pick(("*", str(len(second.old))))
    second.answer.fields["Content-Range"] = f"bytes {second.start}-{end - 1}/{total}"


def _coded(second: Second) -> None:
    second.part(second.new, second.start, Content_Encoding=second.case.pick(("gzip", "br", "deflate")))


def _whole_that_is_a_part(second: Second) -> None:
    second.part(second.old, second.start)
    second.answer.status = 200


def _same_tag_other_length(second: Second) -> None:
    """The file has changed and is shorter or longer, but has the same validator."""
    second.answer.status, second.answer.body = 200, second.new
    second.answer.fields.pop("Content-Range", None)


def _several_parts(second: Second) -> None:
    text = b"--x\r\nContent-Range: bytes 0-9/10\r\n\r\n" + second.old[second.start :] + b"\r\n--x--\r\n"
    second.answer.status, second.answer.body = 206, text
    second.answer.fields["Content-Type"] = "multipart/byteranges; boundary=x"
    second.answer.fields.pop("Content-Range", None)


def _no_range(second: Second) -> None:
    second.part(second.old, second.start)
    del second.answer.fields["Content-Range"]


def _nonsense_range(second: Second) -> None:
    second.part(second.old, second.start)
    last, whole = len(second.old) - 1, len(second.old)
    second.answer.fields["Content-Range"] = second.case.pick(
        (
            f"bytes {second.start}-{last}/{last}",
            f"bytes {last}-{second.start}/{whole}",
            "bytes */*",
            "x",
            f"lines 0-{last}/{whole}",
        )
    )


def _not_satisfiable(second: Second) -> None:
    second.answer.status, second.answer.body = 416, b""
    length = second.case.pick((0, second.start, len(second.old), 1 << 40))
    second.answer.fields["Content-Range"] = f"bytes */{length}"


def _not_changed(second: Second) -> None:
    second.answer.status, second.answer.body = 304, b""


def _ignored(second: Second) -> None:
    """Correct: ranges are optional."""
    second.answer.status, second.answer.body = 200, second.old
    second.answer.fields.pop("Content-Range", None)


SECONDS: dict[str, tuple[Callable[[Second], None], bool]] = {
    "a part of another version": (_of_another, True),
    "a part with a weak validator, of another version": (_weak, True),
    "a part of a longer file": (_other_length, False),
    "a part with a wrong complete length": (_wrong_total, False),
    "a part that begins elsewhere": (_wrong_start, False),
    "a part that does not reach the end": (_not_to_the_end, False),
    "a part in a content coding": (_coded, True),
    "a part that calls itself the whole": (_whole_that_is_a_part, False),
    "the same validator, another length": (_same_tag_other_length, True),
    "several parts": (_several_parts, False),
    "a part without Content-Range": (_no_range, False),
    "a Content-Range that makes no sense": (_nonsense_range, False),
    "416": (_not_satisfiable, False),
    "304": (_not_changed, False),
    "200: all of it": (_ignored, False),
}
"""The next response, and whether the file has changed by then."""


def _register(name: str, twist: Callable[[Second], None], changed: bool) -> None:
    @kind(GROUP, name, weight=3)
    def try_it(case: Case) -> None:
        with scene(case, ("red-connector-http", "red-connector-http-mock-send")) as one:
            one.server.validators = case.pick(
                (("ETag", "Last-Modified"), ("ETag",), ("ETag",), ("Last-Modified",))
            )
            verb = case.pick((Verb.RECEIVE_FILE, Verb.RECEIVE_FILE, Verb.RECEIVE_DIR))
            trial = Trial(case, one, verb, checked=False, old=0.2)
            path = FILE if verb is Verb.RECEIVE_FILE else case.pick(sorted(trial.content))
            size = case.pick((2, 100, 5000, 70_000, 200_000))
            trial.content[path] = case.random.randbytes(size)
            one.place(path, trial.content[path])
            _go_on(case, one, trial, path, twist, changed)


def _go_on(
    case: Case, one: WebScene, trial: Trial, path: str, twist: Callable[[Second], None], changed: bool
) -> None:
    old = trial.content[path]
    new = case.random.randbytes(len(old) + case.pick((-1, 0, 1, 50))) if changed else old
    if twist is _same_tag_other_length and len(new) == len(old):
        new += b"!"
    full = f"{case.name}/{path}"
    tag = one.server.version(old)
    cut = web.Lie(frozenset({"GET"}), times=1, about=lambda request: request.name == full)
    cut.ending = web.Ending(
        "chunk" if one.server.framing == "chunks" else "body",
        case.random.uniform(0.2, 1.0),
        case.pick(("end", "reset")),
    )

    def second(request: Request, answer: Answer) -> None:
        if "range" in request.headers:
            answer.fields = {**answer.fields, **tag}
            start = int(request.headers["range"].removeprefix("bytes=").partition("-")[0])
            twist(Second(case, answer, start, old, new))

    lie = web.Lie(frozenset({"GET"}), times=case.pick((1, 1, 1 << 30)), twist=second)
    lie.about = lambda request: request.name == full and "range" in request.headers
    trial.fickle[path] = {old, new}
    if one.server.framing == "chunks":  # the first answer did not say how long the file is
        trial.fickle[path].add(old + MORE)
    one.server.lies = [cut, lie]
    if case.chance(0.5):  # the next attempt, else the next call
        outcome = trial.run(env={**environment(case), "RED_RETRIES": case.pick(("1", "2"))})
    else:
        outcome = trial.run(env={**environment(case), "RED_RETRIES": "0"})
        one.server.files[full] = new
        outcome = trial.run(env={**environment(case), "RED_RETRIES": case.pick(("0", "1"))})
    case.note(f"cut {cut.told} times, told {lie.told} times, {path}: {len(old)}, then {len(new)} bytes")
    trial.fault(outcome, CODES, struck=cut.told)
    one.server.lies = []
    one.server.files[full] = new
    if outcome.code:
        trial.clean()


for _name, (_twist, _changed) in SECONDS.items():
    _register(_name, _twist, _changed)
