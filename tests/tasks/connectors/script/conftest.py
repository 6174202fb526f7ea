"""Runs scripts, and looks at how they end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from tasks.connectors.base import JobError, Response
from tasks.connectors.script import ScriptConnector
from tests.tasks.connectors.conftest import as_json, make_job

SCRIPT = ScriptConnector()


def respond(language: str, text: str, variables: Mapping[str, Any] | None = None, **headers: str) -> Response:
    # Time enough on a busy machine, unless time is what it is about.
    given = {"script": text, "language": language, "deadlineInSeconds": "25", **headers}
    made = SCRIPT.run(make_job(variables=variables or {}, headers=given))
    assert isinstance(made, Response)
    as_json(made.body)
    as_json(made.journal)
    return made


def failure(language: str, text: str, variables: Mapping[str, Any] | None = None, **headers: str) -> JobError:
    """The error of a script that must fail, within its time, and that must be storable."""
    started = time.monotonic()
    with pytest.raises(JobError) as caught:
        respond(language, text, variables, **headers)
    assert time.monotonic() - started < 60
    as_json(caught.value.details)
    as_json(caught.value.journal)
    assert not caught.value.retryable
    return caught.value
