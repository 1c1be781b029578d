from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from sqlalchemy import Engine, text

from flows.cli import broadsheet
from schemas.errors import PAGE_REASONS
from schemas.records import Counts

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def every_command(
    command: click.Command = broadsheet, path: str = "broadsheet"
) -> list[tuple[str, click.Command]]:
    found = [(path, command)]
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            found += every_command(child, f"{path} {name}")
    return found


COMMANDS = every_command()
PATHS = [path for path, _ in COMMANDS]


def documentation() -> str:
    return "\n".join(page.read_text() for page in PAGES)


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_reference_is_what_the_commands_say() -> None:
    written = subprocess.run(
        [sys.executable, ROOT / "scripts" / "cli_reference.py"], check=True, capture_output=True, cwd=ROOT
    )
    assert (ROOT / "docs" / "cli.md").read_bytes() == written.stdout, (
        "run: python scripts/cli_reference.py > docs/cli.md"
    )


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=PATHS)
def test_every_command_and_option_is_explained(path: str, command: click.Command) -> None:
    section = (ROOT / "docs" / "cli.md").read_text().partition(f"\n## {path}\n")[2].partition("\n## ")[0]
    assert section, path
    assert command.help, path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path} {parameter.name}"
            for option in parameter.opts:
                assert re.search(rf"{re.escape(option)}\b", section), f"{path} {option}"
    if not isinstance(command, click.Group):
        assert "Example" in section, path
        assert f"{path} " in section or f"{path}\n" in section.partition("Example")[2], path


def command_lines(page: Path) -> list[str]:
    """What a page shows as typed at `broadsheet`, without pipes, redirections and remarks behind it."""
    source = page.read_text()
    blocks = re.findall(r"^```(?:sh|console|text)\n(.*?)^```", source, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", source, flags=re.MULTILINE | re.DOTALL))
    lines = [line for block in blocks for line in block.splitlines()] + spans
    typed = re.compile(r"^(?:[ $]*|.*\| |.*[a-z]=\S+ )broadsheet((?: [^|>#]+)?)")
    return [found[1].strip() for line in lines if (found := typed.match(line))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_line_in_the_docs_is_understood(page: Path) -> None:
    for line in command_lines(page):
        command: click.Command = broadsheet
        arguments = [word for word in shlex.split(line) if word not in ("…", "...")]
        while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
            assert arguments[0] in command.commands, f"broadsheet {line}"
            command = command.commands[arguments.pop(0)]
        if "--help" in arguments or isinstance(command, click.Group):
            continue
        try:
            command.make_context("broadsheet", arguments, resilient_parsing=True)
        except click.UsageError as error:
            pytest.fail(f"broadsheet {line}: {error.message}")


PROMISING = [ROOT / "SECURITY.md", ROOT / "docs" / "reliability.md"]


@pytest.mark.parametrize("page", PROMISING, ids=lambda page: page.name)
def test_the_tests_and_commands_that_promises_name_are_there(page: Path) -> None:
    promises = [
        line for line in page.read_text().splitlines() if re.match(r"\| (?!--- |promise |measure )", line)
    ]
    assert len(promises) > 20
    for line in promises:
        named = re.findall(r"`(test_\w+\.py)::(test_\w+)`", line)
        scripts = re.findall(r"`python ([^\s`]+)", line)
        assert named or scripts, line
        for file, test in named:
            assert f"\ndef {test}(" in (ROOT / "tests" / file).read_text(), f"{file}::{test}"
        for script in scripts:
            assert (ROOT / script).is_file(), script
        others = re.sub(r"`(?:test_\w+\.py::test_\w+|python [^`]*)`", "", line)
        assert "test_" not in others, line


def test_every_setting_is_explained() -> None:
    names = set()
    for package in ("schemas", "tasks", "flows"):
        for module in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(module.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    names |= set(re.findall(r"\bBROADSHEET_[A-Z_]+\b", node.value))
    assert {"BROADSHEET_HOME", "BROADSHEET_DATABASE_URL", "BROADSHEET_SCHEMA", "BROADSHEET_WORKERS"} <= names
    documented = documentation()
    assert [name for name in sorted(names) if f"`{name}`" not in documented] == []


def test_every_quarantine_reason_and_outcome_is_explained() -> None:
    documented = documentation()
    words = [*PAGE_REASONS, *Counts().as_dict(), "ignored", "skipped"]
    assert [word for word in words if f"`{word}`" not in documented] == []


def test_the_readme_has_five_queries() -> None:
    assert len(fenced(README, "sql")) >= 5


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_queries_in_the_docs_run(page: Path, database: Engine) -> None:
    for query in fenced(page, "sql"):
        with database.connect() as connection:
            connection.execute(text(query.replace(":", r"\:"))).fetchall()
