"""JSON columns in which a number is what was written: decimals survive to the last digit."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import simplejson
from django.db import models

_encoder = simplejson.JSONEncoder(use_decimal=True, allow_nan=False, separators=(",", ":"))


class DecimalEncoder(json.JSONEncoder):
    """Writes `Decimal` as a JSON number, digit by digit."""

    def encode(self, o: Any) -> str:
        return str(_encoder.encode(o))


class DecimalDecoder(json.JSONDecoder):
    """Reads JSON numbers with a fraction or an exponent as `Decimal`, the others as `int`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(parse_float=Decimal, **kwargs)


class VariablesField(models.JSONField):
    """A JSON object of process variables."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("default", dict)
        kwargs.setdefault("blank", True)
        super().__init__(**{"encoder": DecimalEncoder, "decoder": DecimalDecoder, **kwargs})
