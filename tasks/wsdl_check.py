"""Looks at the SOAP tasks of a model before it is deployed: does the service have such an operation, such parameters?

Only what is said in the model and needs no variable, connection or credential is looked at. A WSDL that cannot be
fetched now says nothing about the model.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from processes.runtime import admission
from processes.runtime.checks import DrawnTask, Finding
from tasks.connectors import deadline, soap_schema
from tasks.connectors.base import Job, JobError
from tasks.connectors.soap import SoapConnector
from tasks.connectors.soap_request import read_request

logger = logging.getLogger(__name__)

TOLD = ("wsdl", "service", "port", "operation", "soapVersion")


def check(tasks: Sequence[DrawnTask], seconds: float) -> Iterator[Finding]:
    """Findings of SOAP tasks: ``unknown-operation``, ``unknown-parameter``, ``bad-input``."""
    types = (SoapConnector.type, *SoapConnector.aliases)
    with deadline.within(seconds):
        for task in tasks:
            said = {name: task.headers.get(name) or task.inputs.get(name) for name in TOLD}
            known = [
                value for name in ("wsdl", "operation") if isinstance(value := said[name], str) and "{{" not in value
            ]
            if task.type in types and len(known) == 2:
                yield from _findings(task, said)


def _findings(task: DrawnTask, said: dict[str, Any]) -> Iterator[Finding]:
    job = Job(
        id=0,
        type=task.type,
        element_id=task.element_id,
        process_id=task.process_id,
        instance_id=0,
        variables={name: value for name, value in said.items() if value is not None},
        deadline=datetime.now(UTC) + timedelta(seconds=60),
        idempotency_key="",
        evaluate=_no_expressions,
        allow_private=admission.private_allowed(),
    )
    try:
        request = read_request(job)
    except JobError as problem:
        yield Finding(task.element_id, "bad-input", problem.message)
        return
    try:
        _, endpoint = _connector().describe(job, request, deadline.left() or 0.0)
    except JobError as problem:
        if problem.code == "INVALID_INPUT":
            yield Finding(task.element_id, "unknown-operation", problem.message)
        else:
            logger.debug("The WSDL of %s was not checked: %s", task.element_id, problem)
        return
    body = endpoint.operation.input.body if endpoint.operation.input is not None else None
    for place, known in soap_schema.unknown_fields(
        body.type if body is not None else None, task.inputs.get("parameters")
    ):
        yield Finding(
            task.element_id,
            "unknown-parameter",
            f"Expected parameters of the operation '{said['operation']}' ({known}) but found 'parameters.{place}'",
        )


@cache
def _connector() -> SoapConnector:
    return SoapConnector()


def _no_expressions(expression: str, variables: Any) -> Any:
    raise ValueError("Expected no expression before anything runs")
