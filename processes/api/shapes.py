"""What bodies are made of: the fields that occur everywhere, and the two kinds of serializer.

`Input` is what a caller sends; a name that it does not know is an error, since a mistyped optional field that is
silently dropped starts a process without its business key. `Shown` is a row as it is shown; it cannot be saved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, NoReturn

from django.core.validators import RegexValidator
from django.db.models import Model
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

BIGGEST_ID = 2**63 - 1
BIGGEST_COUNT = 2**31 - 1


def choices_of(model: type[Model], field: str) -> list[tuple[str, str]]:
    """The values that a column may have, with their names."""
    column: Any = model._meta.get_field(field)
    return list(column.choices)


class Input(serializers.Serializer[Any]):
    """The body of a request."""

    shared: ClassVar[bool] = False
    """Whether one instance validates for everybody, as it looks at nothing but the body. For what is asked very often:
    else all fields are copied for each request."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(str(name) for name in set(data) - set(self.fields))
            if unknown:
                known = ", ".join(self.fields)
                raise serializers.ValidationError(
                    {name: [f"Expected one of {known} but found this."] for name in unknown}, code="unknown-field"
                )
        return super().to_internal_value(data)

    def save(self, **kwargs: Any) -> NoReturn:
        raise TypeError("A door never saves: call a verb of processes.runtime")


class Shown(serializers.ModelSerializer[Any]):
    """A row, read only."""

    def save(self, **kwargs: Any) -> NoReturn:
        raise TypeError("A door never saves: call a verb of processes.runtime")

    def create(self, validated_data: Any) -> NoReturn:
        self.save()

    def update(self, instance: Any, validated_data: Any) -> NoReturn:
        self.save()


class Text(serializers.CharField):
    """Text as it was sent, blanks and all: at most 255 characters unless said."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"trim_whitespace": False, "max_length": 255, **kwargs})


class Name(Text):
    """Text that names something: not empty, and without control characters."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(
            RegexValidator(r"\A[^\x00-\x1f\x7f]+\Z", "Expected a name without control characters.", code="invalid")
        )


class Reason(Input):
    """Why somebody asks for something to be done; kept with who and when."""

    reason = Text(required=False, allow_blank=True, max_length=1000, help_text="Why, for the history.")


class Id(serializers.IntegerField):
    """The primary key of a row."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, "max_value": BIGGEST_ID, **kwargs})


class Count(serializers.IntegerField):
    """A number of something, or of a part."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 0, "max_value": BIGGEST_COUNT, **kwargs})


class Seconds(serializers.FloatField):
    """A span of time: a number of seconds outside, a `timedelta` inside."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        seconds = super().run_validation(data)
        return timedelta(seconds=seconds) if isinstance(seconds, float) else seconds


@extend_schema_field({"type": "object", "additionalProperties": {}})
class Variables(serializers.Field[Any, Any, Any, Any]):
    """A JSON object. Numbers keep every digit."""

    default_error_messages = {"invalid": "Expected a JSON object but found {found}."}

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "Process variables: a JSON object of any values. Numbers keep every digit.")
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, Mapping):
            self.fail("invalid", found=_kind(data))
        return dict(data)

    def to_representation(self, value: Any) -> Any:
        return value


@extend_schema_field(OpenApiTypes.ANY)
class Anything(serializers.Field[Any, Any, Any, Any]):
    """Any JSON value, to be shown."""

    def to_representation(self, value: Any) -> Any:
        return value


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "a string"
    if isinstance(value, list):
        return "an array"
    return "a truth value" if isinstance(value, bool) else "a number"
