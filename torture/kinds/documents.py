"""Access documents and listings that are wrong: valid ones, mutated."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml

from connectors import registry
from connectors.access import describe
from connectors.errors import Exit
from connectors.model import Verb
from tests.servers import PASSWORD
from torture.case import Case, kind
from torture.judge import require, words
from torture.leaks import HEADER, PASSPHRASE, TOKEN
from torture.program import Outcome
from torture.trial import MOVING_VERBS

GROUP = "Documents that are wrong"
CONFIG = frozenset({Exit.CONFIG})
ODD: tuple[Any, ...] = (
    None,
    True,
    5,
    -1,
    1.5,
    "",
    [],
    {},
    ["x"],
    {"x": "y"},
    "\0",
    "a\nb",
    "\x1b[31m",
    "x" * 100_000,
    "{{missing}}",
)
SECRETS = {"password": PASSWORD, "token": TOKEN, "passphrase": PASSPHRASE, "headers": {"X-Key": HEADER}}
NOWHERE = ("example.com", "localhost")  # nothing listens on the usual ports there
Path = tuple[Any, ...]


class Document:
    """A valid document of any connector and verb; change ``access``, then ``call``."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.executable = case.pick(sorted(registry.MODULES))
        verbs = [verb for verb in MOVING_VERBS if verb in registry.load(self.executable).SCHEMAS]
        self.verb: Verb = case.pick(verbs)
        self.schema = registry.load(self.executable).SCHEMAS[self.verb]
        example = yaml.safe_load(describe.example(self.executable, self.verb, self.schema).replace(*NOWHERE))
        self.whole: Any = example.get("connector", example)
        self.whole = {"command": self.executable, "access": self.whole["access"]}
        self.access: dict[str, Any] = self.whole["access"]
        for path in list(walk(self.access)):
            if path[-1] in SECRETS and isinstance(at(self.access, path), str):
                put(self.access, path, SECRETS[path[-1]])
        self.front = case.chance(0.2)
        self.as_yaml = case.chance(0.3)
        case.note(f"{self.executable} {self.verb}")

    def text(self) -> bytes:
        if self.as_yaml:
            return yaml.safe_dump(self.whole, allow_unicode=True, sort_keys=False).encode(
                "utf-8", "surrogatepass"
            )
        return json.dumps(self.whole).encode()

    def call(self, text: bytes | None = None, *more: str, **env: str) -> Outcome:
        """Validate or transfer: neither may contact a server."""
        file = self.case.folder / "access"
        content = self.text() if text is None else text
        file.write_bytes(content)
        self.case.note(repr(content[:600]))
        program = registry.FRONT_DOOR if self.front else self.executable
        here = self.case.folder / "here"
        if self.verb is Verb.SEND_DIR:
            here.mkdir(exist_ok=True)
        elif self.verb is Verb.SEND_FILE:
            here.write_bytes(b"{}")
        if self.case.chance(0.5):
            arguments = [program, f"{self.verb}-validate", str(file), "--offline", *more]
        else:
            arguments = [program, str(self.verb), str(file), str(here), *more]
        outcome = self.case.place.program.run(arguments, {"RED_RETRIES": "0", **env})
        self.case.outcomes.append(outcome)
        words(outcome)
        return outcome

    def refused(self, outcome: Outcome, *said: str) -> None:
        require(outcome.code == Exit.CONFIG, f"exit {outcome.code}, not 78")
        for text in said:
            require(text in outcome.stderr, f"nothing is said of {text}")


def walk(value: Any, before: Path = ()) -> Iterator[Path]:
    """All paths in a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*before, key)
        yield from walk(inner, (*before, key))


def at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: Path, new: Any) -> None:
    at(value, path[:-1])[path[-1]] = new


def dotted(path: Path) -> str:
    return ".".join(map(str, path))


@kind(GROUP, "values of a wrong type", weight=8)
def _wrong_types(case: Case) -> None:
    """All errors are reported together, each with its path."""
    document = Document(case)
    paths = [
        path
        for path in walk(document.access)
        if not isinstance(at(document.access, path), dict) and path[0] != "headers"
    ]
    chosen = case.random.sample(paths, case.random.randint(1, min(4, len(paths))))
    for path in chosen:
        old = at(document.access, path)
        wrong = [one for one in ([], {}, ["x"], None, 5, True) if type(one) is not type(old)]
        if isinstance(old, (bool, int)):
            wrong = [[], {}, "text", None]
        put(document.access, path, case.pick(wrong))
    document.refused(document.call(), *map(dotted, chosen))


@kind(GROUP, "keys that nobody knows", weight=6)
def _unknown(case: Case) -> None:
    document = Document(case)
    names = [
        case.pick(("pasword", "urll", "Host", "extra", "x-y", "ünknown", "auth2", "file_path"))
        for _ in range(2)
    ]
    inner = [
        path
        for path in walk(document.access)
        if isinstance(at(document.access, path), dict) and path[0] != "headers"
    ]
    said = []
    for name in set(names):
        folder = case.pick([(), *inner])
        at(document.access, folder)[name] = case.pick((PASSWORD, 5, [], None))
        said.append(dotted((*folder, name)))
    document.refused(document.call(), *said)


@kind(GROUP, "required keys that are missing", weight=6)
def _missing(case: Case) -> None:
    document = Document(case)
    required = [
        key for key, field in document.schema.items() if field.get("required") and key in document.access
    ]
    chosen = case.random.sample(required, case.random.randint(1, len(required)))
    for key in chosen:
        del document.access[key]
    document.refused(document.call(), *chosen)


@kind(GROUP, "odd values anywhere", weight=12)
def _odd(case: Case) -> None:
    """Not all of them are wrong, but nothing may crash."""
    document = Document(case)
    for _ in range(case.random.randint(1, 3)):
        paths = list(walk(document.whole))
        put(document.whole, case.pick(paths), case.pick(ODD))
        if not isinstance(document.whole.get("access"), dict):
            break
    document.access = document.whole["access"]
    _never_moves(document, document.call(RED_TIMEOUT="1"))


def _never_moves(document: Document, outcome: Outcome) -> None:
    """The examples' servers do not exist, or are not ours: all requests fail."""
    codes = {
        Exit.CONFIG,
        Exit.NOHOST,
        Exit.TEMPFAIL,
        Exit.PROTOCOL,
        Exit.NOPERM,
        Exit.NOINPUT,
        Exit.DATAERR,
        Exit.CANTCREAT,
        Exit.OK,
        Exit.UNAVAILABLE,
    }
    require(outcome.code in codes, f"exit {outcome.code}")


@kind(GROUP, "variables that are not set", weight=4)
def _variables(case: Case) -> None:
    document = Document(case)
    paths = [path for path in walk(document.access) if isinstance(at(document.access, path), str)]
    chosen = case.random.sample(paths, min(len(paths), 3))
    for number, path in enumerate(chosen):
        put(document.access, path, f"{{{{nowhere_{number}}}}}")
    document.refused(document.call(), *(f"nowhere_{number}" for number in range(len(chosen))))


def _bytes(case: Case, document: Document) -> bytes:
    text = document.text()
    at_ = case.random.randrange(len(text))
    return case.pick(
        (
            text[:at_],
            text[:at_] + case.random.randbytes(4) + text[at_:],
            b"",
            b"\xff\xfe" + text.decode().encode("utf-16-le"),
            b"[" * 50_000,
            b"{" * 1000,
            b"%" + text,
            text + text,
            b"\0" * 100,
            b"- a\n" * 1000,
            b"a: &a [*a]\n",
            b"&a [" * 500,
            b"!!python/object:os.system {}\n",
            b'"' + PASSWORD.encode() + b'"',
            b"null",
            b"[]",
            b"5",
            b"a: b: c",
            b"\t- x",
            b"a: &x [1,1]\n" + b"".join(b"b%d: &y%d [*x,*x]\n" % (n, n) for n in range(100)),
            b"password: " + PASSWORD.encode() + b"\n:::",
        )
    )


@kind(GROUP, "what is no document", weight=10)
def _no_document(case: Case) -> None:
    document = Document(case)
    _never_moves(document, document.call(_bytes(case, document), RED_TIMEOUT="1"))


@kind(GROUP, "very large and very deep ones", weight=2)
def _large(case: Case) -> None:
    document = Document(case)
    deep: Any = "x"
    for _ in range(case.pick((100, 900, 5000))):
        deep = [deep]
    big = {f"key{number}": "value" * 10 for number in range(20_000)}
    document.access["extra"] = case.pick((big, ["x"] * 100_000, "x" * 2_000_000))
    text = None
    if case.chance(0.5):
        depth = case.pick((100, 900, 20_000))
        text = json.dumps(document.whole).encode()[:-2] + b', "deep": ' + b"[" * depth + b"]" * depth + b"}}"
    document.as_yaml = False
    document.refused(document.call(text))


def _entry(**changes: object) -> dict[str, object]:
    entry = {"class": "File", "basename": "a", "size": 5, "checksum": "sha1$" + "0" * 40, **changes}
    return {key: value for key, value in entry.items() if value is not ...}


LISTINGS: dict[str, Callable[[Case], object]] = {
    "a wrong class": lambda case: [_entry(**{"class": case.pick(("file", "Fil", 5, None))})],
    "no name": lambda case: [_entry(basename=...)],
    "a dangerous name": lambda case: [
        _entry(basename=case.pick(("..", ".", "a/b", "", "a\0b", "x" * 300, ".x.red-part", "/etc")))
    ],
    "a name that is no text": lambda case: [_entry(basename=case.pick((5, None, [], {})))],
    "a wrong checksum": lambda case: [
        _entry(checksum=case.pick(("sha1$zz", "sha1", "crc32$00", "", 5, "sha1$" + "0" * 39)))
    ],
    "a wrong size": lambda case: [_entry(size=case.pick((-1, 1.5, "5", [], True)))],
    "the same name twice": lambda case: [_entry(), _entry()],
    "no list": lambda case: case.pick(({}, 5, "x", None, {"listing": 5})),
    "an entry that is none": lambda case: [case.pick((5, None, "a", []))],
    "an unknown key": lambda case: [_entry(sise=5)],
    "a folder with a size": lambda case: [{"class": "Directory", "basename": "d", "size": 5, "listing": []}],
    "a folder whose listing is none": lambda case: [
        {"class": "Directory", "basename": "d", "listing": case.pick((5, "x", {}))}
    ],
}


@kind(GROUP, "listings that are wrong", weight=10)
def _listing(case: Case) -> None:
    document = Document(case)
    while not document.verb.of_directory:
        document = Document(case)
    name, make = case.pick(sorted(LISTINGS.items()))
    listing = make(case)
    file = case.folder / "listing.json"
    file.write_text(json.dumps(listing))
    case.note(f"{name}: {listing!r}")
    document.refused(document.call(None, f"--listing={file}"))


VARIABLES = {
    "RED_RETRIES": ("x", "-1", "1.5", "1e3", "9999", " 1"),
    "RED_TIMEOUT": ("x", "-1", "0", "nan", "inf", "1e9"),
    "RED_PARALLEL": ("0", "x", "1000", "-5"),
    "RED_LOG": ("xml", "5"),
    "RED_PROGRESS": ("on", "5"),
    "RED_STRICT_HOST_KEYS": ("yes", "2"),
    "RED_CA_BUNDLE": ("/nowhere", "\x01"),
    "RED_KNOWN_HOSTS": ("/nowhere",),
}


@kind(GROUP, "environment variables that make no sense", weight=6)
def _environment(case: Case) -> None:
    chosen = case.random.sample(sorted(VARIABLES), case.random.randint(1, 3))
    document = Document(case)
    env = {name: case.pick(VARIABLES[name]) for name in chosen}
    case.note(repr(env))
    document.refused(document.call(**{"RED_RETRIES": "0", **env}), *chosen)
