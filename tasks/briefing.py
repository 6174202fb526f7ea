"""What a connector is told of its job: inputs, headers and connection, with the secrets put in, and only here."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from processes.runtime import Rejected, admission, connections, jobs, placeholders, secrets
from processes.runtime.admission import Permit
from processes.runtime.gate import connection_of
from processes.runtime.jobs import ClaimedJob
from tasks.connectors.base import Connection, Job


def brief(claimed: ClaimedJob, permit: Permit | None, used: dict[str, str], **means: Any) -> Job:
    """The job as its connector sees it, secrets and all; those that were put in are added to `used`. `means` are what
    it may call. Raises `secrets.Missing`."""
    variables, headers = claimed.variables, claimed.headers
    if claimed.inputs_only and secrets.mentions(variables):  # who maps no inputs names no secrets in them
        variables = _inputs(claimed, used)
    if secrets.mentions(headers):
        headers = secrets.resolve(headers, used)
    return Job(
        id=claimed.id,
        type=claimed.type,
        element_id=claimed.element_id,
        process_id=claimed.process_id,
        instance_id=claimed.instance_id,
        business_key=claimed.business_key,
        variables=variables,
        inputs_only=claimed.inputs_only,
        headers=headers,
        attempt=claimed.attempt,
        retries=claimed.retries,
        deadline=claimed.lease_until,
        idempotency_key=claimed.idempotency_key,
        evaluate=jobs.evaluate,
        progress=claimed.progress,
        connection=None if permit is None else _connection(permit, used),
        allow_private=admission.private_allowed(),
        **means,
    )


def secrets_of(claimed: ClaimedJob) -> dict[str, str]:
    """The secrets that a connector is given with this job, as they are now, for whoever masks what comes of it."""
    used: dict[str, str] = {}
    with suppress(secrets.Missing):
        _inputs(claimed, used)
    with suppress(secrets.Missing):
        secrets.resolve(claimed.headers, used)
    if name := connection_of(claimed.headers):
        with suppress(secrets.Missing, Rejected):
            row = connections.find(name)
            secrets.resolve([row.url, row.authentication, row.tls, row.options], used)
    return used


def _inputs(claimed: ClaimedJob, used: dict[str, str]) -> dict[str, Any]:
    """The inputs, with the secrets that the model names in each: see `placeholders`."""
    named = placeholders.named(claimed.definition_id, claimed.element_id)
    return {name: secrets.resolve(value, used, only=named.get(name, ())) for name, value in claimed.variables.items()}


def _connection(permit: Permit, used: dict[str, str]) -> Connection:
    found = permit.destination
    return Connection(
        name=found.name,
        url=secrets.resolve(found.url, used, in_url=True),
        authentication=secrets.resolve(found.authentication, used),
        tls=secrets.resolve(found.tls, used),
        timeout=found.timeout,
        allowed_hosts=found.allowed_hosts,
        allow_private=found.allow_private,
        options=secrets.resolve(found.options, used),
    )
