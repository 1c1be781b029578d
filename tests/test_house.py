"""The launcher, the locks, the examples and the deployment files."""

from __future__ import annotations

import gzip
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ["requirements.lock", "requirements-dev.lock", "benchmarks/requirements-peers.lock"]
PLATFORMS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64")]
PYTHONS = ["3.11.2", "3.11.9", "3.12.4", "3.13.1"]


def pins(lock: str) -> Iterator[tuple[Requirement, list[str]]]:
    """What a lock pins, each with its hashes."""
    joined = (ROOT / lock).read_text("utf-8").replace("\\\n", " ")
    for line in joined.splitlines():
        if line and not line.startswith("#"):
            requirement, *hashes = re.split(r"\s+--hash=", line)
            yield Requirement(requirement), [digest.strip() for digest in hashes]


def resolved(lock: str, python: str, system: str, machine: str) -> dict[str, str]:
    """Names and versions that a lock gives to one kind of machine."""
    environment = {
        "python_version": python.rpartition(".")[0],
        "python_full_version": python,
        "sys_platform": system,
        "platform_system": system.capitalize(),
        "platform_machine": machine,
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    versions: dict[str, str] = {}
    for requirement, _ in pins(lock):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{lock} pins {name} twice for {environment}"
            versions[name] = str(requirement.specifier).removeprefix("==")
    return versions


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_with_hashes(lock: str) -> None:
    found = list(pins(lock))
    assert len(found) > 20
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert requirement.url is None
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


@pytest.mark.parametrize("lock", LOCKS)
def test_locks_name_no_host_and_no_machine(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert not re.search(r"://|--(extra-)?index-url|--find-links|(^|\s)/\w", text)


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("system", "machine"), PLATFORMS)
def test_one_lock_serves_every_platform(python: str, system: str, machine: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    run, dev, peers = (resolved(lock, python, system, machine) for lock in LOCKS)
    assert run.items() <= dev.items(), "tests must run with the versions that users run"
    assert all(run.get(name, version) == version for name, version in peers.items())
    groups = project["dependency-groups"]
    wanted = [
        (run, project["project"]["dependencies"] + groups["build"]),
        (dev, [*groups["dev"], *chain(*project["project"]["optional-dependencies"].values())]),
        (peers, groups["peers"]),
    ]
    for versions, requirements in wanted:
        for requirement in map(Requirement, requirements):
            assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), requirement


def test_the_launcher_takes_the_pythons_that_the_project_takes() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    taken = SpecifierSet(project["requires-python"])
    launcher = (ROOT / "run").read_text("utf-8")
    for minor in range(9, 20):
        assert taken.contains(f"3.{minor}.0") == bool(re.search(rf"\b3\.{minor}\b[ |)]", launcher))


def launch(*arguments: str, checkout: Path) -> subprocess.CompletedProcess[str]:
    """Run the launcher of a checkout with nothing on the PATH but `bin` beside it and a few programs."""
    programs = checkout.parent / "bin"
    programs.mkdir(exist_ok=True)
    for program in ("dirname", "cat", "cksum", "rm", "mkdir"):
        if not (programs / program).exists():
            (programs / program).symlink_to(shutil.which(program) or "")
    return subprocess.run(
        [shutil.which("dash") or shutil.which("sh") or "", str(checkout / "run"), *arguments],
        env={"PATH": str(programs)},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The launcher and its files at a path with a space in it."""
    path = tmp_path / "a checkout"
    path.mkdir()
    for name in ("run", "pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, path)
    return path


def script(path: Path, *lines: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)


@pytest.mark.parametrize("version", [None, "2.7", "3.9", "3.14"])
def test_another_python_gets_one_sentence(version: str | None, checkout: Path) -> None:
    if version:
        script(checkout.parent / "bin" / "python3", f"echo {version}")
    run = launch("demo", checkout=checkout)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == (
        f"Broadsheet needs Python 3.11, 3.12 or 3.13 on the PATH (found: {version or 'none'}).\n"
    )


def test_the_environment_is_built_again_only_when_it_must(checkout: Path) -> None:
    """A stand-in for Python notes what it is asked for; building a real environment takes a minute."""
    notes = checkout.parent / "notes"
    inside = checkout.parent / "inside"
    script(inside / "python", f'echo "$*" >> {notes}')
    script(inside / "broadsheet", 'echo "broadsheet $*"')
    script(
        checkout.parent / "bin" / "python3",
        'case "$*" in',
        "    *version_info*) echo 3.12 ;;",
        '    *executable*) echo "$0" ;;',
        f'    "-m venv .venv") mkdir .venv; {shutil.which("cp")} -r {inside} .venv/bin ;;',
        "esac",
    )

    def installed(*arguments: str) -> list[str]:
        notes.write_text("")
        run = launch(*arguments, checkout=checkout)
        assert run.returncode == 0, run.stderr
        if arguments == ("demo",):
            assert run.stdout == "broadsheet ingest examples\n"
        return re.findall(r"-r (\S+)", notes.read_text())

    assert installed("demo") == ["requirements.lock"]
    assert installed("demo") == []
    assert installed("test") == ["requirements-dev.lock"]
    assert installed("test") == []
    assert installed("demo") == []
    with (checkout / "requirements-dev.lock").open("a") as lock:
        lock.write("# another\n")
    assert installed("demo") == []
    assert installed("test") == ["requirements-dev.lock"]
    with (checkout / "pyproject.toml").open("a") as project:
        project.write("# another\n")
    assert installed("demo") == ["requirements.lock"]
    (checkout / ".venv" / "requirements.lock.stamp").unlink()
    assert installed("demo") == ["requirements.lock"]
    checkout = checkout.rename(checkout.with_name("moved"))
    assert installed("demo") == ["requirements.lock"]


def test_the_launcher_explains_itself(checkout: Path) -> None:
    run = launch("help", checkout=checkout)
    assert run.returncode == 0
    words = re.findall(r"^    ([a-z]+)(?: \||\))", (ROOT / "run").read_text("utf-8"), re.M)
    assert {"demo", "test", "check", "bench", "lock", "help"} == set(words)
    assert all(f"./run {word}" in run.stdout for word in words)


def test_an_unknown_word_is_refused(checkout: Path) -> None:
    run = launch("tset", checkout=checkout)
    assert run.returncode == 2
    assert run.stdout == ""
    assert "./run test" in run.stderr


def test_the_readme_begins_with_two_commands_and_its_script_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    assert re.findall(r"^```sh\n(.*?)```", readme, re.M | re.S)[0] == "./run demo\n./run test\n"
    (example,) = re.findall(r"^```python\n(.*?)```", readme, re.M | re.S)
    run = subprocess.run(
        [sys.executable, "-c", example], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert len(run.stdout.splitlines()) > 10


def test_the_compressed_examples_come_from_the_readable_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(ROOT / "examples", tmp_path / "examples")
    made = [copy / name for name in ("crawl.warc.gz", "la-ribera.jsonl.gz", "damaged/cut-off.html.gz")]
    for path in made:
        path.unlink()
    script = tmp_path / "scripts" / "make_examples.py"
    script.parent.mkdir()
    shutil.copy(ROOT / "scripts" / "make_examples.py", script)
    runpy.run_path(str(script), run_name="__main__")
    for path in made[:2]:
        assert gzip.decompress(path.read_bytes()) == gzip.decompress(
            (ROOT / "examples" / path.relative_to(copy)).read_bytes()
        )
    with pytest.raises(EOFError):
        gzip.decompress(made[2].read_bytes())


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.compose-spec", "deploy/compose.yaml"),
        ("vendor.github-workflows", ".github/workflows/ci.yml"),
    ],
)
def test_published_schemas_accept_our_files(schema: str, path: str) -> None:
    checker = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(ROOT / path)]
    run = subprocess.run(checker, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "deploy/compose.yaml").read_text("utf-8"))["services"])


def test_services_listen_on_the_loopback_alone() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_secrets_come_from_the_environment() -> None:
    text = (ROOT / "deploy/compose.yaml").read_text("utf-8")
    stated = dict(re.findall(r"(\w+_PASSWORD): \$\{(\w+):\?", text))
    assert stated == {name: name for name in ("POSTGRES_PASSWORD", "NEWS_PASSWORD", "PREFECT_PASSWORD")}
    in_urls = re.findall(r"://(\w+):(.+?)@", text)
    assert sorted(in_urls) == [("broadsheet", "${NEWS_PASSWORD:?}"), ("prefect", "${PREFECT_PASSWORD:?}")]


def test_compose_mounts_and_starts_what_is_there() -> None:
    for service in services().values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or (ROOT / "deploy" / source).is_file()
        assert set(service.get("depends_on", {})) <= services().keys()
    assert os.access(ROOT / "deploy/worker", os.X_OK)
    assert os.access(ROOT / "deploy/postgres-init.sh", os.R_OK)


def test_the_image_copies_what_is_there_and_runs_as_nobody_special() -> None:
    text = (ROOT / "deploy/Dockerfile").read_text("utf-8")
    allowed = (ROOT / "deploy/Dockerfile.dockerignore").read_text("utf-8").split()
    for sources in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert f"!{source}" in allowed
    assert re.findall(r"^USER (\w+)$", text, re.M) == ["broadsheet"]
    assert "--require-hashes" in text
    assert "HEALTHCHECK" in text
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    for package in packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]:
        assert f"COPY {package} " in text


def test_nothing_that_is_ignored_is_kept() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    command = ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == ""
