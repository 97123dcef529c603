"""The documentation says what the program does."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from connectors import cli, registry, settings
from connectors.access import document
from connectors.access.prepare import prepare
from connectors.cli import usage
from connectors.cli.command_line import parse
from connectors.errors import Exit
from connectors.model import Verb
from docs import generate

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
VALUES = {"id_ed25519": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
"""Of variables that do not take any text."""


def test_the_tables_of_the_connectors_are_those_of_their_schemas() -> None:
    assert generate.TARGET.read_text() == generate.page(), "run: python docs/generate.py"


def test_every_exit_code_has_its_line() -> None:
    rows = re.findall(r"^\| (\d+) +\| (\w+)", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)
    assert {(int(code), name) for code, name in rows} == {(int(code), code.name) for code in Exit}


def test_help_has_the_exit_codes_and_every_environment_variable() -> None:
    named = {int(code) for code in Exit} - {Exit.INTERRUPTED, Exit.TERMINATED}
    assert set(usage.EXIT_CODES) == named
    names = set(re.findall(r"\"(RED_[A-Z_]*[A-Z])\"", (ROOT / "connectors" / "settings.py").read_text()))
    assert names | {cli.DEBUG, "RED_VAR_name"} <= set(usage.ENVIRONMENT)


def test_every_environment_variable_of_the_program_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    names = re.findall(r"\"(RED_[A-Z_]*[A-Z])\"", (ROOT / "connectors" / "settings.py").read_text())
    assert len(set(names)) == len(settings.Settings._fields)
    for name in {*names, "RED_VAR_", cli.DEBUG}:
        assert name in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not link.startswith(("http:", "https:")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


def scripts() -> list[tuple[str, str]]:
    """All shell scripts that a page shows."""
    return [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"^```(?:sh|bash)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]


@pytest.mark.parametrize(("name", "block"), scripts())
def test_commands_on_our_pages_can_be_pasted_as_they_stand(name: str, block: str) -> None:
    assert "…" not in block
    assert "..." not in block
    result = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(("name", "block"), scripts())
def test_commands_on_our_pages_are_commands_of_the_program(name: str, block: str) -> None:
    """Each call of ours is understood, as far as its verb, its operands and its options."""
    for line in block.replace("\\\n", " ").splitlines():
        if call := re.search(r"(?:^red|red-connectors|entrypoint\.sh) +((?!completion)[^|>#&;<'\"]+)", line):
            words = call[1].split()
            if words[0] in ("sh", "python3") or not line.lstrip().startswith(("red ", "docker run", "./")):
                continue
            program = registry.FRONT_DOOR
            if f"red-connector-{words[0]}" in registry.MODULES:
                program = f"red-connector-{words.pop(0)}"
            assert words == ["--help"] or parse(program, words)


def documents() -> list[tuple[str, str]]:
    """All access documents that a page shows."""
    blocks = [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    return [(name, block) for name, block in blocks if "command:" in block and "access:" in block]


@pytest.mark.parametrize(("name", "block"), documents())
def test_access_documents_on_our_pages_validate(name: str, block: str, tmp_path: Path) -> None:
    loaded = yaml.safe_load(block)
    verb = "receive-file"
    if match := re.match(r"# for: \S+ (\S+)", block):
        verb = match[1]
    elif isinstance(loaded, dict) and loaded.get("class") == "Directory":
        verb = "receive-dir"
    source = tmp_path / "document.yml"
    source.write_text(block)
    read = document.read(str(source))
    variables = {
        f"RED_VAR_{word}": VALUES.get(word, "value") for word in re.findall(r"\{\{\s*([\w.-]+)\s*\}\}", block)
    }
    assert read.command
    schema = registry.load(read.command).SCHEMAS[Verb(verb)]
    prepare(read, Verb(verb), read.command, schema, None, str(tmp_path), variables)
