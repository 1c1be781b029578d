"""Write `tasks/fields/data/months.json`: month names of many languages, from CLDR by way of babel.

Run it after adding a language: `python scripts/make_months.py`. babel is needed here only, never at run time.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

from babel.dates import get_month_names

TARGET = Path(__file__).parents[1] / "tasks" / "fields" / "data" / "months.json"
LANGUAGES = [
    *(
        "en",
        "de",
        "fr",
        "es",
        "pt",
        "tr",
        "ru",
        "ar",
        "hi",
        "it",
        "nl",
        "pl",
        "sv",
        "da",
        "nb",
        "fi",
        "cs",
        "sk",
    ),
    *(
        "hu",
        "ro",
        "el",
        "uk",
        "bg",
        "hr",
        "sr",
        "sl",
        "et",
        "lv",
        "lt",
        "is",
        "id",
        "ms",
        "vi",
        "ca",
        "eu",
        "gl",
    ),
    *("fa", "ur", "bn", "ta", "te", "mr", "he", "sw", "af", "sq", "bs", "mk", "az", "kk"),
]
REGIONS = {
    "de_AT": "de",
    "pt_PT": "pt",
    "ar_MA": "ar",
    "ar_LB": "ar",
    "sr_Latn": "sr",
}  # other names, same language

SHORT = {"ru": {"фев": 2, "сен": 9, "ноя": 11}, "es": {"set": 9}, "it": {"sett": 9}, "pt": {"sept": 9}}
"""Abbreviations that newspapers print and CLDR does not list."""


def month_names(language: str) -> dict[str, int]:
    """Folded month name or abbreviation → 1 … 12."""
    names: dict[str, int] = {}
    for width in ("wide", "abbreviated"):
        for context in ("format", "stand-alone"):
            for month, name in get_month_names(width, context, locale=language).items():
                folded = (
                    unicodedata.normalize("NFKC", name)
                    .casefold()
                    .replace("\u0307", "")
                    .replace("\u093c", "")
                    .rstrip(".॰")
                )
                if not any(letter.isdigit() for letter in folded):
                    names.setdefault(folded, month)
    return names


def main() -> None:
    table = {language: month_names(language) | SHORT.get(language, {}) for language in LANGUAGES}
    for region, language in REGIONS.items():
        table[language] = month_names(region) | table[language]
    TARGET.write_text(json.dumps(table, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")
    print(f"{TARGET}: {len(table)} languages, {sum(map(len, table.values()))} names")


if __name__ == "__main__":
    main()
