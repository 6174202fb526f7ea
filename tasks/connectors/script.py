"""The script connector: a few lines of the model over the variables of the job.

| `language` | Runs in | Needs |
|---|---|---|
| `feel` (default) | the engine: no files, no network, no loops without an end | |
| `python` | the sandbox of `script_python` | the extra pydantic-monty |
| `javascript` | a walled-in process of its own, `script_javascript` | Node 20, Linux |

Python and JavaScript see every variable of the job under its name, where that is a name in the language, and all of
them in `variables`. The result is the value of the last expression; where that has none, the variable `result`. What
is printed (`print`, `console.log`) goes to the journal of the attempt.

Errors, none of which is tried again:

| Code | When | Details |
|---|---|---|
| `SCRIPT_ERROR` | it does not compile, or raised | `line` (or null), `type`, `message` |
| `SCRIPT_LIMIT` | it took more time, memory, depth, sleep or output than it may | `limit`, `line`, `message` |
| `SCRIPT_UNAVAILABLE` | this worker lacks what the language needs | |
| `INVALID_INPUT` | no script, unknown language, limits out of range | |
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasks.connectors import script_javascript, script_python
from tasks.connectors.base import Job, JobError
from tasks.connectors.declared import Given, Input, read
from tasks.connectors.inputs import invalid
from tasks.connectors.script_limits import Limits, Script, error

LANGUAGES = ("feel", "python", "javascript")
MOST_SECONDS = 60
MEGABYTES = (16, 512)
INPUTS = (
    Input("script", required=True, header=True, help="What is run. All other inputs are its variables."),
    Input("language", choices=LANGUAGES, default="feel", header=True, help="Of the script."),
    Input("deadlineInSeconds", "number", default=Limits().seconds, header=True, help="At most 60; Python, JavaScript."),
    Input("maxMemoryMegabytes", "integer", default=Limits().megabytes, header=True, help="16 to 512; likewise."),
)
"""All from one place: task headers, or inputs where no header `script` is."""
_LINE = re.compile(r"\bline (\d+)")


class ScriptConnector:
    """Job type ``script``: ``{"result": value}``.

    `script`, `language`, `deadlineInSeconds` (5, at most 60) and `maxMemoryMegabytes` (64, 16 to 512) are task headers
    of the model or, where it has no header `script`, inputs. They come from the same place: a process variable named
    `language` is no statement about the script of a header. A leading ``=`` before FEEL, as Camunda's modelers write
    it, is no part of the expression.
    """

    type = "script"
    inputs = INPUTS

    def run(self, job: Job) -> Mapping[str, Any]:
        """Raises `JobError` as the table of the module says."""
        inner = not job.headers.get("script")
        given = read(job.variables if inner else job.headers, INPUTS, closed=False)
        text, language = given["script"], given["language"]
        if language == "feel":
            return _feel(job, text)
        controls = {declared.name for declared in INPUTS} if inner else set()
        variables = {name: value for name, value in job.variables.items() if name not in controls}
        lease = (job.deadline - datetime.now(UTC)).total_seconds()
        if lease <= 0:
            raise JobError("The lease of the job ended before its script began", code="SCRIPT_LATE")
        script = Script(text, language, variables, _limits(given, lease))
        return script_python.run(script) if language == "python" else script_javascript.run(script)


def _feel(job: Job, text: str) -> Mapping[str, Any]:
    try:
        return {"result": job.evaluate(text.strip().removeprefix("="), job.variables)}
    except ValueError as problem:
        found = _LINE.search(str(problem))
        raise error(str(problem), "", int(found[1]) if found else None) from problem


def _limits(given: Given, lease: float) -> Limits:
    seconds, megabytes = float(given["deadlineInSeconds"]), given["maxMemoryMegabytes"]
    if not 0 < seconds <= MOST_SECONDS:
        raise invalid(
            f"Expected `deadlineInSeconds` to be more than 0 and at most {MOST_SECONDS}, but found {seconds:g}"
        )
    least, most = MEGABYTES
    if not least <= megabytes <= most:
        raise invalid(f"Expected `maxMemoryMegabytes` to be from {least} to {most}, but found {megabytes}")
    return Limits(seconds=min(seconds, lease), megabytes=megabytes)
