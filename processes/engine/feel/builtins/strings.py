"""Built-ins over strings (DMN 1.5, 10.3.4.3). Positions count characters from 1, from the end if negative."""

from __future__ import annotations

from typing import Any

from processes.engine.feel.budget import CHARACTERS_PER_STEP, Run
from processes.engine.feel.builtins.numbers import integer
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.errors import Mistake
from processes.engine.feel.regex import pattern_of
from processes.engine.feel.values import describe


@builtin("substring(string: string, start position: number, length?: number?)")
def substring(run: Run, string: str, start: Any, length: Any = None) -> str:
    first = integer(start)
    if first == 0:
        raise Mistake("Expected a start position of substring() from 1 or below 0 but found 0")
    first = first - 1 if first > 0 else max(len(string) + first, 0)
    if length is None:
        return string[first:]
    size = integer(length)
    if size < 1:
        raise Mistake(f"Expected a length of substring() from 1 but found {size}")
    return string[first : first + size]


@builtin("string length(string: string)")
def string_length(run: Run, string: str) -> int:
    return len(string)


@builtin("upper case(string: string)")
def upper_case(run: Run, string: str) -> str:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    return string.upper()


@builtin("lower case(string: string)")
def lower_case(run: Run, string: str) -> str:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    return string.lower()


@builtin("trim(string: string)")
def trim(run: Run, string: str) -> str:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    return string.strip()


@builtin("is blank(string: string)")
def is_blank(run: Run, string: str) -> bool:
    return not string.strip()


@builtin("substring before(string: string, match: string)")
def substring_before(run: Run, string: str, match: str) -> str:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    head, found, _ = string.partition(match) if match else ("", "", "")
    return head if found else ""


@builtin("substring after(string: string, match: string)")
def substring_after(run: Run, string: str, match: str) -> str:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    return string.partition(match)[2] if match else string


@builtin("contains(string: string, match: string)")
def contains(run: Run, string: str, match: str) -> bool:
    run.charge(len(string) // CHARACTERS_PER_STEP)
    return match in string


@builtin("starts with(string: string, match: string)")
def starts_with(run: Run, string: str, match: str) -> bool:
    return string.startswith(match)


@builtin("ends with(string: string, match: string)")
def ends_with(run: Run, string: str, match: str) -> bool:
    return string.endswith(match)


@builtin("matches(input: string, pattern: string, flags?: string?)")
def matches(run: Run, string: str, pattern: str, flags: str | None = None) -> bool:
    """Whether the pattern occurs anywhere (XQuery and XPath Functions 3.1, 5.6.3)."""
    return pattern_of(run, pattern, flags or "").occurs(run, string)


@builtin("replace(input: string, pattern: string, replacement: string, flags?: string?)")
def replace(run: Run, string: str, pattern: str, replacement: str, flags: str | None = None) -> str:
    return pattern_of(run, pattern, flags or "").replace(run, string, replacement)


@builtin("split(string: string, delimiter: string)")
def split(run: Run, string: str, delimiter: str) -> list[str]:
    return pattern_of(run, delimiter, "").split(run, string)


@builtin("extract(input: string, pattern: string, flags?: string?)")
def extract(run: Run, string: str, pattern: str, flags: str | None = None) -> list[str]:
    return pattern_of(run, pattern, flags or "").all(run, string)


@builtin("string join(list: list, delimiter?: string?)")
def string_join(run: Run, strings: list[Any], delimiter: str | None = None) -> str:
    parts = [part for part in strings if part is not None]
    for part in parts:
        if type(part) is not str:
            raise Mistake(f"Expected strings in the list of string join() but found {describe(part)}")
    separator = delimiter or ""
    run.made(sum(map(len, parts)) + len(separator) * len(parts), "string")
    return separator.join(parts)
