"""The admin door: asks the runtime for verbs, reads rows to show them. One room per kind of row.

Nothing is edited here but bindings, which are configuration: every change is a verb of `processes.runtime`, so what an
operator does leaves the same history as what a client or a worker does.
"""

from processes.admin import (
    actions,
    batches,
    connections,
    decisions,
    definitions,
    inbound,
    incidents,
    instances,
    jobs,
    messages,
    replies,
    secrets,
    workers,
)

__all__ = [
    "actions",
    "batches",
    "connections",
    "decisions",
    "definitions",
    "inbound",
    "incidents",
    "instances",
    "jobs",
    "messages",
    "replies",
    "secrets",
    "workers",
]
