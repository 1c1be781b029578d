"""Throw made-up pages and inputs at extraction and reading until one of them breaks a promise.

    python scripts/fuzz.py --minutes 10 [--seed 7] [--only pages|inputs|cuts] [--pages DIRECTORY]
    python scripts/fuzz.py --repeat fuzz-failure.json

What is thrown and what is promised is in tests/fuzzing.py. The first case that fails is made as small as
Hypothesis can, saved, and ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from pathlib import Path

from hypothesis import given, seed, settings

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from fuzzing import CASES, DIRECTORIES, GENERATED, Case, check, from_json, to_json

ROUND = 200
"""Cases of one kind between two looks at the clock."""
TOLD_SECONDS = 5


class Round:
    """One seeded round of cases of one kind."""

    def __init__(self, kind: str, number: int) -> None:
        self.cases = 0
        self.failed: Case | None = None

        @seed(number)
        @settings(
            max_examples=ROUND,
            **GENERATED,
        )
        @given(CASES[kind])
        def run(case: Case) -> None:
            self.cases += 1
            try:
                check(case)
            except Exception:
                self.failed = case  # the last one is the smallest
                raise

        self.run = run


def fuzz(kinds: list[str], minutes: float, first_seed: int, save: Path) -> bool:
    """True if no case failed within so many minutes."""
    begun = told = time.monotonic()
    cases, number = dict.fromkeys(kinds, 0), first_seed
    while time.monotonic() < begun + 60 * minutes:
        kind = kinds[number % len(kinds)]
        this = Round(kind, number)
        try:
            this.run()
        except Exception:  # noqa: BLE001  whatever a case brings up
            traceback.print_exc()
            if this.failed is not None:
                save.write_text(to_json(this.failed))
                print(f"\nseed {number}: python {sys.argv[0]} --repeat {save}")
            return False
        cases[kind] += this.cases
        number += 1
        if time.monotonic() > told + TOLD_SECONDS:
            told = time.monotonic()
            rate = sum(cases.values()) / (told - begun)
            print(f"{told - begun:6.0f} s  {cases}  {rate:.0f} cases/s  next seed {number}", flush=True)
    return True


def main() -> int:
    arguments = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    arguments.add_argument("--minutes", type=float, default=1.0)
    arguments.add_argument("--seed", type=int, default=0, help="where to begin; every round adds 1")
    arguments.add_argument("--only", choices=list(CASES))
    arguments.add_argument("--pages", type=Path, metavar="DIRECTORY", help="more pages to begin with")
    arguments.add_argument("--save", type=Path, default=Path("fuzz-failure.json"), metavar="FILE")
    arguments.add_argument("--repeat", type=Path, metavar="FILE", help="check one saved case again")
    asked = arguments.parse_args()
    if asked.repeat:
        check(from_json(asked.repeat.read_text()))
        print("all promises hold")
        return 0
    if asked.pages:
        DIRECTORIES.append(asked.pages)
    kinds = [asked.only] if asked.only else list(CASES)
    return 0 if fuzz(kinds, asked.minutes, asked.seed, asked.save) else 1


if __name__ == "__main__":
    sys.exit(main())
