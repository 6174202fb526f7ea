"""What a connector says of its inputs, once: to read them, for `manage.py connectors`, its template and its tests.

    class Greeter:
        type = "greeter"
        inputs = (
            Input("name", required=True, help="Who is greeted."),
            Input("language", choices=("en", "de"), default="en"),
            Input("times", "integer", default=1),
        )

        def run(self, job: Job) -> Mapping[str, Any]:
            given = read(job.variables, self.inputs)
            return {"greeting": [f"Hello {given['name']}"] * given["times"]}

`read` refuses what is missing, what is of another kind and what nobody has declared, by name, before anything happens.
Declaring is voluntary: a connector without `inputs` works, and is shown without them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.connectors.base import Job, JobError
from tasks.connectors.inputs import LONGEST, flag, invalid, number, scalar

Kind = Literal["text", "number", "integer", "seconds", "boolean", "context", "list", "any"]
"""`seconds` are a number from 0 to a day. `text` takes numbers and booleans as well, as what they look like."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input. A blank (null or empty text) is as good as none, and then `default` holds."""

    name: str
    kind: Kind = "text"
    required: bool = False
    default: Any = None
    help: str = ""
    choices: tuple[str, ...] = ()
    """In any case of letters; the value is the one that stands here."""
    fields: tuple[str, ...] = ()
    """Of a context: the names that it may have. Empty: any."""
    secret: bool = False
    """Never quoted in an error text."""
    header: bool = False
    """Also read from the task header of that name."""

    def describe(self) -> dict[str, Any]:
        """As JSON, for machines."""
        found: dict[str, Any] = {"name": self.name, "kind": self.kind, "required": self.required, "help": self.help}
        if self.default is not None:
            found["default"] = self.default
        if self.choices:
            found["choices"] = list(self.choices)
        if self.fields:
            found["fields"] = list(self.fields)
        if self.secret:
            found["secret"] = True
        if self.header:
            found["header"] = True
        return found


class Given(dict[str, Any]):
    """The declared inputs of a job, each of its kind. To ask for one that is not declared is a KeyError, `get`
    included: what a connector reads, it has declared."""

    def get(self, name: str, default: Any = None) -> Any:
        """As ``given[name]``; `default` for one that is blank."""
        value = self[name]
        return default if value is None else value


def read(given: Mapping[str, Any], inputs: Sequence[Input], *, closed: bool = True) -> Given:
    """The value of every declared input, of its kind; None for one that is blank and has no default.

    Raises `JobError`, code ``INVALID_INPUT``, for the first that is wrong, and for one that is not declared, unless it
    is not `closed`.
    """
    known = {declared.name: declared for declared in inputs}
    for name, value in given.items() if closed else ():
        if name not in known and value not in (None, ""):
            raise invalid(f"Expected the inputs {', '.join(known)}, but found the unknown input `{name:.60}`")
    return Given((name, _value(given.get(name), declared)) for name, declared in known.items())


def read_job(job: Job, inputs: Sequence[Input], aliases: Sequence[str] = ()) -> Given:
    """The inputs of a job that may also be given every variable that there is.

    One that maps its inputs has said what it means: a name that nobody knows is refused then, as in `read`. One that
    maps none shows whatever passes by, and one of a foreign type (`aliases`) follows a template of somebody else's.
    """
    return read(job.variables, inputs, closed=job.inputs_only and job.type not in aliases)


def _value(value: Any, declared: Input) -> Any:
    # A switch that is off asks for no context.
    off = declared.kind == "context" and value in (False, "false")
    if value is None or off or (isinstance(value, str) and not value.strip() and declared.kind != "any"):
        if declared.required:
            raise invalid(f"Expected the input `{declared.name}`, but found none")
        return declared.default
    try:
        found = _of_kind(value, declared.name, declared.kind)
    except JobError:
        if not declared.secret:
            raise
        raise invalid(f"Expected `{declared.name}` to be {declared.kind}, but found {type(value).__name__}") from None
    if declared.fields:
        _check_fields(found, declared)
    return _chosen(found, declared) if declared.choices else found


def _chosen(found: Any, declared: Input) -> str:
    for choice in declared.choices:
        if choice.casefold() == str(found).strip().casefold():
            return choice
    shown = "something else" if declared.secret else f"{found!r:.60}"
    raise invalid(f"Expected `{declared.name}` to be one of {', '.join(declared.choices)}, but found {shown}")


def _check_fields(found: Mapping[str, Any], declared: Input) -> None:
    for name, value in found.items():
        if name not in declared.fields and value not in (None, "", {}, []):
            listed = ", ".join(declared.fields)
            raise invalid(f"Expected `{declared.name}` to have {listed}, but found `{declared.name}.{name:.60}`")


def _of_kind(value: Any, name: str, kind: Kind) -> Any:
    match kind:
        case "text":
            return scalar(value, name)
        case "number":
            return number(value, name)
        case "integer":
            found = number(value, name)
            if found != found.to_integral_value() or abs(found) >= 2**63:
                raise invalid(f"Expected `{name}` to be a whole number, but found {value!r:.60}")
            return int(found)
        case "seconds":
            found = number(value, name)
            if not 0 <= found <= LONGEST:
                raise invalid(f"Expected `{name}` to be between 0 and {LONGEST:.0f} seconds, but found {value!r:.60}")
            return float(found)
        case "boolean":
            return flag({name: value}, name)
        case "context":
            if not isinstance(value, Mapping):
                raise invalid(f"Expected `{name}` to be a context, but found {type(value).__name__}")
            return value
        case "list":
            if isinstance(value, str | bytes | Mapping) or not isinstance(value, Sequence):
                raise invalid(f"Expected `{name}` to be a list, but found {type(value).__name__}")
            return list(value)
    return value
