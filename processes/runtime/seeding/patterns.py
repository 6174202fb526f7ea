"""Instances of three processes in every condition that an operator meets: what is copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from processes.models import Job, ProcessDefinition, ProcessInstance
from processes.runtime import definitions, incidents, instances, jobs

BY = "seed"
WORKER = "seed-worker"
ANSWER = {"request": {"method": "POST", "url": "https://pay.example/charges"}, "response": {"status": 201}}
OUTAGE = {"request": {"method": "POST", "url": "https://pay.example/charges"}, "response": {"status": 503}}

HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="urn:seed" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">'
)
WAIT = (
    '<intermediateCatchEvent id="{id}" name="{name}"><timerEventDefinition><timeDuration>P1D</timeDuration>'
    "</timerEventDefinition></intermediateCatchEvent>"
)
TASK = (
    '<serviceTask id="{id}" name="{name}"><extensionElements><zeebe:taskDefinition type="{id}" retries="3"/>'
    "</extensionElements></serviceTask>"
)
PROCESSES = {
    "seed-order": ("Order", [("reserve-stock", "Reserve stock"), ("charge-card", "Charge card"), ("ship", "Ship")]),
    "seed-claim": ("Insurance claim", [("assess-damage", "Assess damage"), ("!cool-off", "Cool off"), ("pay", "Pay")]),
    "seed-signup": ("Sign-up", [("check-address", "Check address"), ("send-welcome", "Send welcome")]),
}
"""Id, name, and what is done in turn; a name with ``!`` is a timer."""


@dataclass(frozen=True, slots=True)
class Patterns:
    """Instances to copy: each as often in turn as it is listed."""

    finished: tuple[int, ...]
    running: tuple[int, ...]


def perform() -> Patterns:
    """Deploy the processes and bring an instance of them into every condition."""
    order, claim, signup = (_deploy(id, *PROCESSES[id]) for id in PROCESSES)
    completed = _started(order, _complete, _complete, _complete)
    repaired = _started(order, _complete, _break, _repair, _complete, _complete)
    cancelled = _started(claim, _complete)
    instances.cancel(cancelled, reason="The customer withdrew", by=BY)
    welcomed = _started(signup, _complete, _complete)
    suspended = _started(signup)
    instances.suspend(suspended, reason="Under review", by=BY)
    due, later, broken = _started(order), _started(order, _complete, _fail), _started(order, _complete, _break)
    claimed, waiting, paying = _started(signup, _claim), _started(claim, _complete), _started(order, _complete)
    return Patterns(
        finished=(completed, welcomed) * 9 + (repaired, cancelled),
        running=(due, paying, waiting, claimed) * 4 + (later, later, broken, suspended),
    )


def drop(found: Patterns) -> None:
    """The instances that were copied go; the copies have their rows."""
    ProcessInstance.objects.filter(pk__in={*found.finished, *found.running}).delete()


def _deploy(id: str, name: str, tasks: list[tuple[str, str]]) -> ProcessDefinition:
    nodes = ["start", *(task.lstrip("!") for task, _ in tasks), "end"]
    body = ['<startEvent id="start"/>']
    for task, label in tasks:
        body.append((WAIT if task[0] == "!" else TASK).format(id=task.lstrip("!"), name=label))
    body.append('<endEvent id="end"/>')
    for number, (source, target) in enumerate(pairwise(nodes)):
        body.append(f'<sequenceFlow id="flow-{number}" sourceRef="{source}" targetRef="{target}"/>')
    process = f'<process id="{id}" name="{name}" isExecutable="true">{"".join(body)}</process>'
    document = f"{HEAD}{process}</definitions>".encode()
    return definitions.deploy(document, resource=f"{id}.bpmn", by=BY).definitions[0].definition


def _started(definition: ProcessDefinition, *turns: Callable[[int], None]) -> int:
    variables = {"customer": "C-17", "amount": Decimal("129.90"), "items": [{"sku": "A-1", "quantity": 2}]}
    pk = instances.start(definition, variables=variables, business_key="seed", force=True, by=BY).instance.pk
    for turn in turns:
        turn(pk)
    return int(pk)


def _claimed(pk: int) -> jobs.ClaimedJob:
    job = jobs.claim_one(Job.objects.get(instance=pk).pk, worker=WORKER, lease=timedelta(hours=1))
    if job is None:
        raise LookupError(f"Expected a job of instance {pk} that is due but found none")
    return job


def _claim(pk: int) -> None:
    _claimed(pk)


def _complete(pk: int) -> None:
    job = _claimed(pk)
    jobs.complete(job.id, job.attempt, {"receipt": "R-4711"}, by=f"worker:{WORKER}", journal=ANSWER)


def _fail(pk: int) -> None:
    job = _claimed(pk)
    by, message = f"worker:{WORKER}", "503 Service Unavailable from https://pay.example/charges"
    jobs.fail(job.id, job.attempt, message, retry_in=timedelta(minutes=30), by=by, journal=OUTAGE)


def _break(pk: int) -> None:
    job = _claimed(pk)
    by, message = f"worker:{WORKER}", "503 Service Unavailable from https://pay.example/charges"
    jobs.fail(job.id, job.attempt, message, retries=0, by=by, journal=OUTAGE)


def _repair(pk: int) -> None:
    (incident,) = ProcessInstance.objects.get(pk=pk).incidents.filter(ended_at__isnull=True)
    incidents.resolve(incident.pk, by=BY)
