"""Act on one instance in the place of who should have, or stop it and let it go on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import CommandParser

from processes.management.arguments import positive, variables
from processes.management.door import Door, by
from processes.runtime import by_hand, incidents, instances

VERBS = {
    "cancel": "end it with everything in it",
    "suspend": "nothing of it is handed out or fires",
    "resume": "undo suspend",
    "set-variables": "merge variables into a scope",
    "retry": "resolve an incident, by its id, perhaps with other variables",
    "complete-job": "its work was done elsewhere",
    "throw-error": "the work of a job ended in a business error",
    "skip": "end a visit without its work and go on behind it",
    "fire-timer": "now, instead of when it is due",
    "send-message": "to a subscription of this instance, and nobody else",
    "send-signal": "to a subscription of this instance, and nobody else",
}
PARTS = {
    "retry": "INCIDENT",
    "complete-job": "JOB",
    "throw-error": "JOB",
    "skip": "VISIT",
    "fire-timer": "TIMER",
    "send-message": "SUBSCRIPTION",
    "send-signal": "SUBSCRIPTION",
}
"""What a verb is about beside the instance: a key within it, but for incidents."""
GIVING = {"set-variables", "retry", "complete-job", "throw-error", "skip", "send-message", "send-signal"}


class Command(Door):
    help = (
        "Acts on one instance. Parts are named by their key within it, as the API and the admin show them; what is "
        "over by then is refused. See also modify_process, which moves tokens, and restart_process."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", parser_class=type(parser))
        for verb, text in VERBS.items():
            inner = verbs.add_parser(verb, help=text)
            super().add_arguments(inner)
            if verb != "retry":
                inner.add_argument("instance", type=positive, metavar="INSTANCE")
            if verb in PARTS:
                inner.add_argument("part", type=positive, metavar=PARTS[verb])
            if verb == "throw-error":
                inner.add_argument("code", metavar="CODE")
                inner.add_argument("--message", default="", metavar="TEXT")
            if verb in GIVING:
                inner.add_argument("--variables", type=variables, default={}, metavar="JSON", help="or @file.json")
            if verb in ("set-variables", "retry"):
                inner.add_argument("--scope", type=positive, default=0, metavar="VISIT", help="(the process)")
            if verb in ("complete-job", "throw-error"):
                inner.add_argument("--attempt", type=positive, metavar="N", help="refused where there is a later one")
            if verb == "retry":
                inner.add_argument("--retries", type=positive, metavar="N", help="tries (as the model says)")
            inner.add_argument("--reason", default="", metavar="TEXT", help="for the history")

    def handle(self, *, verb: str, as_json: bool, **options: Any) -> None:
        _bound(verb, options)()
        said = {name: options[name] for name in ("instance", "part") if name in options}
        if as_json:
            self.json({"verb": verb, **said, "done": True})
        else:
            self.say(f"{verb} {' '.join(map(str, said.values()))}: done.")


def _bound(verb: str, options: dict[str, Any]) -> Callable[[], Any]:
    """The verb of the runtime with what it is told."""
    instance: Any = options.get("instance")
    part: Any = options.get("part")
    given: Any = options.get("variables")
    told = {"reason": options["reason"], "by": by()}
    if verb == "set-variables":
        return partial(instances.set_variables, instance, given, scope=options["scope"], **told)
    if verb == "retry":
        more = {"retries": options["retries"], "scope": options["scope"]}
        return partial(incidents.resolve, part, variables=given, **more, **told)
    if verb == "complete-job":
        return partial(by_hand.complete_job, instance, part, given, attempt=options["attempt"], **told)
    if verb == "throw-error":
        error = (options["code"], options["message"], given)
        return partial(by_hand.throw_error, instance, part, *error, attempt=options["attempt"], **told)
    if verb == "fire-timer":
        return partial(by_hand.fire_timer, instance, part, **told)
    if verb in PARTS:
        bringing = {"skip": by_hand.skip, "send-message": by_hand.send_message, "send-signal": by_hand.send_signal}
        return partial(bringing[verb], instance, part, given, **told)
    return partial(
        {"cancel": instances.cancel, "suspend": instances.suspend, "resume": instances.resume}[verb], instance, **told
    )
