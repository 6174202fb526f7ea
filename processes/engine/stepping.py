"""One step: a command is carried out, and the machine settles.

Every command changes one thing, here or, where it takes more than a few lines, in a file of its own: a job ends, a
timer fires, an operator resolves. It refuses (`Rejected`) before its first fact. What follows is the machine's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine import migration, modification, skipping
from processes.engine.errors import BpmnError, IncidentKind, ProcessFault, Rejected
from processes.engine.machine import Run
from processes.engine.parts import (
    Call,
    FlowNodeInstance,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    NodeState,
    SignalSubscription,
    Timer,
)
from processes.engine.process import Process
from processes.engine.retry import Policy
from processes.engine.state import PROCESS_SCOPE, Instance, InstanceState


def step(process: Process, instance: Instance, command: c.Command, at: datetime) -> list[f.Fact]:
    """Carry out a command at a moment (aware). The instance changes through the facts, which are returned.

    Raises `Rejected` where the command cannot be carried out; then nothing has changed.
    """
    if instance.state.is_final:
        raise Rejected("instance-ended", f"Expected a running instance but found it {instance.state.lower()}")
    run = Run(process, instance, at)
    _CARRY_OUT[type(command)](run, command)
    run.settle()
    return run.facts


def _start(run: Run, command: c.StartInstance) -> None:
    if run.instance.last_key:
        raise Rejected("instance-started", "Expected a new instance but found a running one")
    if command.element:
        if command.element not in run.process.beginnings:
            raise Rejected("start-not-found", f"Expected '{command.element}' to begin the process but it does not")
        event, node = run.process.beginnings[command.element]
        run.emit(f.InstanceStarted({}, command.called))
        node.begin(run, event, command.variables, command.correlation_key)
        if not node.begins:
            run.open()
        return
    start = run.none_start()
    run.emit(f.InstanceStarted(dict(command.variables), command.called))
    run.activate(run.enter(start, PROCESS_SCOPE))


def _complete_job(run: Run, command: c.CompleteJob) -> None:
    job, visit = _job_in_hand(run, command.job, command.attempt)
    run.emit(f.JobCompleted(job.key, command.attempt))
    run.complete(visit, command.variables, plain=command.plain)


def _fail_job(run: Run, command: c.FailJob) -> None:
    job, visit = _job_in_hand(run, command.job, command.attempt)
    if (error := run.element(visit).failed(run, visit, command.message)) is not None:
        run.emit(f.JobErrorThrown(job.key, command.attempt, error.code, error.message))
        run.throw(visit, error)
        return
    retries = max(0, job.retries - 1 if command.retries is None else command.retries)
    pause = command.retry_in
    if retries and pause is None:
        pause = _policy(job).pause(command.attempt, f"{run.instance.id}/{job.key}")
    due_at = run.at + max(pause or timedelta(), timedelta()) if retries else None
    message = command.message
    if due_at is not None and job.retry_until is not None and due_at >= job.retry_until:
        retries, due_at, message = 0, None, _too_late(job, message)
    run.emit(f.JobFailed(job.key, command.attempt, retries, due_at, message))
    if not retries:
        run.park(visit, ProcessFault(IncidentKind.JOB_NO_RETRIES, message))


def _expire_job(run: Run, command: c.ExpireJob) -> None:
    job = run.instance.wait(Job, command.job)
    if job is None:
        raise Rejected("job-not-found", f"Expected a job with key {command.job} but found none: it has ended")
    if job.state is not JobState.DUE or job.retry_until is None or run.at < job.retry_until:
        raise Rejected(
            "job-not-expired",
            f"Expected job {job.key} to wait beyond its retryDeadline but found it {job.state} until {job.retry_until}",
        )
    _not_suspended(run)
    message = _too_late(job, command.message)
    run.emit(f.JobFailed(job.key, job.attempt, 0, None, message))
    run.park(run.holder(job.node), ProcessFault(IncidentKind.JOB_NO_RETRIES, message))


def _too_late(job: Job, message: str) -> str:
    """Why there is no other try although some are left."""
    why = f"no other try within retryDeadline {job.headers.get('retryDeadline', '')}"
    return f"{message} ({why})" if message else why


def _policy(job: Job) -> Policy:
    try:
        return Policy.read(job.headers)
    except ValueError:
        # Refused at deploy; a definition from before a rule became stricter still runs, by the default policy.
        return Policy()


def _throw_error(run: Run, command: c.ThrowError) -> None:
    job, visit = _job_in_hand(run, command.job, command.attempt)
    run.emit(f.JobErrorThrown(job.key, command.attempt, command.code, command.message))
    run.throw(visit, BpmnError(command.code, command.message, command.variables))


def _job_in_hand(run: Run, key: int, attempt: int) -> tuple[Job, FlowNodeInstance]:
    job = run.instance.wait(Job, key)
    if job is None:
        raise Rejected("job-not-found", f"Expected a job with key {key} but found none: it has ended")
    if job.state is not JobState.CLAIMED or job.attempt != attempt:
        raise Rejected(
            "job-not-claimed",
            f"Expected job {key} to be claimed with attempt {attempt} "
            f"but found it {job.state} with attempt {job.attempt}",
        )
    return job, run.holder(job.node)


def _complete_call(run: Run, command: c.CompleteCall) -> None:
    call, visit = _call(run, command.call)
    run.emit(f.CallCompleted(call.key))
    run.complete(visit, command.variables)


def _fail_call(run: Run, command: c.FailCall) -> None:
    call, visit = _call(run, command.call)
    run.emit(f.CallFailed(call.key, command.message))
    run.park(visit, ProcessFault(IncidentKind.CALLED_ELEMENT, command.message))


def _throw_call_error(run: Run, command: c.ThrowCallError) -> None:
    call, visit = _call(run, command.call)
    run.emit(f.CallFailed(call.key, command.message or command.code))
    run.throw(visit, BpmnError(command.code, command.message, command.variables), called=call.process)


def _call(run: Run, key: int) -> tuple[Call, FlowNodeInstance]:
    call = run.instance.wait(Call, key)
    if call is None:
        raise Rejected("call-not-found", f"Expected a call with key {key} but found none: it has ended")
    return call, run.holder(call.node)


def _fire_timer(run: Run, command: c.FireTimer) -> None:
    timer = run.instance.wait(Timer, command.timer)
    if timer is None:
        raise Rejected("timer-not-found", f"Expected a timer with key {command.timer} but found none: it has ended")
    _not_suspended(run)
    visit, event = run.holder(timer.node), run.process.nodes[timer.element]
    run.emit(f.TimerFired(timer.key))
    if timer.repetitions:
        try:
            event.again(run, visit, timer)
        except ProcessFault as fault:
            run.park(visit, fault)
    run.happened(timer, {})


def _correlate_message(run: Run, command: c.CorrelateMessage) -> None:
    subscription = run.instance.wait(MessageSubscription, command.subscription)
    if subscription is None:
        raise Rejected("subscription-not-found", f"Expected a subscription {command.subscription} but found none")
    _not_suspended(run)
    run.emit(f.MessageCorrelated(subscription.key, dict(command.variables)))
    run.happened(subscription, command.variables)


def _receive_signal(run: Run, command: c.ReceiveSignal) -> None:
    subscription = run.instance.wait(SignalSubscription, command.subscription)
    if subscription is None:
        raise Rejected("subscription-not-found", f"Expected a subscription {command.subscription} but found none")
    _not_suspended(run)
    run.emit(f.SignalReceived(subscription.key, dict(command.variables)))
    run.happened(subscription, command.variables)


def _not_suspended(run: Run) -> None:
    if run.instance.state is InstanceState.SUSPENDED:
        raise Rejected("instance-suspended", "Expected an active instance but found it suspended")


def _set_variables(run: Run, command: c.SetVariables) -> None:
    if command.scope != PROCESS_SCOPE and run.instance.node(command.scope) is None:
        raise Rejected("scope-not-found", f"Expected a live scope with key {command.scope} but found none")
    run.emit(f.VariablesSet(command.scope, dict(command.variables)))


def _resolve_incident(run: Run, command: c.ResolveIncident) -> None:
    incident = run.instance.wait(Incident, command.incident)
    if incident is None:
        raise Rejected("incident-not-found", f"Expected an open incident {command.incident} but found none")
    visit = run.holder(incident.node)
    run.emit(f.IncidentResolved(incident.key))
    run.stir(visit.key)
    if visit.key == PROCESS_SCOPE:
        return
    if visit.state is NodeState.READY:
        run.activate(visit)
    elif visit.state is NodeState.COMPLETING:
        run.complete(visit, visit.response, plain=visit.plain)
    else:
        try:
            run.element(visit).resume(run, visit, command.retries)
        except ProcessFault as fault:
            run.park(visit, fault)


def _raise_incident(run: Run, command: c.RaiseIncident) -> None:
    visit = run.instance.holder(command.node)
    if visit is None:
        raise Rejected("scope-not-found", f"Expected a live visit with key {command.node} but found none")
    for wait in run.instance.waits_of(visit.key):
        if isinstance(wait, Job):
            run.emit(f.JobFailed(wait.key, wait.attempt, 0, None, command.message))
    run.park(visit, ProcessFault(command.kind, command.message))


def _activate_ad_hoc(run: Run, command: c.ActivateAdHoc) -> None:
    visit = run.instance.node(command.node)
    if visit is None:
        raise Rejected("scope-not-found", f"Expected a live visit with key {command.node} but found none")
    _not_suspended(run)
    run.element(visit).pick(run, visit, command.elements)


def _cancel(run: Run, command: c.CancelInstance) -> None:
    for visit in run.instance.nodes_in(PROCESS_SCOPE):
        run.terminate(visit)
    run.emit(f.InstanceTerminated(command.reason))


def _suspend(run: Run, command: c.SuspendInstance) -> None:
    _not_suspended(run)
    run.emit(f.InstanceSuspended(command.reason))


def _resume(run: Run, command: c.ResumeInstance) -> None:
    if run.instance.state is not InstanceState.SUSPENDED:
        raise Rejected("instance-not-suspended", "Expected a suspended instance but found it active")
    run.emit(f.InstanceResumed(command.reason))


_CARRY_OUT: Mapping[type, Callable[[Run, Any], None]] = {
    c.StartInstance: _start,
    c.StartInstanceAt: modification.start_at,
    c.ModifyInstance: modification.modify,
    c.MigrateInstance: migration.migrate,
    c.CompleteJob: _complete_job,
    c.FailJob: _fail_job,
    c.ExpireJob: _expire_job,
    c.ThrowError: _throw_error,
    c.CompleteCall: _complete_call,
    c.FailCall: _fail_call,
    c.ThrowCallError: _throw_call_error,
    c.FireTimer: _fire_timer,
    c.CorrelateMessage: _correlate_message,
    c.ReceiveSignal: _receive_signal,
    c.SetVariables: _set_variables,
    c.ResolveIncident: _resolve_incident,
    c.RaiseIncident: _raise_incident,
    c.ActivateAdHoc: _activate_ad_hoc,
    c.SkipVisit: skipping.skip,
    c.CancelInstance: _cancel,
    c.SuspendInstance: _suspend,
    c.ResumeInstance: _resume,
}
