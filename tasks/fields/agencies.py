"""News agencies that a page credits for its text."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

_LETTERS = r"[^\W_]"


@cache
def _forms() -> Mapping[str, str]:
    """Printed form → the name that is kept. Short capital forms count only as printed, others in any case."""
    table: dict[str, list[str]] = tomllib.loads(
        (files("tasks.fields") / "data" / "agencies.toml").read_text("utf-8")
    )
    return {
        form if _strict(form) else form.casefold(): name for name, forms in table.items() for form in forms
    }


def _strict(form: str) -> bool:
    return len(form) <= 4 and form.isascii()


@cache
def _pattern() -> re.Pattern[str]:
    forms = sorted(_forms(), key=lambda form: (-len(form), form))
    strict = "|".join(re.escape(form) for form in forms if _strict(form))
    loose = "|".join(re.escape(form) for form in forms if not _strict(form))
    return re.compile(rf"(?<!{_LETTERS})(?:(?i:{loose})|{strict})(?!{_LETTERS})")


def find_agency(text: str) -> str | None:
    """The first agency named in a credit (`SOURCE:AA`, `(Reuters) -`, `Ximena Larrazkoa / EFE`), normalised.

    Meant for short credit strings, not for running text: two-letter names are common words elsewhere.
    """
    found = _pattern().search(text[:500])
    if not found:
        return None
    return _forms().get(found.group()) or _forms().get(found.group().casefold())
