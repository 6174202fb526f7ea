"""The addresses of lists, with their filters."""

from __future__ import annotations

from django.urls import reverse


def listed(model: str, **filters: str) -> str:
    """The list of the rows of a model of ours, such as ``listed("job", due="now")``."""
    return reverse(f"admin:processes_{model}_changelist", query=filters)
