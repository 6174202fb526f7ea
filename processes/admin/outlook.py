"""What will happen when an incident is resolved: from where its visit stands, as the engine resumes it. Pure."""

from __future__ import annotations

from processes.models import FlowNodeInstance, Incident, Job


def outlook(incident: Incident, visit: FlowNodeInstance | None, job: Job | None) -> str:
    """One or two sentences; `visit` is the live one that is parked, `job` the one that it waits for."""
    if not incident.node:
        return "Retry looks at the conditions again that the process waits for."
    if visit is None:
        return "Retry goes on from exactly where the element stands."
    if visit.state == "READY":
        return "Retry enters the element again, with the variables of then. Nobody was called yet."
    if visit.state == "COMPLETING":
        return "The work is done and its answer is kept. Retry takes it over again; nobody is called a second time."
    if job is not None:
        where = f" It goes through the connection {job.connection}." if job.connection else ""
        return (
            f"Retry evaluates the inputs anew and hands the job out at once, as attempt {job.attempt + 1} of type "
            f"{job.type}, with as many tries as the model says or you do.{where}"
        )
    if visit.element_type == "callActivity":
        return "Retry calls the process again, as a new instance."
    return "Retry goes on from exactly where the element stands."
