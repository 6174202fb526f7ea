"""Looks again and again whether work that goes on elsewhere is done, without holding a worker in between.

The first attempt makes the call of the job. If that does not answer with the result, the job is postponed with the
address to look at in its progress; each further attempt looks once. So nothing is lost when workers restart, and the
call itself is made once.

The progress, under ``poll``: ``of`` (fingerprint of the inputs), ``url``, ``since`` (when the waiting began, null: with
the next look), ``polls`` (looks so far), ``failures`` (in a row) and ``last`` (what the last look saw).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from requests.structures import CaseInsensitiveDict

from tasks.connectors import http_response
from tasks.connectors.base import JobError, Postponed, Response
from tasks.connectors.http_caller import Caller
from tasks.connectors.http_request import Call
from tasks.connectors.inputs import scalar
from tasks.connectors.polling import Poll

TOLERATED = 3
"""Looks in a row that may fail for reasons that time heals, before one costs the job a try."""
EXCERPT = 500
GONE = ("404", "410")
"""Nobody knows of the work any more: whoever has it tried again wants it begun anew. Otherwise it is looked at again,
for instance once the credentials are right."""


def poll(caller: Caller, plan: Poll) -> Response:
    """The response that says that the work is done, with ``polls``, the number of looks that it took.

    Raises `Postponed` where it is not done yet; `JobError` as `http` says, and with the codes ``POLL_FAILED`` (the
    job starts over if it is tried again), ``POLL_TIMEOUT`` (it goes on looking) and ``OTHER_ORIGIN``.
    """
    caller.check(plan.expressions)
    of = caller.fingerprint()
    kept = caller.job.progress.get("poll")
    if isinstance(kept, Mapping) and kept.get("of") == of and kept.get("url"):
        return _look(caller, plan, dict(kept))
    response = caller.send(caller.first)
    state: dict[str, Any] = {"of": of, "since": _now().isoformat(), "polls": 0, "failures": 0}
    done = _verdict(caller, plan, response, state)
    if done is not None:
        return done
    state["url"] = _address(caller, plan, response)
    raise _later(caller, plan, state, response)


def _look(caller: Caller, plan: Poll, state: dict[str, Any]) -> Response:
    state["since"] = state["since"] or _now().isoformat()
    state["polls"] += 1
    call = _call(caller, plan, state["url"])
    try:
        response = caller.send(call)
    except JobError as error:
        state["failures"] += 1
        if not error.retryable or state["failures"] > TOLERATED:
            if error.code in GONE:
                caller.forget()
            else:
                # Of the tries that the model grants, this one is gone; what was tolerated begins anew.
                caller.keep({"poll": {**state, "failures": 0}})
            raise replace(error, journal={**error.journal, "polls": state["polls"]}) from error
        wait = error.retry_in or plan.interval * 2 ** state["failures"]
        state["last"] = {"error": error.message[:EXCERPT]}
        raise _postponed(caller, plan, state, wait, error.journal) from None
    state["failures"] = 0
    done = _verdict(caller, plan, response, state)
    if done is not None:
        return done
    raise _later(caller, plan, state, response)


def _verdict(caller: Caller, plan: Poll, response: Response, state: Mapping[str, Any]) -> Response | None:
    """The result, where this is it; None: not yet. Raises `JobError` where the work failed."""
    polls = state["polls"]
    if plan.failure and _is_true(caller, plan.failure, "poll.failure", response, polls):
        caller.forget()
        raise JobError(
            f"Expected the work to be done, but after {polls} polls `poll.failure` says that it failed",
            retryable=False,
            code="POLL_FAILED",
            details={"response": dict(response.body)},
            journal={**response.journal, "polls": polls},
        )
    if not _is_true(caller, plan.until, "poll.until", response, polls):
        return None
    return Response({**response.body, "polls": polls}, {**response.journal, "polls": polls}, silent=True)


def _is_true(caller: Caller, expression: str, place: str, response: Response, polls: int) -> bool:
    found = caller.evaluate(expression, place, response, polls=polls)
    if found is None or isinstance(found, bool):
        return bool(found)
    message = f"Expected `{place}` to give true, false or null, but it gave {type(found).__name__}"
    raise JobError(message, retryable=False, code="INVALID_RESPONSE", journal=response.journal)


def _address(caller: Caller, plan: Poll, response: Response) -> str:
    headers = CaseInsensitiveDict(response["headers"])
    if plan.url.startswith("="):
        found = caller.evaluate(plan.url, "poll.url", response)
    else:
        found = plan.url or headers.get("Operation-Location") or headers.get("Location")
    if found in (None, "") and caller.first.method == "GET":
        found = caller.first.url
    if found in (None, ""):
        message = f"Expected `poll.url` or a Location to look at, but {response['status']} came without"
        raise JobError(message, retryable=False, code="INVALID_RESPONSE", journal=response.journal)
    target = scalar(found, "poll.url")
    call = caller.towards(target, base=caller.first.url, allowed=plan.allow_other_origins, journal=response.journal)
    return caller.unsigned(call.url)


def _call(caller: Caller, plan: Poll, url: str) -> Call:
    call = caller.towards(url, base=caller.first.url, allowed=plan.allow_other_origins, journal={})
    dropped = ("content-type", "idempotency-key")
    headers = {name: value for name, value in call.headers.items() if name.lower() not in dropped}
    return replace(call, method="GET", body=None, headers=headers)


def _later(caller: Caller, plan: Poll, state: dict[str, Any], response: Response) -> Exception:
    wish = http_response.retry_after(CaseInsensitiveDict(response["headers"]), _now())
    journal = response.journal
    state["last"] = {"status": response["status"], "body": str(journal["response"]["body"])[:EXCERPT]}
    return _postponed(caller, plan, state, wish or plan.interval, journal)


def _postponed(
    caller: Caller, plan: Poll, state: dict[str, Any], wait: timedelta, journal: Mapping[str, Any]
) -> Exception:
    """What to raise: later, or that it takes too long."""
    left = datetime.fromisoformat(state["since"]) + plan.maximum - _now()
    if left <= timedelta():
        # Whoever has it tried again wants to go on waiting, not to have the work done twice.
        caller.keep({"poll": {**state, "since": None, "failures": 0}})
        minutes = plan.maximum.total_seconds() / 60
        return JobError(
            f"Expected the work to be done within {minutes:.3g} min, but after {state['polls']} polls it is not",
            retryable=False,
            code="POLL_TIMEOUT",
            details={"polls": state["polls"], "last": state["last"]},
            journal={**journal, "polls": state["polls"]},
        )
    delay = min(wait, left)
    return Postponed(
        delay, {"poll": state}, f"not done after {state['polls']} polls, again in {delay.total_seconds():.3g} s"
    )


def _now() -> datetime:
    return datetime.now(UTC)
