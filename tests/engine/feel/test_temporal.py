"""Dates, times and durations (DMN 1.5, 10.3.2.3.4 to 10.3.2.3.8 and 10.3.4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processes.engine import feel
from processes.engine.feel import calendar, iso
from tests.engine.feel.evaluation import NOW, PROPERTY, result, shown, value

ORDINALS = st.integers(min_value=-3 * 10**11, max_value=3 * 10**11)
NANOS = st.integers(min_value=-(10**20), max_value=10**20)
PARIS = ZoneInfo("Europe/Paris")


@PROPERTY
@given(ORDINALS)
def test_the_calendar_goes_there_and_back(ordinal: int) -> None:
    assert calendar.to_ordinal(*calendar.from_ordinal(ordinal)) == ordinal


@PROPERTY
@given(st.dates())
def test_the_calendar_is_that_of_python(day: date) -> None:
    ordinal = day.toordinal() - date(1970, 1, 1).toordinal()
    assert calendar.from_ordinal(ordinal) == (day.year, day.month, day.day)
    assert calendar.weekday(ordinal) == day.isoweekday()
    assert calendar.iso_week(day.year, day.month, day.day) == day.isocalendar().week


@PROPERTY
@given(NANOS)
def test_a_days_and_time_duration_survives_its_text(nanos: int) -> None:
    duration = feel.DayTimeDuration(nanos)
    assert iso.parse_duration(iso.text_of(duration)) == duration


@PROPERTY
@given(st.integers(min_value=-(10**9), max_value=10**9))
def test_a_years_and_months_duration_survives_its_text(months: int) -> None:
    duration = feel.YearMonthDuration(months)
    assert iso.parse_duration(iso.text_of(duration)) == duration


@PROPERTY
@given(st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30)))  # noqa: DTZ001 - local on purpose
def test_a_date_and_time_survives_its_text(moment: datetime) -> None:
    text = moment.isoformat()
    assert iso.parse(shown(f'@"{text}"')) == iso.parse(text)


@PROPERTY
@given(
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2035, 1, 1)),  # noqa: DTZ001 - the zone is added
    st.timedeltas(min_value=timedelta(days=-400), max_value=timedelta(days=400)),
)
def test_arithmetic_in_a_zone_is_that_of_moments(wall: datetime, step: timedelta) -> None:
    start = wall.replace(tzinfo=PARIS, fold=0)  # ISO texts cannot say which of two equal hours is meant
    expected = (start.astimezone(UTC) + step).astimezone(PARIS).replace(tzinfo=None)
    seconds = step // timedelta(microseconds=1)
    found = value(
        "start + step * 0.000001",
        {
            "start": iso.parse(wall.isoformat() + "@Europe/Paris"),
            "step": iso.parse(f"PT{seconds}S".replace("PT-", "-PT")),
        },
    )
    assert iso.text_of(found).removesuffix("@Europe/Paris") == iso.text_of(iso.parse_date_time(expected.isoformat()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('date("2024-02-29") + duration("P1Y")', "2025-02-28"),
        ('date("2024-01-31") + @"P1M"', "2024-02-29"),
        ('@"2024-03-01" - @"P1D"', "2024-02-29"),
        ('@"2024-03-01" - @"2024-02-01"', "P29D"),
        ('@"2024-03-30T12:00:00@Europe/Paris" + @"P1D"', "2024-03-31T13:00:00@Europe/Paris"),
        ('@"2024-03-31T12:00:00@Europe/Paris" - @"2024-03-30T12:00:00@Europe/Paris"', "PT23H"),
        ('@"23:30:00" + @"PT1H"', "00:30:00"),
        ('@"P1D" * 1.5', "P1DT12H"),
        ('@"P1Y" / 4', "P3M"),
        ('@"P1D" / @"PT6H"', "4"),
        ('-@"P1Y2M"', "-P1Y2M"),
        ('abs(@"-PT5S")', "PT5S"),
        ('sum([@"PT1H", @"PT30M"])', "PT1H30M"),
        ("date(2024, 2, 29)", "2024-02-29"),
        ('date("2024-02-29T10:00:00Z")', "2024-02-29"),
        ('time(10, 30, 1.5, duration("PT2H"))', "10:30:01.5+02:00"),
        ('date and time(@"2024-01-01", @"10:00:00Z")', "2024-01-01T10:00:00Z"),
        ('date and time(@"2024-07-01T10:00:00Z", "Europe/Paris")', "2024-07-01T12:00:00@Europe/Paris"),
        ('years and months duration(@"2011-12-22", @"2013-08-24")', "P1Y8M"),
        ('@"2024-05-01".weekday', "3"),
        ('@"2024-05-01T10:20:30+02:00".time offset', "PT2H"),
        ('@"2024-07-01T10:20:30@Europe/Paris".time offset', "PT2H"),
        ('@"10:20:30@Europe/Paris".timezone', "Europe/Paris"),
        ('@"-P1DT2H".hours', "-2"),
        ('@"P14M".years', "1"),
        ('day of year(@"2024-12-31")', "366"),
        ('day of week(@"2024-05-01")', "Wednesday"),
        ('month of year(@"2024-05-01")', "May"),
        ('week of year(@"2024-12-30")', "1"),
        ('last day of month(@"2024-02-01")', "2024-02-29"),
        ('@"-2021-01-01" - @"P1D"', "-2022-12-31"),
        ('@"999999999-12-31"', "999999999-12-31"),
        ('@"2021-01-01T24:00:00"', "2021-01-02T00:00:00"),
        ('@"PT0S"', "PT0S"),
        ("now()", "2024-05-01T12:30:00Z"),
        ("today()", "2024-05-01"),
    ],
)
def test_functions_and_operators(text: str, expected: str) -> None:
    assert shown(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        'date("2023-02-29")',
        "date(2024, 13, 1)",
        'time("24:00:01")',
        'time("10:30:00@No/Where")',
        'time("10:30:00@../../etc/passwd")',
        'date and time("2024-01-01T10:00:00+19:00")',
        'date and time("999999999-12-31T24:00:00")',
        'duration("P1Y2D")',
        'duration("P")',
        '@"2024-01-01" + 1',
        '@"2024-01-01T10:00:00" - @"2024-01-01T10:00:00Z"',
        '@"999999999-12-31" + @"P1D"',
        '@"P1Y" + @"P1D"',
        '@"P1D" / 0',
        '@"2024-01-01T10:00:00" < @"2024-01-01T10:00:00Z"',
    ],
)
def test_what_does_not_exist_or_fit_is_null(text: str) -> None:
    found = result(text)
    assert found.value is None
    assert found.warnings


def test_the_moment_is_an_argument() -> None:
    later = NOW + timedelta(days=1)
    assert feel.to_json(feel.compile("today()").evaluate({}, now=later).value) == "2024-05-02"
    local = datetime(2024, 5, 1, 23, 0, tzinfo=PARIS)
    assert feel.to_json(feel.compile("[now(), today()]").evaluate({}, now=local).value) == [
        "2024-05-01T23:00:00+02:00",
        "2024-05-01",
    ]


def test_json_knows_no_zones() -> None:
    assert feel.to_json(value('@"2024-07-01T10:00:00@Europe/Paris"')) == "2024-07-01T10:00:00+02:00"
