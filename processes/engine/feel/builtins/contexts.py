"""Built-ins over contexts (DMN 1.5, 10.3.4.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from processes.engine.feel.budget import Run
from processes.engine.feel.builtins.registry import builtin
from processes.engine.feel.errors import Mistake
from processes.engine.feel.values import describe


@builtin("get value(m: context, key: string)")
def get_value(run: Run, m: Mapping[str, Any], key: str) -> Any:
    if key not in m:
        run.warn(f"context has no entry '{key}'")
    return m.get(key)


@builtin("get entries(m: context)")
def get_entries(run: Run, m: Mapping[str, Any]) -> list[Any]:
    run.made(len(m))
    return [{"key": key, "value": value} for key, value in m.items()]


@builtin("context(entries: list)")
def context(run: Run, entries: list[Any]) -> dict[str, Any]:
    run.made(len(entries))
    made: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or type(entry.get("key")) is not str or "value" not in entry:
            raise Mistake(f"Expected entries with 'key' and 'value' for context() but found {describe(entry)}")
        if entry["key"] in made:
            raise Mistake(f"Expected each key once for context() but found '{entry['key']}' twice")
        made[entry["key"]] = entry["value"]
    return made


@builtin("context put(context: context, key: string, value: any)")
def context_put(run: Run, context: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    run.made(len(context) + 1)
    return {**context, key: value}


@builtin("context put(context: context, keys: list, value: any)")
def context_put_deep(run: Run, context: Mapping[str, Any], keys: list[Any], value: Any) -> dict[str, Any]:
    """The same context with the value at the end of a path of keys."""
    if not keys or any(type(key) is not str for key in keys):
        raise Mistake("Expected at least one string in 'keys' of context put()")
    run.made(len(context) + 1)
    levels: list[Mapping[str, Any]] = [context]
    for key in keys[:-1]:
        inner = levels[-1].get(key)
        if not isinstance(inner, Mapping):
            raise Mistake(f"Expected a context at '{key}' in context put() but found {describe(inner)}")
        run.made(len(inner) + 1)
        levels.append(inner)
    for key, level in zip(reversed(keys), reversed(levels), strict=True):
        value = {**level, key: value}
    return dict(value)


@builtin("context merge(contexts...: list)")
def context_merge(run: Run, contexts: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for context in contexts:
        if not isinstance(context, Mapping):
            raise Mistake(f"Expected contexts for context merge() but found {describe(context)}")
        run.made(len(context))
        merged |= context
    return merged
