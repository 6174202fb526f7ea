"""Deployed decisions: from a DMN file to versions, from a version to the parsed model, from variables to a result.

As with processes, a row never changes and a parsed model is kept. A process asks through `LIBRARY`, which reads the
latest version each time: a decision that was deployed a moment ago counts from the next step on.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from processes.engine import dmn
from processes.engine.errors import Problem, ProcessFault, Rejected
from processes.models import DecisionDefinition
from processes.runtime import audit, values

PARSED = 256
"""How many parsed models are kept."""
TURNS = 10
"""How often a deployment gives way to another one of the same decision that was faster."""

is_dmn = dmn.is_dmn


@dataclass(frozen=True, slots=True)
class DeployedDecision:
    definition: DecisionDefinition
    created: bool
    """False where the latest version already has exactly this content."""


@dataclass(frozen=True, slots=True)
class DecisionDeployment:
    decisions: tuple[DeployedDecision, ...]
    """In the order of the file."""
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What a decision came to, and how."""

    definition: DecisionDefinition
    at: datetime
    evaluation: dmn.Evaluation


def deploy(xml: bytes, *, resource: str = "", by: str = "", reason: str = "") -> DecisionDeployment:
    """Deploy every decision of a DMN file, or none of them; content identical to the latest version is that version.

    Raises `ModelInvalid` with everything that is wrong with the file.
    """
    model = dmn.parse(xml)
    resource = values.text(resource, what="a resource name")
    digest = hashlib.sha256(xml).hexdigest()
    found: dict[str, DeployedDecision] = {}
    with transaction.atomic():
        # Always in the same order, so that two files that share decisions cannot wait for each other.
        for id in sorted(model.decisions):
            found[id] = _version(model.decisions[id], xml, digest, resource, by, reason)
    return DecisionDeployment(tuple(found[id] for id in model.decisions), model.warnings)


def _version(decision: dmn.Decision, xml: bytes, digest: str, resource: str, by: str, reason: str) -> DeployedDecision:
    id = values.text(decision.id, what="a decision id")
    for _ in range(TURNS):
        latest = DecisionDefinition.objects.filter(decision_id=id).order_by("-version").first()
        if latest is not None and latest.digest == digest:
            return DeployedDecision(latest, False)
        definition = DecisionDefinition(
            decision_id=id,
            version=latest.version + 1 if latest else 1,
            name=values.told(decision.name, 255),
            version_tag=values.told(decision.version_tag, 255),
            resource=resource,
            xml=xml,
            digest=digest,
            deployed_at=timezone.now(),
            deployed_by=values.told(by, 255),
        )
        try:
            with transaction.atomic():
                definition.save(force_insert=True)
                what = {"version": definition.version, "resource": resource, "digest": digest}
                audit.record("deploy", "decision definition", id, by=by, reason=reason, details=what)
        except IntegrityError:
            continue  # somebody else took this version; look again
        return DeployedDecision(definition, True)
    raise RuntimeError(f"Expected a free version of {id} within {TURNS} turns")


def find(decision_id: str, version: int | None = None) -> DecisionDefinition:
    """A version of a decision, the latest if None; raises `Rejected` with ``decision-not-found``."""
    found = _row(decision_id, version, "")
    if found is None:
        wanted = f"decision '{decision_id}'" + ("" if version is None else f" version {version}")
        raise Rejected("decision-not-found", f"Expected {wanted} to be deployed but it is not")
    return found


def evaluate(definition: DecisionDefinition, variables: Any) -> Evaluated:
    """Evaluate a version of a decision; nothing is recorded.

    Raises `Rejected`: ``variables-invalid``, ``value-invalid``, and ``decision-failed`` where the decision has no
    answer for these variables.
    """
    given: Mapping[str, Any] = values.checked(variables)
    at = timezone.now()
    try:
        return Evaluated(definition, at, dmn.evaluate(model_of(definition), definition.decision_id, given, at))
    except ProcessFault as fault:
        raise Rejected("decision-failed", str(fault)) from None


def model_of(definition: DecisionDefinition) -> dmn.DecisionModel:
    """The parsed model of a definition, which is kept. Raises `ModelInvalid` only where the row was damaged."""
    return _model(definition.pk, definition.digest)


@lru_cache(maxsize=PARSED)
def _model(pk: int, digest: str) -> dmn.DecisionModel:
    return dmn.parse(bytes(DecisionDefinition.objects.only("xml").get(pk=pk).xml))


def _row(decision_id: str, version: int | None, version_tag: str) -> DecisionDefinition | None:
    versions = DecisionDefinition.objects.filter(decision_id=decision_id)
    if version is not None:
        versions = versions.filter(version=version)
    if version_tag:
        versions = versions.filter(version_tag=version_tag)
    return versions.defer("xml").order_by("-version").first()


class _Library:
    """What is deployed, for processes that call decisions. It holds nothing, and may be shared between threads."""

    def find(self, decision_id: str, *, version: int | None = None, version_tag: str = "") -> dmn.Published | None:
        row = _row(decision_id, version, version_tag)
        return None if row is None else dmn.Published(model_of(row), row.version)


LIBRARY: dmn.Library = _Library()
