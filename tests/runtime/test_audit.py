"""Whatever is done to the installation is written down with it, and what did not happen is not."""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.utils import timezone

import processes
from processes.models import Action, Job, ProcessInstance, Step
from processes.runtime import (
    Rejected,
    audit,
    batches,
    bindings,
    connections,
    decisions,
    definitions,
    instances,
    lifecycle,
    retention,
    secrets,
    user_tasks,
)
from processes.runtime.modifications import Cancel
from tests.decisions import decisions as dmn
from tests.decisions import table
from tests.drawing import Drawing

pytestmark = pytest.mark.django_db
BY = "user:ada"


def told() -> list[tuple[str, str, str, str, str]]:
    return list(Action.objects.order_by("id").values_list("verb", "kind", "name", "by", "reason"))


def deploy() -> Any:
    return definitions.deploy(Drawing("order").start().service("t", type="t").end().xml(), by=BY).definitions[0]


def test_deployments_only_where_there_is_something_new() -> None:
    deploy()
    deploy()
    assert told() == [("deploy", "process definition", "order", BY, "")]
    assert Action.objects.get().details["version"] == 1


def test_connections_from_the_first_to_the_last() -> None:
    connections.put("shop", {"url": "https://shop.example"}, by=BY)
    connections.put("shop", {"rate": 5.0}, by=BY)
    connections.pause("shop", by=BY, reason="Maintenance")
    connections.resume("shop", by=BY)
    connections.drop("shop", by=BY)
    assert told() == [
        ("create", "connection", "shop", BY, ""),
        ("change", "connection", "shop", BY, ""),
        ("pause", "connection", "shop", BY, "Maintenance"),
        ("resume", "connection", "shop", BY, ""),
        ("drop", "connection", "shop", BY, ""),
    ]
    assert Action.objects.order_by("id")[1].details == {"fields": ["rate"]}


def test_secrets_without_their_values(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    secrets.put("TOKEN", "hunter2-hunter2", by=BY)
    secrets.put("TOKEN", "hunter3-hunter3", by=BY)
    secrets.rotate(by=BY)
    secrets.drop("TOKEN", by=BY)
    assert [verb for verb, *_ in told()] == ["create", "change", "rotate", "drop"]
    assert "hunter" not in str(list(Action.objects.values()))


def test_bindings() -> None:
    given = {"kind": "webhook", "path": "paid", "message_name": "paid", "proof": "hmac", "secret_name": "PAID"}
    bindings.put("paid", given, by=BY)
    bindings.pause("paid", by=BY)
    bindings.resume("paid", by=BY)
    bindings.drop("paid", by=BY)
    assert [verb for verb, *_ in told()] == ["create", "pause", "resume", "drop"]


def test_batches_with_their_reason_and_without_their_variables() -> None:
    pk = instances.start(deploy().definition, variables={"iban": "DE12"}, by=BY).instance.pk
    Action.objects.all().delete()
    batch = batches.modify([pk], cancel=[Cancel(element="t")], reason="Wrong tariff", by=BY)
    batches.pause(batch.pk, by=BY)
    batches.resume(batch.pk, by=BY)
    batches.cancel(batch.pk, by=BY)
    assert [(verb, reason) for verb, _, _, _, reason in told()] == [
        ("create", "Wrong tariff"), ("pause", ""), ("resume", ""), ("cancel", ""),
    ]  # fmt: skip
    assert Action.objects.order_by("id")[0].details == {"kind": "MODIFY", "instances": 1}


def test_a_purge_says_how_many() -> None:
    pk = instances.start(deploy().definition, by=BY).instance.pk
    instances.cancel(pk, by=BY)
    assert list(retention.purge(timedelta(), by=BY)) == [1]
    assert not ProcessInstance.objects.exists()
    assert Action.objects.get(verb="purge").details["instances"] == 1


def test_what_is_refused_leaves_no_record() -> None:
    for verb in (
        lambda: secrets.drop("NONE", by=BY),
        lambda: connections.pause("none", by=BY),
        lambda: batches.cancel(777, by=BY),
        lambda: bindings.pause("none", by=BY),
    ):
        with pytest.raises(Rejected):
            verb()
    assert told() == []


@pytest.mark.parametrize(("kept", "left"), [(None, ["1", "30"]), (20, ["1"]), (400, ["1", "30", "366"])])
def test_records_are_kept_for_a_year_unless_set(settings: Any, kept: int | None, left: list[str]) -> None:
    if kept is not None:
        settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "AUDIT": timedelta(days=kept)}
    for days in (1, 30, 366):
        audit.record("pause", "connection", f"{days}", by=BY)
        Action.objects.filter(name=f"{days}").update(at=timezone.now() - timedelta(days=days))
    assert audit.forget() == 3 - len(left)
    assert list(Action.objects.order_by("id").values_list("name", flat=True)) == left


# -- why ---------------------------------------------------------------------------------------------------------------

TRAFFIC = {
    "broadcasts.spread",
    "claims.extend",
    "external.complete",
    "instances.start",
    "instances.suspend_with_caller",
    "jobs.carry_out",
    "jobs.complete",
    "jobs.fail",
    "jobs.throw_error",
    "messages.publish",
    "settlement.settle",
    "signals.broadcast",
    "starts.begin",
    "starts.evaluate_conditions",
    "transaction.begin",
    "transaction.carry_on",
    "transaction.carry_out_together",
}
"""What programs do all day and no operator has to give a reason for."""
HERE = Path(processes.__file__).parent


def recorded() -> Iterator[tuple[str, ast.Call]]:
    """Every place that writes such a row, with the call that does."""
    for path in sorted(HERE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.record":
                yield f"{path.relative_to(HERE)}:{node.lineno}", node


def test_whatever_is_recorded_is_recorded_with_a_reason() -> None:
    found = dict(recorded())
    assert len(found) > 15
    assert [place for place, call in found.items() if "reason" not in {each.arg for each in call.keywords}] == []


def test_every_verb_of_an_operator_takes_a_reason() -> None:
    without = set()
    for path in (HERE / "runtime").glob("*.py"):
        module = importlib.import_module(f"processes.runtime.{path.stem}")
        for name, verb in vars(module).items():
            if inspect.isfunction(verb) and verb.__module__ == module.__name__ and not name.startswith("_"):
                given = inspect.signature(verb).parameters
                if "by" in given and "reason" not in given:
                    without.add(f"{path.stem}.{name}")
    assert without == TRAFFIC


HOOK = {"kind": "webhook", "path": "paid", "message_name": "paid", "proof": "hmac", "secret_name": "PAID"}


def _batch() -> int:
    pk = instances.start(deploy().definition, by=BY).instance.pk
    return batches.modify([pk], cancel=[Cancel(element="t")], by=BY).pk


def _paused() -> int:
    pk = _batch()
    batches.pause(pk, by=BY)
    return pk


def _made(verb: Callable[..., Any], *given: Any) -> str:
    verb("it", *given, by=BY)
    return "it"


def _ended() -> timedelta:
    instances.cancel(instances.start(deploy().definition, by=BY).instance.pk, by=BY)
    return timedelta()


def _user_task() -> int:
    definition = (
        definitions.deploy(Drawing("ask").start().service("u", type=user_tasks.TYPE).end().xml(), by=BY)
        .definitions[0]
        .definition
    )
    return Job.objects.get(instance=instances.start(definition, by=BY).instance).pk


DISH = dmn(table("dish", inputs=["season"], outputs=["name"], rules=[('"Winter"', '"Roastbeef"')]))
SHOP = {"url": "https://shop.example"}
VERBS: dict[tuple[str, str], Callable[[], Callable[..., Any]]] = {
    ("connection", "create"): lambda: lambda **why: connections.put("it", SHOP, **why),
    ("connection", "change"): lambda: _bound(connections.put, _made(connections.put, SHOP), {"rate": 1.0}),
    ("connection", "pause"): lambda: _bound(connections.pause, _made(connections.put, SHOP)),
    ("connection", "resume"): lambda: _bound(connections.resume, _made(connections.put, SHOP)),
    ("connection", "drop"): lambda: _bound(connections.drop, _made(connections.put, SHOP)),
    ("inbound binding", "create"): lambda: lambda **why: bindings.put("it", HOOK, **why),
    ("inbound binding", "change"): lambda: _bound(bindings.put, _made(bindings.put, HOOK), {"tolerance": 9}),
    ("inbound binding", "pause"): lambda: _bound(bindings.pause, _made(bindings.put, HOOK)),
    ("inbound binding", "resume"): lambda: _bound(bindings.resume, _made(bindings.put, HOOK)),
    ("inbound binding", "drop"): lambda: _bound(bindings.drop, _made(bindings.put, HOOK)),
    ("secret", "create"): lambda: lambda **why: secrets.put("it", "hunter2-hunter2", **why),
    ("secret", "change"): lambda: _bound(secrets.put, _made(secrets.put, "old-value"), "new-value"),
    ("secret", "drop"): lambda: _bound(secrets.drop, _made(secrets.put, "old-value")),
    ("secret", "rotate"): lambda: secrets.rotate,
    ("batch", "create"): lambda: _bound(batches.modify, [instances.start(deploy().definition, by=BY).instance.pk],
                                        cancel=[Cancel(element="t")]),
    ("batch", "pause"): lambda: _bound(batches.pause, _batch()),
    ("batch", "resume"): lambda: _bound(batches.resume, _paused()),
    ("batch", "cancel"): lambda: _bound(batches.cancel, _batch()),
    ("process definition", "deploy"): lambda: _bound(definitions.deploy, Drawing("p").start().end().xml()),
    ("process definition", "suspend"): lambda: _bound(lifecycle.suspend, deploy().definition),
    ("process definition", "delete"): lambda: _bound(lifecycle.remove, deploy().definition),
    ("decision definition", "deploy"): lambda: _bound(decisions.deploy, DISH),
    ("user task", "assign"): lambda: _bound(user_tasks.assign, _user_task(), "bob"),
    ("process instance", "purge"): lambda: lambda **why: list(retention.purge(_ended(), **why)),
}  # fmt: skip


def _bound(verb: Callable[..., Any], *given: Any, **more: Any) -> Callable[..., Any]:
    return lambda **why: verb(*given, **more, **why)


@pytest.mark.parametrize(("kind", "verb"), VERBS, ids=" ".join)
def test_the_reason_is_kept(settings: Any, kind: str, verb: str) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    do = VERBS[kind, verb]()
    do(by=BY, reason="Told to")
    assert list(Action.objects.filter(reason="Told to").values_list("kind", "verb", "by")) == [(kind, verb, BY)]


def test_no_kind_of_row_is_left_out() -> None:
    kinds = {call.args[1].value for _, call in recorded() if isinstance(call.args[1], ast.Constant)}
    assert kinds == {kind for kind, _ in VERBS} | {"token"}  # those are asked for over REST only


def test_a_person_says_why_the_work_was_done() -> None:
    pk = _user_task()
    user_tasks.complete(pk, {}, by=BY, reason="By telephone")
    assert Step.objects.get(command="CompleteJob").reason == "By telephone"
