"""The history in sentences: facts and commands as an operator reads them. Pure; facts come as they are stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from string import Formatter
from typing import Any

from django.utils.dateparse import parse_datetime

Fact = Mapping[str, Any]
Naming = Callable[[Any], str]

_SENTENCES = {
    "InstanceStarted": "The instance started{with_variables}.",
    "FlowTaken": "Flow {flow} was taken.",
    "TokenWithdrawn": "Token {token} was withdrawn.",
    "NodeEntered": "{element} was entered.",
    "FlowsJoined": "{node} took the tokens that had come, and waits for the others.",
    "NodeActivated": "{node} is active{with_variables}.",
    "NodeCompleting": "{node} has its result and is completing.",
    "RoundsPlanned": "{node} is to be done {size} times.",
    "RoundBegan": "{node} began round {position}{with_variables}.",
    "OutputCollected": "{node} gave its output to the collection.",
    "AdHocPlanned": "{node} has yet to perform: {elements}.",
    "NodeCompleted": "{node} completed.",
    "NodeTerminated": "{node} was terminated.",
    "VariablesSet": "{scope} got {names}.",
    "JobCreated": "A job of type {type} was created for {node}, {tries}.",
    "JobCompleted": "Attempt {attempt} completed the job.",
    "JobFailed": "Attempt {attempt} failed: {message} {next_try}",
    "JobErrorThrown": "Attempt {attempt} threw the error {code}: {message}",
    "JobResumed": "The job of type {type} is due again, {tries}.",
    "ProcessCalled": "{node} called the process {process}{with_variables}.",
    "CallCompleted": "The called process completed.",
    "CallFailed": "The called process did not complete: {message}",
    "TimerScheduled": "The timer {element} was set to {due_at}.",
    "TimerFired": "The timer fired.",
    "MessageAwaited": "{element} waits for the message {name} with the key “{correlation_key}”.",
    "MessageCorrelated": "The message arrived{with_variables}.",
    "MessageThrown": "The message {name} with the key “{correlation_key}” was sent.",
    "DecisionEvaluated": "The decision {decision} v{version} was evaluated{with_rules}.",
    "SignalAwaited": "{element} waits for the signal {name}.",
    "SignalReceived": "The signal arrived{with_variables}.",
    "SignalThrown": "The signal {name} was thrown{with_variables}.",
    "ConditionAwaited": "{element} waits for the condition {expression}.",
    "ConditionChanged": "The condition became {truth}.",
    "WaitsWithdrawn": "{node} waits for some things no longer.",
    "EscalationThrown": "The escalation {code} was thrown at {node}: {caught}",
    "CompensationRegistered": "{element} can be undone from now on.",
    "CompensationThrown": "{node} has undone what is completed.",
    "CompensationStarted": "{handler} undoes something.",
    "Compensated": "It is undone.",
    "ErrorThrown": "The error {code} was thrown at {node}: {caught}",
    "ErrorEscaped": "The error {code} went on to the caller.",
    "IncidentRaised": "Incident at {node}: {message}",
    "IncidentResolved": "The incident was resolved.",
    "InstanceRestarted": "It began in the place of instance {instance}{because}.",
    "InstanceModified": "The instance was modified{because}.",
    "InstanceMigrated": "The instance went on in process {process}, definition {definition}{because}.",
    "NodeMigrated": "{node} became {element}.",
    "TokenMigrated": "Token {token} waits on flow {flow} from now on.",
    "JobMigrated": "The job became one of type {type}.",
    "WaitMigrated": "What is waited for triggers {element} from now on.",
    "InstanceSuspended": "The instance was suspended{because}.",
    "InstanceResumed": "The instance was resumed{because}.",
    "InstanceCompleted": "The instance completed.",
    "InstanceTerminated": "The instance was terminated{because}.",
}

LOUD = frozenset({"JobFailed", "JobErrorThrown", "CallFailed", "ErrorThrown", "IncidentRaised", "InstanceTerminated"})
QUIET = frozenset({"FlowTaken", "NodeEntered", "NodeActivated", "NodeCompleting", "RoundBegan", "OutputCollected"})
KEYS = ("node", "scope")
"""Fields of facts that hold the key of a visit."""


def words(name: str) -> str:
    """``ResolveIncident`` as ``Resolve incident``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).capitalize()


def weight(fact: Fact) -> str:
    """How loud a fact is: ``loud``, ``quiet`` or nothing."""
    name = fact.get("fact")
    return "loud" if name in LOUD else "quiet" if name in QUIET else ""


def sentence(fact: Fact, naming: Naming) -> str:
    """A fact in words; `naming` gives the element of a visit by its key. Facts unknown here are told field by field."""
    name = str(fact.get("fact", ""))
    template = _SENTENCES.get(name)
    if template is None:
        details = ", ".join(f"{key} {_value(key, value, naming)}" for key, value in fact.items() if key != "fact")
        return f"{words(name)}: {details}." if details else f"{words(name)}."
    return _Telling(naming).vformat(template, (), {**fact, **_derived(fact)}).strip()


def keys_in(facts: Iterable[Fact]) -> set[int]:
    """The keys of all visits that the facts speak of."""
    return {fact[field] for fact in facts for field in KEYS if isinstance(fact.get(field), int)}


class _Telling(Formatter):
    """Fills a sentence; a field that a fact lacks leaves a gap instead of an error: histories outlive versions."""

    def __init__(self, naming: Naming) -> None:
        self.naming = naming

    def get_value(self, key: Any, args: Any, kwargs: Any) -> Any:
        return _value(str(key), kwargs.get(key, "?"), self.naming)

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        return self.get_value(field_name, args, kwargs), field_name


def _value(key: str, value: Any, naming: Naming) -> str:
    if key in KEYS:
        return naming(value)
    if key.endswith("_at") and isinstance(value, str) and (moment := parse_datetime(value)):
        return f"{moment:%Y-%m-%d %H:%M:%S}"
    return str(value)


def _derived(fact: Fact) -> dict[str, str]:
    variables = fact.get("variables") or {}
    names = ", ".join(list(variables)[:8]) + (f" and {len(variables) - 8} more" if len(variables) > 8 else "")
    due_at = parse_datetime(fact["due_at"]) if isinstance(fact.get("due_at"), str) else None
    tries = "1 try" if fact.get("retries") == 1 else f"{fact.get('retries')} tries"
    return {
        "tries": tries,
        "elements": ", ".join(fact.get("queue") or []) or "nothing more",
        "truth": "true" if fact.get("satisfied") else "false again",
        "names": names or "nothing new",
        "with_variables": f" with {names}" if variables else "",
        "because": f": {fact['reason']}" if fact.get("reason") else "",
        "next_try": f"(next at {due_at:%Y-%m-%d %H:%M:%S}, {tries} left)" if due_at else "(no tries left)",
        "with_rules": _rules(fact.get("decisions") or ()),
        "caught": f"{fact['catcher']} caught it." if fact.get("catcher") else "nobody catches it.",
    }


def _rules(decisions: Iterable[Mapping[str, Any]]) -> str:
    """The rules that matched, of each decision that has any: ``: rules 1, 3 of dish``."""
    told = [
        f"rule{'s' if len(numbers) > 1 else ''} {', '.join(numbers)} of {one.get('name') or one.get('decision')}"
        for one in decisions
        if (numbers := [str(rule.get("index")) for rule in one.get("rules") or ()][:20])
    ]
    return f": {'; '.join(told[:8])}" if told else ""
