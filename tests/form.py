"""Element templates, applied as Camunda Modeler applies them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Filled:
    """What a filled form makes of a task."""

    type: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def fill(template: Mapping[str, Any], values: Mapping[str, Any] | None = None) -> Filled:
    """The form with some values by the ids of their properties, its defaults for the rest.

    A property whose condition does not hold is not there; one that is required and has no value gets some text.
    """
    given, filled = dict(values or {}), Filled()
    properties = {each["id"]: each for each in template["properties"] if "id" in each}
    assert given.keys() <= properties.keys(), f"no such fields: {given.keys() - properties.keys()}"

    def value_of(each: Mapping[str, Any]) -> Any:
        return given.get(each.get("id", ""), each.get("value", ""))

    def there(each: Mapping[str, Any]) -> bool:
        condition = each.get("condition")
        for one in condition.get("allMatch", [condition]) if condition else ():
            decides = properties[one["property"]]
            if not there(decides) or value_of(decides) not in (one.get("oneOf") or [one["equals"]]):
                return False
        return True

    for each in template["properties"]:
        if not there(each):
            assert each.get("id") not in given, f"{each['id']} is not shown"
            continue
        value = value_of(each)
        if value == "" and each.get("constraints", {}).get("notEmpty"):
            value = "something"
        if each["type"] in ("Boolean", "Number") and value != "":
            value = f"={json.dumps(value)}"
        is_input = each["binding"]["type"] == "zeebe:input"
        if value == "" and is_input and each.get("feel") == "required" and not each.get("optional"):
            value = "=null"
        match each["binding"]:
            case {"type": "zeebe:taskDefinition", "property": "type"}:
                filled.type = value
            case {"type": "zeebe:input", "name": name} if value != "":
                assert name not in filled.inputs, f"{name} twice"
                filled.inputs[name] = value
            case {"type": "zeebe:taskHeader", "key": key} if value != "":
                filled.headers[key] = value
    return filled
