"""cerberus and paramiko without the modules that they import and do not need here."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import cerberus
import cerberus.schema
import pytest

from connectors import registry
from connectors.access import validation
from connectors.model import Verb

ROOT = Path(__file__).resolve().parents[2]


def python(code: str) -> str:
    """What a fresh interpreter prints for ``code``."""
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


LOAD = "from connectors import imports; imports.import_cerberus(); import cerberus\n"


def test_cerberus_validates_as_ever() -> None:
    code = "v = cerberus.Validator({'a': {'type': 'string'}}); print(v.validate({'a': 1}), v.errors)"
    assert python(LOAD + code) == "False {'a': ['must be of string type']}"


def test_importlib_metadata_is_not_imported_and_whole_afterwards() -> None:
    real = "from importlib.metadata import version; print(version('cerberus') != 'unknown')"
    assert python(f"{LOAD}print('importlib.metadata' in sys.modules)\n{real}").split() == ["False", "True"]


def test_pprint_is_not_imported_and_whole_afterwards() -> None:
    real = "import pprint; print(pprint.pformat({2: 3}), hasattr(pprint, 'PrettyPrinter'))"
    assert python(f"{LOAD}print('pprint' in sys.modules, 'inspect' in sys.modules)\n{real}").split("\n") == [
        "False False",
        "{2: 3} True",
    ]


def test_a_cerberus_that_wants_more_of_importlib_metadata_gets_the_real_one() -> None:
    lacking = "from connectors import imports; del imports._StandIn.version\n"
    assert python(f"{lacking}{LOAD}print(cerberus.__version__ != 'unknown')") == "True"


CURL = "from connectors import imports; imports.import_pycurl(); import pycurl\n"


def test_pycurl_is_whole_but_for_what_serves_asyncio() -> None:
    code = (
        f"{CURL}print(bool(pycurl.Curl()), 'dataclasses' in sys.modules, 'pycurl.async_multi' in sys.modules)"
    )
    assert python(code) == "True False False"


def test_a_pycurl_that_wants_more_of_its_own_module_gets_the_real_one() -> None:
    lacking = "from connectors import imports; del imports._StandIn.AsyncCurlMulti\n"
    assert python(f"{lacking}{CURL}print(bool(pycurl.Curl()), pycurl.AsyncCurlMulti is None)") == "True False"


SCHEMAS = {
    f"{name} {verb.value}": schema
    for name in registry.MODULES
    for verb, schema in registry.load(name).SCHEMAS.items()
}


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Our validators, with cerberus looking at schemas as it would."""
    ours = validation._validator_class()
    monkeypatch.setattr(ours, "_valid_schemas", set())
    return ours


@pytest.mark.parametrize("name", SCHEMAS)
def test_cerberus_finds_our_schemas_right_if_it_is_let(strict: Any, name: str) -> None:
    assert strict(SCHEMAS[name]).schema.schema


@pytest.mark.parametrize("rule", [{"type": "nothing"}, {"tpye": "string"}, {"required": 2}])
def test_cerberus_would_find_a_schema_wrong(strict: Any, rule: dict[str, Any]) -> None:
    with pytest.raises(cerberus.SchemaError):
        strict({"key": rule})


def test_cerberus_does_not_look_at_our_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cerberus.Validator._valid_schemas is not None  # where it notes those that it has looked at
    looked: list[object] = []
    monkeypatch.setattr(
        cerberus.schema.DefinitionSchema, "_validate", lambda _, schema: looked.append(schema)
    )
    schema = registry.load("red-connector-ssh").SCHEMAS[Verb.RECEIVE_DIR]
    _, findings = validation.validate({"host": "h", "auth": {"username": 1}}, schema)
    assert findings
    assert not looked


SSH = "from connectors import imports; imports.import_paramiko(); import paramiko\n"
HEAVY = "['importlib.metadata', 'invoke', 'asyncio', 'unittest']"


def test_paramiko_is_whole_and_knows_its_version() -> None:
    real = "from importlib.metadata import version; print(paramiko.__version__ == version('paramiko'))"
    assert python(f"{SSH}print(paramiko.Transport.__name__)\n{real}").split() == ["Transport", "True"]


def test_paramiko_imports_nothing_heavy_that_is_not_needed() -> None:
    assert python(f"{SSH}print([name for name in {HEAVY} if name in sys.modules])") == "[]"


def test_after_paramiko_what_was_left_out_can_be_imported() -> None:
    assert python(f"{SSH}import invoke, importlib.metadata as m; print(m.version('invoke') != '')") == "True"


def test_a_paramiko_that_wants_more_of_importlib_metadata_gets_the_real_one() -> None:
    lacking = "from connectors import imports; del imports._StandIn.version\n"
    assert python(f"{lacking}{SSH}print(paramiko.__version__ != 'unknown')") == "True"


def test_a_paramiko_that_needs_invoke_gets_it() -> None:
    # as if a version of it imported invoke without being ready to do without
    needing = "import builtins; real = builtins.__import__\n"
    needing += "def strict(name, *rest):\n"
    needing += "    if name == 'paramiko.config' and sys.modules.get('invoke', 1) is None:\n"
    needing += "        raise ImportError(name)\n"
    needing += "    return real(name, *rest)\n"
    needing += "builtins.__import__ = strict\n"
    assert python(f"{needing}{SSH}print(paramiko.config.invoke.__name__)") == "invoke"
