from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tasks.fields.dates import find_date, find_dates, month_number


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        # precision is what is printed
        ("2025-05-17", "2025-05-17"),
        ("Spring term, May 2025", "2025-05"),
        ("2020-06-03T08:15:00+01:00", "2020-06-03T08:15:00+01:00"),
        ("2025-11-03T10:00:00.000Z", "2025-11-03T10:00:00Z"),
        ("14 March 2023, 18:22", "2023-03-14T18:22"),
        # month and day by name
        ("Oct. 6, 2021", "2021-10-06"),
        ("2nd of May 2024", "2024-05-02"),
        ("2024 January 17", "2024-01-17"),
        ("1er mars 2024 à 14h05", "2024-03-01T14:05"),
        ("7 de mayo de 2022 - 11:20", "2022-05-07T11:20"),
        ("18 de novembro de 2023", "2023-11-18"),
        ("19. Juli 2023, 16:48 Uhr", "2023-07-19T16:48"),
        ("5. Jänner 2024", "2024-01-05"),
        ("17 мая 2025 в 12:30", "2025-05-17T12:30"),
        ("17 Ağustos 2023 Perşembe, 10:05", "2023-08-17"),
        ("18 जुलाई 2023, 4:35 PM IST", "2023-07-18T16:35+05:30"),
        ("12 مارس 2024، 09:30", "2024-03-12T09:30"),
        ("١٧ مايو 2025", "2025-05-17"),
        ("2024年5月3日 12時30分", "2024-05-03T12:30"),
        ("2024년 5월 3일", "2024-05-03"),
        # by number
        ("19.07.2023 16:48 Uhr", "2023-07-19T16:48"),
        ("02/28/2024", "2024-02-28"),
        ("28/02/2024", "2024-02-28"),
        ("2024/2/28", "2024-02-28"),
        ("12.03.24", "2024-03-12"),
        # the clock in front, the half of the day, the zone
        ("12:30 17.05.2025", "2025-05-17T12:30"),
        ("10:15 AM, Monday May 5, 2025", "2025-05-05T10:15"),
        ("January 17, 2024 at 9:12 p.m. EST", "2024-01-17T21:12-05:00"),
        ("May 5, 2025 12:05 am", "2025-05-05T00:05"),
        ("12 Mart 2025, 09:40 (TSİ)", "2025-03-12T09:40+03:00"),
        ("Oct. 6, 2021, 11:00 AM ET", "2021-10-06T11:00-04:00"),
        ("Dec. 6, 2021, 11:00 AM ET", "2021-12-06T11:00-05:00"),
        ("Mar 10, 2024 1:59 AM ET", "2024-03-10T01:59-05:00"),
        ("Mar 10, 2024 3:00 AM ET", "2024-03-10T03:00-04:00"),
        ("August 30, 2023 2:17 PM UTC", "2023-08-30T14:17Z"),
        ("3 March 2025 - 11:22 GMT+3", "2025-03-03T11:22+03:00"),
        ("3 March 2025 11:22 XYZ", "2025-03-03T11:22"),
    ],
)
def test_found(text: str, iso: str) -> None:
    found = find_date(text)
    assert found is not None
    assert found.iso == iso


@pytest.mark.parametrize(
    "text",
    [
        "",
        "chapter 12 of 2020",
        "5 minutes in 2020",
        "31.02.2024",
        "1.2.3",
        "call 555-12-2024-99",
        "12 May 1888",
        "version 2024",
    ],
)
def test_not_a_date(text: str) -> None:
    assert find_date(text) is None


def test_raw_and_precision() -> None:
    found = find_date("Published: Nov 22, 2023 07:45 IST | Updated: Nov 23, 2023")
    assert found is not None
    assert (found.raw, found.precision) == ("Nov 22, 2023 07:45 IST", "minute")
    assert [each.iso for each in find_dates("Nov 22, 2023 | Nov 23, 2023")] == ["2023-11-22", "2023-11-23"]


def test_order_of_day_and_month_by_language_and_by_what_is_past() -> None:
    assert str(find_date("03/04/2024", language="en")).startswith("ParsedDate(iso='2024-03-04'")
    assert str(find_date("03/04/2024", language="fr")).startswith("ParsedDate(iso='2024-04-03'")
    fetched = datetime(2024, 4, 10, tzinfo=UTC)
    found = find_date("08/04/2024", language="en", fetched_at=fetched)
    assert found is not None
    assert found.iso == "2024-04-08"


def test_month_names_that_mean_two_months() -> None:
    assert (month_number("listopada", "pl"), month_number("listopada", "hr")) == (11, 10)
    assert month_number("listopadový") is None


def test_future_years_are_no_dates() -> None:
    fetched = datetime(2020, 1, 1, tzinfo=UTC)
    assert find_date("12 May 2024", fetched_at=fetched) is None
