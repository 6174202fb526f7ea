"""What follows from the end of a call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine.commands import CompleteJob, FailJob, ThrowError
from processes.engine.outcome import Outcome, Raised, Responded, Thrown, Try, decide
from tests.engine.play import NOON

OK = Responded({"status": 200, "body": {"id": 7, "state": "rejected"}})
NOT_FOUND = Raised("404 Not Found", "404", {"response": {"status": 404, "body": {"hint": "x"}}}, retryable=False)
BUSY = Raised("503", "503", retry_in=timedelta(seconds=7))


def ruled(outcome: Outcome, expression: str = "", retries: int = 3) -> object:
    headers = {"errorExpression": expression} if expression else {}
    return decide(outcome, Try(4, 1, retries, headers, {"mine": "var"}), NOON)


def test_without_an_expression_the_outcome_speaks() -> None:
    assert ruled(OK) == CompleteJob(4, 1, OK.response)
    assert ruled(NOT_FOUND) == FailJob(4, 1, "404 Not Found", retries=0)
    assert ruled(BUSY) == FailJob(4, 1, "503", retry_in=timedelta(seconds=7))
    assert ruled(Thrown("LIMIT", "too much", {"by": 3})) == ThrowError(4, 1, "LIMIT", "too much", {"by": 3})


@pytest.mark.parametrize(
    ("outcome", "expression", "command"),
    [
        (
            NOT_FOUND,
            '=if error.code = "404" then bpmnError("UNKNOWN", error.message, {hint: response.body.hint}) else null',
            ThrowError(4, 1, "UNKNOWN", "404 Not Found", {"hint": "x"}),
        ),
        (OK, 'if response.body.state = "rejected" then bpmnError("REJECTED") else null', ThrowError(4, 1, "REJECTED")),
        (BUSY, '=bpmnError("")', FailJob(4, 1, "503", retry_in=timedelta(seconds=7))),
        (
            BUSY,
            '=jobError("later " + mine, {}, job.retries - 1, duration("PT1M"))',
            FailJob(4, 1, "later var", retries=2, retry_in=timedelta(minutes=1)),
        ),
        (BUSY, '=jobError("never")', FailJob(4, 1, "never", retries=0, retry_in=timedelta())),
        (NOT_FOUND, "=ignoreError({found: false})", CompleteJob(4, 1, {"found": False}, plain=True)),
        (OK, "=null", CompleteJob(4, 1, OK.response)),
        (OK, "={}", CompleteJob(4, 1, OK.response)),
        (OK, "=if error = null then null else bpmnError(error.code)", CompleteJob(4, 1, OK.response)),
    ],
)
def test_an_error_expression_rules(outcome: Outcome, expression: str, command: object) -> None:
    assert ruled(outcome, expression) == command


def test_an_expression_that_gives_something_else_fails_the_job_for_good() -> None:
    command = ruled(OK, "=42")
    assert isinstance(command, FailJob)
    assert command.retries == 0
    assert (
        command.message
        == "Expected errorExpression '=42' to give bpmnError(), jobError(), ignoreError() or null but found 42"
    )


def test_a_silent_response_becomes_variables_only_where_the_task_takes_something() -> None:
    quiet = Responded({"status": 200}, silent=True)
    assert ruled(quiet) == CompleteJob(4, 1, {})
    assert decide(quiet, Try(4, 1, 3, mapped=True), NOON) == CompleteJob(4, 1, {"status": 200})
    for header in ("resultVariable", "resultExpression"):
        assert decide(quiet, Try(4, 1, 3, {header: "x"}), NOON) == CompleteJob(4, 1, {"status": 200})


def test_long_messages_are_cut() -> None:
    command = ruled(Raised("x" * 10_000))
    assert isinstance(command, FailJob)
    assert len(command.message) == 6000
