"""Publish a message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import time_to_live, variables
from processes.management.door import Door, by
from processes.runtime import messages


class Command(Door):
    help = "Publishes a message: to the instances that wait for it, and buffered for those that will in its time."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("--correlation-key", default="", metavar="KEY")
        parser.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
        parser.add_argument("--id", dest="message_id", metavar="ID", help="a second message with this id is the first")
        parser.add_argument(
            "--ttl", type=time_to_live, metavar="SECONDS", help="how long it is buffered; 0: for who waits now"
        )

    def handle(
        self,
        *,
        name: str,
        correlation_key: str,
        variables: dict[str, Any],
        message_id: str | None,
        ttl: float | None,
        as_json: bool,
        **options: Any,
    ) -> None:
        published = messages.publish(
            name,
            correlation_key=correlation_key,
            variables=variables,
            message_id=message_id,
            ttl=None if ttl is None else timedelta(seconds=ttl),
            by=by(),
        )
        message, reached = published.message, list(published.correlated)
        if as_json:
            self.json(
                {
                    "id": message.pk,
                    "created": published.created,
                    "expires_at": message.expires_at.isoformat(),
                    "correlated": reached,
                }
            )
            return
        how = "was published" if published.created else "was published before"
        whom = f"reached {', '.join(map(str, reached))}" if reached else "reached nobody so far"
        self.say(f"Message {message.pk} {how}; {whom}; buffered until {message.expires_at:%Y-%m-%d %H:%M:%S}.")
