"""What a value is: its kind, its range, its text (DMN 1.5, 10.3.2).

FEEL's values are Python's: None, bool, int and Decimal, str, list, any Mapping for a context, the temporal
classes, `Range` and `Function`. Variables come as JSON; a float among them is read as a number wherever it
is met.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from processes.engine.feel import iso
from processes.engine.feel.budget import Run
from processes.engine.feel.decimals import DIGITS, as_number, text_of
from processes.engine.feel.errors import BudgetExceeded, FeelError
from processes.engine.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration

MAX_NESTING = 100
MAX_EXPONENT = 1000
MAX_JSON = 500_000
_SHOWN = 40

TEMPORALS = (Date, Time, DateTime, DayTimeDuration, YearMonthDuration)


@dataclass(frozen=True, slots=True)
class Range:
    """An interval; an end that is None is open (DMN 1.5, 10.3.2.7).

    `operator` is set for a range written as a comparison, ``(< 5)``: it is not the same value as
    ``(null..5)``, and ``!=`` has no interval at all.
    """

    start: Any
    end: Any
    start_included: bool
    end_included: bool
    operator: str = ""


class Function:
    """Anything that can be called: a function literal, a built-in, a function of the host."""

    __slots__ = ()

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, as far as they are known."""
        return ()

    def call(self, run: Run, positional: list[Any], named: dict[str, Any]) -> Any:
        """The result. Raises `Mistake` where the arguments do not fit and `BudgetExceeded`."""
        raise NotImplementedError


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    Decimal: "number",
    float: "number",
    str: "string",
    list: "list",
    dict: "context",
    Date: "date",
    Time: "time",
    DateTime: "date and time",
    DayTimeDuration: "days and time duration",
    YearMonthDuration: "years and months duration",
    Range: "range",
}


def kind_of(value: Any) -> str:
    """FEEL's name of the type of a value; ``value`` for what FEEL does not know, as a host's object."""
    kind = _KINDS.get(type(value))
    if kind is not None:
        return kind
    if isinstance(value, Function):
        return "function"
    if isinstance(value, Mapping):
        return "context"
    return "value"


def describe(value: Any) -> str:
    """A value in a message: its kind and the beginning of its text."""
    kind = kind_of(value)
    if kind in ("null", "function", "value"):
        return kind
    if kind in ("list", "context", "range"):
        return f"a {kind}"
    text = to_text(value, quoted=True)
    return f"{kind} {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"


def check_depth(depth: int) -> None:
    """Raises `BudgetExceeded` for a value inside of too many lists and contexts."""
    if depth > MAX_NESTING:
        raise BudgetExceeded(f"Expected at most {MAX_NESTING} lists and contexts inside each other but found more")


def _free() -> None:
    """What a scalar costs."""


def to_text(value: Any, *, quoted: bool = False, depth: int = 0, spend: Callable[[], None] = _free) -> str:
    """The text that ``string()`` gives. Strings inside lists and contexts are quoted.

    `spend` is called once for every value: a list of a few lists that are shared again and again is short
    to make and has no end to write.
    """
    spend()
    check_depth(depth)
    kind = kind_of(value)
    if kind == "null":
        return "null"
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "number":
        number = as_number(value)
        return "null" if number is None else text_of(number)
    if kind == "string":
        return _quoted(value) if quoted else str(value)
    if isinstance(value, TEMPORALS):
        return iso.text_of(value)
    if kind == "list":
        return f"[{', '.join(to_text(item, quoted=True, depth=depth + 1, spend=spend) for item in value)}]"
    if kind == "context":
        return f"{{{', '.join(_entry(key, item, depth + 1, spend) for key, item in value.items())}}}"
    if kind == "range":
        return _range_text(value, depth)
    if kind == "function":
        return f"function({', '.join(value.parameters)})"
    return str(value)


def _entry(key: Any, value: Any, depth: int, spend: Callable[[], None]) -> str:
    return f"{_key(str(key))}: {to_text(value, quoted=True, depth=depth, spend=spend)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return '"' + escaped.replace("\t", "\\t") + '"'


def _key(name: str) -> str:
    return name if name.replace(" ", "").replace("_", "").isalnum() else _quoted(name)


def _range_text(value: Range, depth: int) -> str:
    def end(item: Any) -> str:
        text = to_text(item, quoted=True, depth=depth + 1)
        return f'@"{text}"' if isinstance(item, TEMPORALS) else text

    if value.operator:
        return f"({value.operator} {end(value.start if value.end is None else value.end)})"
    opening, closing = "[" if value.start_included else "(", "]" if value.end_included else ")"
    return f"{opening}{end(value.start)}..{end(value.end)}{closing}"


def to_json(value: Any) -> Any:
    """A value for JSON: None, bool, int, Decimal, str, list, dict.

    Whole numbers become `int`, other numbers `Decimal`; temporal values become ISO 8601 strings, ranges and
    functions their FEEL text; a number that is not finite becomes None. Raises `FeelError` for what is no
    FEEL value, `BudgetExceeded` for more than `MAX_JSON` values or more than `MAX_NESTING` inside each
    other.
    """
    return _Json().convert(value, 0)


class _Json:
    """Counts what it converts, for the same reason as `to_text`."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_JSON

    def convert(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str or kind is int or kind is bool or value is None:
            return value
        if kind is list or isinstance(value, Mapping):
            check_depth(depth)
            self.left -= 1 + len(value)
            if self.left < 0:
                raise BudgetExceeded(f"Expected at most {MAX_JSON} values for JSON but found more")
            if kind is list:
                return [self.convert(item, depth + 1) for item in value]
            return {str(key): self.convert(item, depth + 1) for key, item in value.items()}
        if isinstance(value, TEMPORALS):
            return iso.iso_text(value)
        name = kind_of(value)
        if name == "number":
            return _json_number(value)
        if name == "value":
            raise FeelError(f"Expected a FEEL value but found {type(value).__name__}")
        return to_text(value)


def _json_number(value: Any) -> int | Decimal | None:
    number = as_number(value)
    if type(number) is not Decimal:
        return number
    if number and abs(number.adjusted()) > MAX_EXPONENT:
        # A database may spell its zeros out, and then nobody reads it again.
        raise BudgetExceeded(
            f"Expected a number with an exponent of at most {MAX_EXPONENT} for JSON but found {number}"
        )
    # Beyond 34 digits an int would only spell out zeros: 1E+6000 is one digit and an exponent.
    if number.adjusted() <= DIGITS and number == number.to_integral_value():
        return int(number)
    return number
