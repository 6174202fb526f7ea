"""The kit finds what it says it finds: one broken connector for each promise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tasks.connectors.base import Connector, Job, JobError, Response, connector
from tasks.connectors.declared import Input, read
from tasks.connectors.kit import check

INPUTS = (Input("name", required=True, help="Who is greeted."),)


class Greeter:
    type = "greeter"
    inputs = INPUTS

    def run(self, job: Job) -> Mapping[str, Any]:
        given = read(job.variables, self.inputs)
        return Response({"greeting": f"Hello {given['name']}"}, {"request": given["name"]})


def run_check(made: Connector, **more: Any) -> None:
    given = {"inputs": {"name": "Ada"}, "bad_inputs": [{}, {"name": {"first": "Ada"}}], "slack": 30.0}
    check(made, **{**given, **more})


def test_a_good_one_passes() -> None:
    run_check(Greeter())

    @connector("greeter")
    def greet(job: Job) -> Mapping[str, Any]:
        return {"greeting": job.variables["name"]}

    run_check(greet, bad_inputs=[], refuses_unknown=False)


def _raises(job: Job) -> Any:
    raise OSError("down")


def _changes(job: Job) -> Any:
    job.variables["name"] = "Eve"  # type: ignore[index]
    return {}


def _no_json(job: Job) -> Any:
    return {"now": datetime.now(UTC)}


def _bad_journal(job: Job) -> Any:
    return Response({}, {"bytes": b""})


def _no_mapping(job: Job) -> Any:
    return ["Hello"]


def _takes_anything(job: Job) -> Any:
    return {}


def _retries(job: Job) -> Any:
    if job.variables.get("name") != "Ada":
        raise JobError("no", code="INVALID_INPUT")
    return {}


def _takes_any_kind(job: Job) -> Any:
    if isinstance(job.variables.get("name"), dict) and "text" in job.variables["name"]:
        return {}
    read(job.variables, INPUTS)
    return {}


def _another_code(job: Job) -> Any:
    if job.variables.get("name") != "Ada":
        raise JobError("no", retryable=False)
    return {}


def _says_nothing(job: Job) -> Any:
    if job.variables.get("name") != "Ada":
        raise JobError(" ", retryable=False, code="INVALID_INPUT")
    return {}


def _ignores_strangers(job: Job) -> Any:
    read({"name": job.variables.get("name")}, INPUTS)
    return {}


def _is_late(job: Job) -> Any:
    read(job.variables, INPUTS)
    if job.deadline < datetime.now(UTC):
        time.sleep(3)
    return {}


_busy = threading.Lock()


def _not_twice_at_once(job: Job) -> Any:
    read(job.variables, INPUTS)
    if not _busy.acquire(blocking=False):
        raise RuntimeError("one at a time")
    try:
        time.sleep(0.1)
    finally:
        _busy.release()
    return {}


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (_raises, "down"),
        (_changes, "inputs to stay as they are"),
        (_no_json, "response to be JSON"),
        (_bad_journal, "journal to be JSON"),
        (_no_mapping, "a mapping"),
        (_takes_anything, "to be refused"),
        (_retries, "not to be tried again"),
        (_takes_any_kind, "to be refused, but it was performed"),
        (_another_code, "INVALID_INPUT"),
        (_says_nothing, "an empty one"),
        (_ignores_strangers, "surelyNoSuchInput"),
        (_is_late, "to be back within"),
        (_not_twice_at_once, "one at a time"),
    ],
)
def test_a_broken_one_is_found_out(function: Callable[[Job], Any], found: str) -> None:
    class Broken(Greeter):
        def run(self, job: Job) -> Any:
            return function(job)

    with pytest.raises((AssertionError, OSError, RuntimeError), match=found):
        run_check(Broken(), slack=1.5 if function is _is_late else 30.0)


def test_who_calls_out_with_bad_inputs_is_found_out() -> None:
    calls = []

    class Hasty(Greeter):
        def run(self, job: Job) -> Any:
            calls.append(job)
            return super().run(job)

    with pytest.raises(AssertionError, match="to call nobody, but found 5 calls"):
        run_check(Hasty(), calls=lambda: len(calls))


def test_declarations_are_looked_at() -> None:
    class Undeclared(Greeter):
        inputs = (Input("nom", help="Who."),)

    class Twice(Greeter):
        inputs = INPUTS * 2

    class Silent(Greeter):
        inputs = (Input("name"),)

    for made, found in ((Undeclared(), "declared inputs"), (Twice(), "every input once"), (Silent(), "found no help")):
        with pytest.raises(AssertionError, match=found):
            run_check(made)


def test_a_deadline_that_must_end_it() -> None:
    class Slow(Greeter):
        def run(self, job: Job) -> Any:
            found = super().run(job)
            if job.variables["name"] == "slow":
                time.sleep(max(0.0, (job.deadline - datetime.now(UTC)).total_seconds()))
                raise JobError("late", code="TIMEOUT")
            return found

    run_check(Slow(), slow_inputs={"name": "slow"})
    with pytest.raises(AssertionError, match="the deadline to end it"):
        run_check(Slow(), slow_inputs={"name": "fast"})


def test_what_a_service_must_be_able_to_recognize() -> None:
    seen: list[str] = []

    class Sends(Greeter):
        def run(self, job: Job) -> Any:
            found = super().run(job)
            seen.append(job.idempotency_key)
            return found

    class SendsAnother(Sends):
        def run(self, job: Job) -> Any:
            found = super().run(job)
            seen[-1] += f".{job.attempt}"
            return found

    run_check(Sends(), keys=lambda: seen)
    with pytest.raises(AssertionError, match="Expected attempt 1 to send 0000"):
        run_check(SendsAnother(), keys=lambda: seen)


def test_secrets_that_are_told_are_found_out() -> None:
    class Tells(Greeter):
        def run(self, job: Job) -> Any:
            found = super().run(job)
            if job.variables["name"] == "down":
                raise JobError("no way in with hunter2", code="DOWN")
            return found

    class Journals(Greeter):
        def run(self, job: Job) -> Any:
            return Response(dict(super().run(job)), {"request": {"password": "hunter2"}})

    run_check(Tells(), secrets=["hunter2"])
    with pytest.raises(AssertionError, match="the text of an error to tell no secret, but found number 1"):
        run_check(Tells(), secrets=["hunter2"], failing_inputs={"name": "down"})
    with pytest.raises(AssertionError, match="the journal to tell no secret"):
        run_check(Journals(), secrets=["hunter2"])


def test_a_secret_input_is_not_quoted() -> None:
    class Quotes(Greeter):
        inputs = (*INPUTS, Input("pin", "integer", secret=True, help="Opens the door."))

        def run(self, job: Job) -> Any:
            try:
                return {"pin": read(job.variables, self.inputs)["pin"]}
            except JobError as error:
                raise JobError(f"{error.message} in {job.variables!r}", None, False, error.code) from None

    with pytest.raises(AssertionError, match="the value of pin not to be told"):
        run_check(Quotes())


@pytest.mark.parametrize(
    ("code", "found"),
    [("", "a code that tells what"), ("INVALID_INPUT", "a code that tells"), ("DOWN", None), (None, "it was done")],
)
def test_failures_must_be_fit_for_a_model(code: str | None, found: str | None) -> None:
    class Fails(Greeter):
        def run(self, job: Job) -> Any:
            answer = super().run(job)
            if job.variables["name"] == "down" and code is not None:
                raise JobError("it is down", code=code)
            return answer

    if found is None:
        run_check(Fails(), failing_inputs={"name": "down"}, large_inputs={"name": "down"})
        return
    for name in ("failing_inputs", "large_inputs"):
        with pytest.raises(AssertionError, match=found):
            run_check(Fails(), **{name: {"name": "down"}})
