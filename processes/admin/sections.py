"""The pages by what people come for: how the index and the sidebar list them. Pure; names no model class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

SECTIONS: Mapping[str, Mapping[str, str]] = {
    "Operations": {
        "ProcessInstance": "running and ended processes: where they stand, their history",
        "Incident": "what is stuck and waits for you",
        "Batch": "the same done to many instances",
        "Job": "work for connectors and workers that is not done yet",
        "Worker": "who is there to work, on what",
    },
    "Models": {
        "ProcessDefinition": "BPMN files: deploy one, start an instance of it",
        "DecisionDefinition": "DMN files, deployed at the same place",
    },
    "The world outside": {
        "Connection": "where connectors call: limits, circuit breakers, pause",
        "Secret": "passwords and tokens that models name",
        "InboundBinding": "queues and webhooks whose events become messages",
        "Message": "what was published, and whom it reached",
        "AwaitedReply": "answers that jobs wait for",
        "EarlyReply": "answers that nobody waits for yet",
    },
    "Access": {
        "User": "who may log in",
        "Group": "viewer, operator, deployer, administrator: who may do what",
        "AuthToken": "access for programs",
        "Action": "who did what to this installation, when and why",
    },
}
"""Headings, and below them the names of models with what a newcomer finds there."""


def sections(apps: Iterable[Mapping[str, Any]], *, deploy: str = "") -> list[dict[str, Any]]:
    """Django's list of apps, sorted anew; a model that is named nowhere stays below its app, at the end.

    `deploy` is the address where files are deployed, for who may: definitions are added there.
    """
    found: dict[str, dict[str, Any]] = {}
    others: list[dict[str, Any]] = []
    for app in apps:
        rest = []
        for model in app["models"]:
            if any(model["object_name"] in models for models in SECTIONS.values()):
                found[model["object_name"]] = model
            else:
                rest.append(model)
        if rest:
            others.append({**app, "models": rest})
    if deploy and "ProcessDefinition" in found:
        found["ProcessDefinition"] = {**found["ProcessDefinition"], "add_url": deploy, "add_word": "Deploy"}
    known = [
        {
            "name": heading,
            "app_label": heading.lower().replace(" ", "-"),
            "app_url": "",
            "has_module_perms": True,
            "models": [{**found[name], "hint": hint} for name, hint in models.items() if name in found],
        }
        for heading, models in SECTIONS.items()
    ]
    return [section for section in known if section["models"]] + others
