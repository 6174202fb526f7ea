"""Services that answer as told, in turn; the last answer is given again and again.

    services:
      charge-card:                                  # an element, or a job type; "*" is every other job
        - fail: {message: connection refused}       # a try that failed, retried as the model says
          after: PT5S                               # how long the work takes
        - error: {code: DECLINED, message: no, variables: {reason: limit}}
        - answer: {payment: "=order.id", amount: "=order.total * 2"}

A text after ``=`` is FEEL over what the job sees. `errorExpression` and the like apply to an answer as to that of a
connector; `silent` is an answer of those, such as HTTP, of which nothing becomes a variable unless the model asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from processes.engine.errors import ProcessFault
from processes.engine.expression import expected
from processes.engine.outcome import Outcome, Raised, Responded, Thrown
from processes.engine.simulation.reading import Given, ScenarioInvalid, Template

ANY = "*"
KINDS = ("answer", "error", "fail")


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of a service."""

    kind: str
    body: Template = field(default_factory=lambda: Template({}))
    code: str = ""
    message: str = ""
    retryable: bool = True
    retry_in: timedelta | None = None
    silent: bool = False
    after: timedelta = timedelta()

    def outcome(self, variables: Mapping[str, Any], at: datetime) -> Outcome:
        """How the call ended. An answer that cannot be evaluated is a failure for good, and says so."""
        try:
            body = self.body.filled(variables, at)
        except ProcessFault as fault:
            return Raised(str(fault), retryable=False)
        if not isinstance(body, dict):
            return Raised(expected("the answer to be a context", body), retryable=False)
        if self.kind == "error":
            return Thrown(self.code, self.message, body)
        if self.kind == "fail":
            return Raised(self.message, self.code, body, self.retryable, self.retry_in)
        return Responded(body, self.silent)


Services = Mapping[str, Sequence[Turn]]


def read_services(given: Given) -> dict[str, Sequence[Turn]]:
    """Services by element or job type. Raises `ScenarioInvalid`."""
    return {name: [_turn(turn) for turn in service.several()] for name, service in given.members().items()}


def _turn(given: Given) -> Turn:
    fields = given.fields(*KINDS, "after", "silent")
    kinds = [kind for kind in KINDS if kind in fields]
    if len(kinds) != 1:
        raise given.unfit("one of answer, error and fail")
    if "silent" in fields and kinds != ["answer"]:
        raise ScenarioInvalid(f"{given.place}: Expected silent with an answer but found it with {kinds[0]}")
    after = fields["after"].span() if "after" in fields else timedelta()
    (kind,) = kinds
    told = fields[kind]
    if kind == "answer":
        silent = fields["silent"].flag() if "silent" in fields else False
        body = told.template() if told.value is not None else Template({})
        return Turn(kind, body, silent=silent, after=after)
    if kind == "error":
        return _error(told, after)
    return _failure(told, after)


def _error(given: Given, after: timedelta) -> Turn:
    if isinstance(given.value, str):
        return Turn("error", code=given.text(), after=after)
    fields = given.fields("code", "message", "variables")
    if "code" not in fields:
        raise given.unfit("a code")
    return Turn(
        "error",
        fields["variables"].template() if "variables" in fields else Template({}),
        fields["code"].text(),
        fields["message"].text() if "message" in fields else "",
        after=after,
    )


def _failure(given: Given, after: timedelta) -> Turn:
    if isinstance(given.value, str):
        return Turn("fail", message=given.text(), after=after)
    fields = given.fields("message", "code", "variables", "retryable", "retry_in")
    if "message" not in fields:
        raise given.unfit("a message")
    return Turn(
        "fail",
        fields["variables"].template() if "variables" in fields else Template({}),
        fields["code"].text() if "code" in fields else "",
        fields["message"].text(),
        fields["retryable"].flag() if "retryable" in fields else True,
        fields["retry_in"].span() if "retry_in" in fields else None,
        after=after,
    )
