"""The proleptic Gregorian calendar for any year: whole numbers in, whole numbers out.

Python's `datetime` ends at the years 1 and 9999; FEEL's years go from -999,999,999 to 999,999,999 (DMN 1.5,
10.3.2.3.4).
"""

from __future__ import annotations

DAY_NANOS = 86_400_000_000_000
SECOND_NANOS = 1_000_000_000
MAX_YEAR = 999_999_999

_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def days_in_month(year: int, month: int) -> int:
    return 29 if month == 2 and is_leap(year) else _MONTH_DAYS[month - 1]


def to_ordinal(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 (Howard Hinnant, *chrono-compatible low-level date algorithms*)."""
    shifted = year - (month <= 2)
    era, of_era = divmod(shifted, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    day_of_era = of_era * 365 + of_era // 4 - of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


def from_ordinal(days: int) -> tuple[int, int, int]:
    """Year, month and day of a number of days since 1970-01-01."""
    era, day_of_era = divmod(days + 719_468, 146_097)
    of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * of_era + of_era // 4 - of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + (3 if shifted_month < 10 else -9)
    return of_era + era * 400 + (month <= 2), month, day


def add_months(year: int, month: int, day: int, months: int) -> tuple[int, int, int]:
    """The same day some months later, or the last day of that month where it is shorter."""
    year, month0 = divmod(year * 12 + month - 1 + months, 12)
    return year, month0 + 1, min(day, days_in_month(year, month0 + 1))


def weekday(days: int) -> int:
    """1 for Monday to 7 for Sunday (ISO 8601)."""
    return (days + 3) % 7 + 1


def iso_week(year: int, month: int, day: int) -> int:
    """Number of the ISO 8601 week."""
    days = to_ordinal(year, month, day)
    thursday = days - weekday(days) + 4
    return (thursday - to_ordinal(from_ordinal(thursday)[0], 1, 1)) // 7 + 1
