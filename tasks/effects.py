"""What a connector leaves to the transaction that completes its job, carried out there: exactly once.

Effects run on Django's connection, under the lock of the instance, behind the fence: a late outcome is refused before
anything is done, and a crash before the commit takes the effects and the completion with it. What goes wrong rolls back
both, and is the outcome of the attempt as if the connector had raised it, with the same secrets masked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from processes.runtime.settlement import EffectFailed
from tasks.concealment import Concealment, concealing
from tasks.connectors import sql_errors
from tasks.connectors.base import BpmnError, Effect, JobError
from tasks.connectors.redaction import Redactor
from tasks.outcomes import concealed, raised, unusable

SECONDS = 10
"""How long one statement may take (PostgreSQL): others wait for the instance meanwhile."""

Response = Mapping[str, Any]


def within(effects: Sequence[Effect], concealment: Concealment) -> Callable[[Response], Response] | None:
    """What `Responded.within` is to call; None where there is nothing to do."""
    if not effects:
        return None

    def carry_out(response: Response) -> Response:
        with concealing(concealment):
            return _carry_out(effects, response, concealment)

    return carry_out


def _carry_out(effects: Sequence[Effect], response: Response, concealment: Concealment) -> Response:
    """Raises `EffectFailed`. A connection of ours that breaks, a deadlock and a serialization failure pass through: the
    whole transaction is tried again by whoever began it."""
    for effect in effects:
        if effect.permission and not settings.ORCHESTRATOR.get(effect.permission, False):
            name = f"ORCHESTRATOR_{effect.permission}"
            told = f"Expected {name} to allow statements in the completing transaction, but it is off"
            raise EffectFailed(unusable(told, code="NOT_ENABLED"))
    done: list[Effect] = []
    earlier, connection.errors_occurred = connection.errors_occurred, False
    try:
        with _timed(), connection.cursor() as cursor:
            for effect in effects:
                done.append(effect)
                found = effect.carry_out(cursor)
                response = response if found is None else concealment.value(found)
    except (Exception, SystemExit) as problem:
        if _transient(problem) and connection.errors_occurred:
            raise
        error: BaseException = problem
        if done and not isinstance(problem, BpmnError | JobError):
            error = done[-1].failed(problem)
        outcome = raised(error, concealment)
        outcome = replace(outcome, journal={**_journal(done), **outcome.journal})
        raise EffectFailed(concealed(outcome, concealment)) from problem
    finally:
        connection.errors_occurred = connection.errors_occurred or earlier
    return response


def _transient(problem: BaseException) -> bool:
    if not isinstance(problem, OperationalError | InterfaceError):
        return False
    return sql_errors.told(problem.__cause__ or problem, Redactor(), {}).code[:2] in ("08", "40")


def _journal(done: Sequence[Effect]) -> dict[str, Any]:
    """What all of them did, lists put together."""
    told: dict[str, Any] = {}
    for effect in done:
        for name, value in effect.journal.items():
            told[name] = [*told.get(name, ()), *value] if isinstance(value, list) else value
    return told


@contextmanager
def _timed() -> Iterator[None]:
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (before,) = cursor.fetchone()
        _limit(cursor, f"{SECONDS}s")
    yield
    with connection.cursor() as cursor:
        _limit(cursor, before)


def _limit(cursor: Any, limit: str) -> None:
    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [limit])
