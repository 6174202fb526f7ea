"""Python of a model, in the sandbox `pydantic-monty`: an interpreter of its own in processes of its own, which knows
no files, network, environment or foreign modules, and bounds time, memory, depth, sleep and output.

An extra: ``pip install 'pydantic-monty==1.4.0'``. It runs a large subset of Python (no class inheritance, no
generators; json, re, datetime, decimal, math, itertools and others can be imported). Inputs and results are exact: a
fraction is a `Decimal` on the way in, and a `Decimal` on the way out; a float that the script computes is taken by its
shortest spelling. Dates and times become ISO 8601 text, tuples lists.
"""

from __future__ import annotations

import keyword
import math
import os
import re
import threading
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tasks.connectors import exact_json
from tasks.connectors.base import JobError, Response
from tasks.connectors.script_limits import Script, error, limit, unavailable

if TYPE_CHECKING:
    import pydantic_monty

PROCESSES = max(2, os.cpu_count() or 1)
"""Most sandbox processes of one worker process."""
_LIMIT = re.compile(r"(feed time|turn time|memory|sleep|host-call|suspension)\w* limit exceeded")
_NAMES = {"feed time": "time", "turn time": "time", "memory": "memory", "sleep": "sleep"}

_pools: dict[int, pydantic_monty.Monty] = {}
"""By process."""
_lock = threading.Lock()
_orphaned = False


def _forked() -> None:
    # The interpreter's own threads do not exist in a child, but what they wait on is shared with the parent: whoever
    # goes on with it brings both processes down. Celery's pools fork before the first job, so this ends no work.
    global _lock, _orphaned
    _lock = threading.Lock()  # a thread that held it while another one forked does not exist here
    _orphaned = _orphaned or bool(_pools)


os.register_at_fork(after_in_child=_forked)


def _pool() -> pydantic_monty.Monty:
    if _orphaned:
        raise unavailable("Python scripts cannot run in a process that was forked from one which had run some")
    try:
        import pydantic_monty
    except ImportError:
        raise unavailable(
            "Python scripts need the extra package pydantic-monty, which is not installed in this worker: "
            "pip install 'pydantic-monty==1.4.0'"
        ) from None
    with _lock:
        pool = _pools.get(os.getpid())
        if pool is None:
            try:
                pool = pydantic_monty.Monty(
                    min_processes=1, max_processes=PROCESSES, checkout_timeout=60.0, max_checkouts_per_worker=1000
                ).__enter__()
            except Exception as problem:
                raise unavailable(f"The sandbox of Python scripts does not start: {problem}") from problem
            _pools[os.getpid()] = pool
        return pool


def run(script: Script) -> Response:
    """Raises `JobError`: ``SCRIPT_ERROR``, ``SCRIPT_LIMIT``, ``SCRIPT_UNAVAILABLE``."""
    pool = _pool()
    import pydantic_monty

    limits = script.limits
    given = {name: value for name, value in script.variables.items() if _is_name(name)}
    given.setdefault("variables", dict(script.variables))
    printed = pydantic_monty.CollectString(limits.printed)
    try:
        with pool.checkout(
            script_name="script.py",
            limits={
                "max_feed_duration_secs": limits.seconds,
                "max_memory": limits.megabytes * 1024 * 1024,
                "max_recursion_depth": limits.recursion,
                "max_total_sleep_secs": min(limits.sleep, limits.seconds),
                "max_suspensions": 1000,
            },
        ) as session:
            value = session.feed_run(script.text, inputs=given, print_callback=printed)
            if value is None:
                value = _named_result(session)
    except pydantic_monty.MontyError as problem:
        raise _told(problem, script, printed.output) from problem
    except TimeoutError as problem:
        raise JobError(f"No sandbox was free: {problem}", code="SCRIPT_BUSY") from problem
    except RecursionError:
        raise limit("A value of the script is nested too deeply", "recursion", script.journal(printed.output)) from None
    journal = script.journal(printed.output)
    try:
        value = _json(value)
        size = len(exact_json.dumps(value).encode())
    except RecursionError:
        raise error(
            "Expected the result of the script to be JSON, but it is nested too deeply", "", None, journal
        ) from None
    except ValueError as problem:
        raise error(f"Expected the result of the script to be JSON, but {problem}", "", None, journal) from None
    if size > limits.result:
        raise limit(f"The result of the script is longer than {limits.result} bytes", "output", journal)
    return Response({"result": value}, journal)


def _is_name(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("__")


def _named_result(session: pydantic_monty.MontySession) -> Any:
    """The variable `result`, where the script has one: statements have no value."""
    import pydantic_monty

    try:
        return session.feed_run("result")
    except pydantic_monty.MontyRuntimeError as problem:
        if isinstance(problem.exception(), NameError):
            return None
        raise


def _told(problem: pydantic_monty.MontyError, script: Script, printed: str) -> JobError:
    import pydantic_monty

    journal = script.journal(printed)
    if isinstance(problem, pydantic_monty.MontyCrashedError):
        return limit("The script was cut off: its sandbox process ended", "memory", journal)
    inner = problem.exception()
    kind, message = type(inner).__name__, str(inner)
    frames = (
        problem.traceback()
        if isinstance(problem, pydantic_monty.MontySyntaxError | pydantic_monty.MontyRuntimeError)
        else []
    )
    line = frames[-1].line if frames else None
    found = _LIMIT.search(message)
    if kind == "MemoryError" and not frames and f"> {script.limits.printed} bytes" in message:
        return limit(f"The script printed more than {script.limits.printed} characters", "output", journal)
    if kind in ("TimeoutError", "MemoryError", "RuntimeError") and found:
        return limit(f"The script was cut off: {message}", _NAMES.get(found[1], "time"), journal, line)
    if kind == "RecursionError":
        return limit("The script called itself too deeply", "recursion", journal, line)
    return error(message, kind, line, journal)


def _json(value: Any) -> Any:
    """A value of the script as JSON. Raises ValueError."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            if not math.isfinite(value):
                raise ValueError(f"found {value}")
            return Decimal(repr(value))
        case Decimal():
            if not value.is_finite():
                raise ValueError(f"found {value}")
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case Mapping():
            if stray := [key for key in value if not isinstance(key, str)]:
                raise ValueError(f"found the key {stray[0]!r:.80}, which is not text")
            return {key: _json(item) for key, item in value.items()}
        case list() | tuple():
            return [_json(item) for item in value]
    raise ValueError(f"found {type(value).__name__} {value!r:.80}")
