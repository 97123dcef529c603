"""The documentation says what the program does."""

import re
from pathlib import Path

import pytest
import yaml

from connectors import cli, registry, settings
from connectors.access import document
from connectors.access.prepare import prepare
from connectors.errors import Exit
from docs import generate

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])
VALUES = {"id_ed25519": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}
"""Of variables that do not take any text."""


def test_the_tables_of_the_connectors_are_those_of_their_schemas() -> None:
    assert generate.TARGET.read_text() == generate.page(), "run: python docs/generate.py"


def test_every_exit_code_has_its_line() -> None:
    rows = re.findall(r"^\| (\d+) +\| (\w+)", (ROOT / "docs" / "exit-codes.md").read_text(), re.MULTILINE)
    assert {(int(code), name) for code, name in rows} == {(int(code), code.name) for code in Exit}


def test_every_environment_variable_of_the_program_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    names = re.findall(r"\"(RED_[A-Z_]+)\"", (ROOT / "connectors" / "settings.py").read_text())
    assert len(set(names)) == len(settings.Settings._fields)
    for name in {*names, "RED_VAR_", cli.DEBUG}:
        assert name in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if not link.startswith(("http:", "https:")):
            assert (page.parent / link).exists(), f"{page.name}: {link}"


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
    prepare(read, cli.Verb(verb), registry.load(read.command), None, str(tmp_path), variables)
