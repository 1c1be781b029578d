"""Who may import whom: schemas ← tasks ← tasks/steps.py ← flows, and which modules stay pure."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("schemas", "tasks", "flows")
DATABASE = {"sqlalchemy", "alembic", "psycopg"}
STEPS = "tasks.steps"
MAY_IMPORT_DATABASE = (
    "tasks.postgres",
    "tasks.ledger",
    "tasks.load",
    "tasks.maintain",
    "tasks.recover",
    "tasks.replay",
    "tasks.reprocess",
    "tasks.settle",
    STEPS,
)
"""Every other module of `tasks` is pure: a worker process may import it."""


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for package in PACKAGES for path in (ROOT / package).rglob("*.py")}


def is_left_out(node: ast.AST, deferred: bool) -> bool:
    """True for what only a type checker runs, and for functions unless what they import counts."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING")
    return not deferred and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@cache
def imports(module: str, *, deferred: bool = True) -> frozenset[str]:
    """Full names that a module imports; `deferred` counts those inside functions too."""
    found: set[str] = set()
    pending: list[ast.AST] = [ast.parse(MODULES[module].read_text("utf-8"))]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import on line {node.lineno}"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
        elif is_left_out(node, deferred):
            continue
        pending.extend(ast.iter_child_nodes(node))
    return frozenset(found)


@cache
def reached(module: str) -> frozenset[str]:
    """Top-level names of every package that a module needs, through the project's own modules too."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        for name in imports(pending.pop()) - seen:
            seen.add(name)
            if name in MODULES:
                pending.append(name)
    return frozenset(name.partition(".")[0] for name in seen)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    package = module.partition(".")[0]
    above = set(PACKAGES[PACKAGES.index(package) + 1 :])
    names = imports(module)
    assert not {name for name in names if name.partition(".")[0] in above}
    if package != "flows":
        assert STEPS not in names
        if module != STEPS:
            assert "prefect" not in {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("tasks.fields")])
def test_field_parsers_know_no_stage(module: str) -> None:
    assert all(name.startswith("tasks.fields") for name in imports(module) if name.startswith("tasks."))


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("tasks")])
def test_tasks_are_pure_but_for_those_that_own_the_database(module: str) -> None:
    if not module.startswith(MAY_IMPORT_DATABASE):
        assert not reached(module) & (DATABASE | {"prefect"})


def test_no_module_imports_itself_round_a_circle() -> None:
    graph = {module: imports(module, deferred=False) & MODULES.keys() for module in MODULES}
    list(TopologicalSorter(graph).static_order())


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("tasks.batch", ["prefect", "sqlalchemy", "psycopg"]),
        ("tasks.extract", ["prefect", "sqlalchemy", "psycopg"]),
        ("flows.cli", ["prefect", "sqlalchemy", "psycopg", "lxml"]),
    ],
)
def test_a_fresh_interpreter_stays_light(module: str, forbidden: list[str]) -> None:
    code = f"import sys, {module}; print(*sorted(set({forbidden}) & sys.modules.keys()))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stdout.split() == []
