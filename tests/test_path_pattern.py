"""Sources and dates in paths, by a pattern of the user's."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.errors import ConfigError
from tasks.inputs.path_pattern import PathFacts, read_path

DAY = datetime(2025, 5, 17, tzinfo=UTC)
NINE = datetime(2025, 5, 7, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "pattern", "facts"),
    [
        ("/in/daily/2025-05-17/a.txt", "{source}/{date}/*.txt", PathFacts("daily", DAY)),
        ("/in/daily/20250517/a.txt", "{source}/{date}/*.txt", PathFacts("daily", DAY)),
        ("/in/daily/2025_05_17/a.txt", "/{source}/{date}/*.txt", PathFacts("daily", DAY)),
        ("/in/daily/2025-05-17/a.txt.gz", "{source}/{date}/*.txt", PathFacts("daily", DAY)),
        ("/in/daily/2025-05-17/a.txt.gz", "{source}/{date}/*.gz", PathFacts("daily", DAY)),
        ("/in/2025/5/7/09/daily-x.html", "{year}/{month}/{day}/{hour}/{source}-*", PathFacts("daily", NINE)),
        ("/in/daily/x/y/2025-05-17.jsonl", "in/{source}/**/{date}.jsonl", PathFacts("daily", DAY)),
        ("/in/daily/2025-05-17.jsonl", "in/{source}/**/{date}.jsonl", PathFacts("daily", DAY)),
        ("/in/daily_2025-05-07_09.html", "{source}_{date}_{hour}.html", PathFacts("daily", NINE)),
        ("/in/a.b/c+d.txt", "{source}/c+d.txt", PathFacts("a.b")),
        ("/in/daily/2025-05-17/a.txt", "{date}/?.txt", PathFacts(None, DAY)),
        ("/in/daily/2025-05/17/a.txt", "{source}/{date}/*.txt", PathFacts()),
        ("/in/daily/2025-02-30/a.txt", "{source}/{date}/*.txt", PathFacts("daily")),
        ("/in/daily/2025-05-17/deeper/a.txt", "{source}/{date}/*.txt", PathFacts()),
        ("/in/daily/2025-05-17/a.html", "{source}/{date}/*.txt", PathFacts()),
        ("/in/2025/05/a.txt", "{year}/{month}/*.txt", PathFacts()),
    ],
)
def test_a_path_tells_source_and_time(path: str, pattern: str, facts: PathFacts) -> None:
    assert read_path(path, pattern) == facts


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{outlet}/*.txt", "{source}, {date}"),
        ("{}/*.txt", "malformed"),
        ("{source/*.txt", "malformed"),
        ("source}/*.txt", "malformed"),
        ("{date}/{date}", "twice"),
        ("*/*.txt", "names no field"),
        ("", "names no field"),
    ],
)
def test_a_malformed_pattern_is_one_sentence(pattern: str, said: str) -> None:
    with pytest.raises(ConfigError, match="path pattern") as error:
        read_path("/in/a.txt", pattern)
    assert said in str(error.value)
