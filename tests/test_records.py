"""Records and errors cross process boundaries; the small rules they carry."""

from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import errors, records
from schemas.records import Counts, Extraction, Headline, Page, Selection

RECORDS = [cls for cls in vars(records).values() if dataclasses.is_dataclass(cls) and isinstance(cls, type)]
ERRORS = [
    cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.BroadsheetError)
]

st.register_type_strategy(float, st.floats(allow_nan=False))  # NaN equals nothing, itself included


@pytest.mark.parametrize("record", RECORDS, ids=lambda cls: cls.__name__)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_every_record_pickles_and_comes_back_equal(record: type[Any], data: st.DataObject) -> None:
    one = data.draw(st.builds(record, **dict.fromkeys((f.name for f in dataclasses.fields(record)), ...)))
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize("record", RECORDS, ids=lambda cls: cls.__name__)
def test_every_record_is_frozen_and_compact(record: type[Any]) -> None:
    assert record.__dataclass_params__.frozen
    assert hasattr(record, "__slots__")


@pytest.mark.parametrize("error", ERRORS, ids=lambda cls: cls.__name__)
def test_every_error_pickles_and_comes_back_equal(error: type[errors.BroadsheetError]) -> None:
    raised = error("line 3 is no JSON")
    back = pickle.loads(pickle.dumps(raised))
    assert type(back) is error
    assert str(back) == "line 3 is no JSON"
    assert vars(back) == vars(raised)


def test_every_page_error_has_a_reason_of_its_own() -> None:
    named = {cls for cls in ERRORS if issubclass(cls, errors.PageError | errors.InputError)} - {
        errors.PageError
    }
    assert set(errors.PAGE_REASONS.values()) == named
    assert all(cls.reason == reason for reason, cls in errors.PAGE_REASONS.items())
    assert {cls.stage for cls in named} <= {"read", "clean", "extract", "load"}


def test_page_identity_is_url_bytes_and_stated_fetch_time() -> None:
    page = Page(b"<p>Storks</p>", "html", "https://a.example/1", datetime(2025, 9, 1, tzinfo=UTC))
    same = dataclasses.replace(page, kind="text", source="A", origin_uri="file:///b", origin_record=7)
    assert page.key == same.key
    others = [
        dataclasses.replace(page, content=b"<p>Herons</p>"),
        dataclasses.replace(page, url="https://a.example/2"),
        dataclasses.replace(page, url=None),
        dataclasses.replace(page, fetched_at=None),
        dataclasses.replace(page, fetched_at=datetime(2025, 9, 2, tzinfo=UTC)),
    ]
    assert len({page.key, *(other.key for other in others)}) == 6
    assert {len(other.key) for other in others} == {16}


def test_page_identity_survives_hostile_urls() -> None:
    assert len(Page(b"", "text", "https://a.example/\udcff\x00").key) == 16


def test_the_selection_digest_names_the_selection_in_every_process() -> None:
    assert Selection().digest == ""
    chosen = Selection(fields=(("html", "raw"),), domains=("a.example",), since=date(2025, 9, 1), limit=5)
    assert chosen.digest not in {"", Selection(limit=5).digest}
    code = (
        "from datetime import date; from schemas.records import Selection;"
        f"print(Selection{repr(chosen).removeprefix('Selection').replace('datetime.date', 'date')}.digest)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == chosen.digest


@given(st.lists(st.builds(Counts, *[st.integers(0, 10**9)] * 7)))
def test_counts_add_up_word_by_word(parts: list[Counts]) -> None:
    total = sum(parts, Counts())
    for word, count in total.as_dict().items():
        assert count == sum(part.as_dict()[word] for part in parts)
    if all(part.balanced for part in parts):
        assert total.balanced


def test_counts_notice_a_lost_page() -> None:
    assert Counts(6, 1, 1, 1, 1, 1, 1).balanced
    assert not Counts(7, 1, 1, 1, 1, 1, 1).balanced
    assert list(Counts().as_dict()) == [
        "read", "loaded", "updated", "unchanged", "duplicate", "non_article", "quarantined",
    ]  # fmt: skip


def test_an_extraction_is_ready_for_json() -> None:
    page = Extraction(
        is_article=True, title="Storks", body=["One."], headlines=[Headline("Herons", "Latest")]
    )
    back = json.loads(json.dumps(page.as_dict()))
    assert back["headlines"] == [{"text": "Herons", "label": "Latest", "byline": None, "href": None}]
    assert list(back) == [f.name for f in dataclasses.fields(Extraction)]
