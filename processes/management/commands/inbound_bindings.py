"""List, show, set, pause, resume and drop inbound bindings."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from processes.management.door import Door, by
from processes.management.named_verbs import add_named_verbs
from processes.models import InboundBinding
from processes.runtime import bindings


class Command(Door):
    help = (
        "Queues, streams and webhooks that become messages. `set NAME JSON` makes one or changes the fields that it "
        """gives, such as '{"kind": "webhook", "path": "bank", "secret_name": "BANK_KEY", "message_name": "paid", """
        """"correlation_key": "=body.order"}'; secrets are named, their values are written with set_secret."""
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_named_verbs(
            parser,
            list="all of them",
            pause="take nothing in; a queue keeps what comes",
            resume="take in again",
            delete="drop one, with its memory of what was received",
        )

    def handle(self, *, verb: str, as_json: bool, **options: Any) -> None:
        if verb == "list":
            self._list(as_json)
        elif verb == "delete":
            bindings.drop(options["name"], by=by(), reason=options["reason"])
            self._done({"name": options["name"], "deleted": True}, f"{options['name']} was dropped.", as_json)
        else:
            row = self._carry_out(verb, options)
            self._done(_document(row), _line(row) if verb != "show" else _lines(row), as_json)

    def _carry_out(self, verb: str, options: dict[str, Any]) -> InboundBinding:
        name: str = options["name"]
        if verb == "set":
            return bindings.put(name, options["fields"], by=by(), reason=options["reason"])
        if verb == "pause":
            return bindings.pause(name, by=by(), reason=options["reason"])
        if verb == "resume":
            return bindings.resume(name, by=by(), reason=options["reason"])
        return bindings.find(name)

    def _list(self, as_json: bool) -> None:
        rows = list(InboundBinding.objects.all())
        if as_json:
            self.json([_document(row) for row in rows])
            return
        for row in rows:
            self.say(_line(row))
        self.say(f"{len(rows):,} inbound bindings.")

    def _done(self, document: Any, text: str, as_json: bool) -> None:
        if as_json:
            self.json(document)
        else:
            self.say(text)


def _document(row: InboundBinding) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("name", "enabled", *bindings.FIELDS)}


def _line(row: InboundBinding) -> str:
    where = f"/api/v1/webhooks/{row.path}" if row.kind == InboundBinding.Kind.WEBHOOK else row.queue
    key = f", correlated by {row.correlation_key}" if row.correlation_key else ""
    return f"{row.name} ({row.kind}) {where}: {row.message_name}{key}{'' if row.enabled else ', paused'}"


def _lines(row: InboundBinding) -> str:
    return "\n".join(f"{name}: {value}" for name, value in _document(row).items())
