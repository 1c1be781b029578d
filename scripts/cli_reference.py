"""Print docs/cli.md: the help of every command, and what each quarantine reason means.

python scripts/cli_reference.py > docs/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator

import click

from flows.cli import broadsheet
from schemas.errors import PAGE_REASONS

PREFACE = """\
# Command reference

Written by `python scripts/cli_reference.py > docs/cli.md`; a test compares it with the commands.

Listings print aligned text, and JSON with `--json`. Results go to standard output; progress and errors go to
standard error. Exit codes: 0 fine, 1 the run failed, 2 the command or a setting is wrong, 130 Ctrl-C,
143 SIGTERM. What exports hold is in [exports.md](exports.md).
"""

REASONS = """\
## Quarantine reasons

A page that cannot be read or processed, or that the database refuses, waits in `quarantine` with one of these
reasons; the batch it came in goes on. `broadsheet quarantine list` shows them, `broadsheet quarantine replay`
tries them again.

| reason | stage | meaning |
| --- | --- | --- |
"""


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """`command` and everything below it, in the order of the help."""
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.commands[name]
            yield from commands(child, click.Context(child, context, info_name=name))


def reference() -> str:
    """The page as Markdown."""
    root = click.Context(
        broadsheet, info_name="broadsheet", terminal_width=100, **broadsheet.context_settings
    )
    sections = [PREFACE]
    for command, context in commands(broadsheet, root):
        sections.append(f"## {context.command_path}\n\n```text\n{command.get_help(context).strip()}\n```\n")
    rows = (
        f"| `{reason}` | {error.stage} | {(error.__doc__ or '').strip().splitlines()[0]} |\n"
        for reason, error in PAGE_REASONS.items()
    )
    return "\n".join([*sections, REASONS + "".join(rows)])


if __name__ == "__main__":
    click.echo(reference(), nl=False)
