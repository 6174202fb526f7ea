"""What begins instances beside callers: of the newest version only, each once, and none lost."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from processes.models import (
    Message,
    MessageCorrelation,
    ProcessDefinition,
    ProcessInstance,
    SignalDelivery,
    StartOccurrence,
    StartSubscription,
)
from processes.runtime import ModelInvalid, Rejected, definitions, instances, messages, signals, starts, sweep
from tests.drawing import Drawing
from tests.drawing import together as in_one_file
from tests.runtime.conftest import deployed, together
from tests.runtime.test_calls import do, killed_at_its_commit, state

pytestmark = pytest.mark.django_db(transaction=True)


def hearing(process_id: str = "order") -> Drawing:
    return Drawing(process_id).start_message("hear", "placed").service("work", type="a").end()


def nightly(value: str = "R/PT24H", kind: str = "timeCycle") -> Drawing:
    return Drawing("report").start_timer("night", value, kind=kind).end()


def everyone() -> list[ProcessInstance]:
    return list(ProcessInstance.objects.order_by("id"))


# -- messages ----------------------------------------------------------------------------------------------------------


def test_a_message_starts_an_instance() -> None:
    deployed(hearing())
    published = messages.publish("placed", variables={"order": 7})
    (instance,) = everyone()
    assert published.started == published.correlated == [instance.pk]
    assert (instance.variables, instance.start_element) == ({"order": 7}, "hear")
    assert instance.started_by == "message:placed"
    assert MessageCorrelation.objects.get().started
    assert messages.publish("other").started == []


def test_every_message_without_a_key_starts_one() -> None:
    deployed(hearing())
    for _ in range(3):
        messages.publish("placed")
    assert len(everyone()) == 3


def test_a_key_has_one_live_instance_at_a_time() -> None:
    deployed(hearing())
    for number in range(3):
        messages.publish("placed", correlation_key="7", variables={"number": number})
    messages.publish("placed", correlation_key="8")
    assert [each.correlation_key for each in everyone()] == ["7", "8"]
    assert messages.match() == 0
    do()  # whichever of both: the other goes on too
    do()
    assert [each.variables.get("number") for each in everyone() if each.correlation_key == "7"] == [0, 1]
    do()
    do()
    assert [state(each) for each in everyone()] == ["COMPLETED"] * 4


def test_a_key_is_free_again_for_what_the_sweep_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed(hearing())
    messages.publish("placed", correlation_key="7")
    messages.publish("placed", correlation_key="7")
    monkeypatch.setattr("processes.runtime.transaction._matchers", [])  # as if whoever commits died at once
    instances.cancel(everyone()[0].pk)
    assert len(everyone()) == 1
    assert messages.match() == 1
    assert len(everyone()) == 2
    assert messages.match() == 0


def test_who_waits_comes_first() -> None:
    drawing = Drawing("order").start_message("hear", "placed").service("work", type="a")
    deployed(drawing.message("more", "placed", "=id").end())
    messages.publish("placed", variables={"id": "7"})
    (instance,) = everyone()
    do()
    published = messages.publish("placed", correlation_key="7")
    assert (published.correlated, published.started) == ([instance.pk], [])


def test_a_message_starts_one_instance_of_every_process() -> None:
    deployed(hearing())
    deployed(hearing("invoice"))
    assert len(messages.publish("placed").started) == 2
    assert sorted(each.process_id for each in everyone()) == ["invoice", "order"]


def test_a_buffered_message_starts_what_is_deployed_later() -> None:
    messages.publish("placed", correlation_key="7", ttl=timedelta(hours=1))
    messages.publish("placed", ttl=timedelta())
    deployed(hearing())
    (instance,) = everyone()
    assert instance.correlation_key == "7"
    instances.cancel(instance.pk)
    deployed(Drawing("order").start_message("hear", "placed").end())
    assert len(everyone()) == 1  # a new version begins nothing with what was heard before


def test_a_message_is_heard_once_however_many_look() -> None:
    deployed(hearing())
    published = together(*[partial(messages.publish, "placed", correlation_key="7", message_id="m")] * 4)
    assert sorted(each.created for each in published) == [False, False, False, True]
    assert len(everyone()) == 1
    Message.objects.all().delete()
    together(*[partial(messages.publish, "placed", correlation_key="9")] * 4)
    assert sum(each.correlation_key == "9" for each in everyone()) == 1
    messages.match()
    assert sum(each.correlation_key == "9" for each in everyone()) == 1


def test_a_thrown_message_starts_another_process() -> None:
    deployed(hearing())
    definition = deployed(Drawing("shop").start().throw_message("tell", "placed").end())
    instances.start(definition, variables={"order": 7})
    assert [each.process_id for each in everyone()] == ["shop", "order"]


def test_a_message_may_begin_at_an_event_based_gateway() -> None:
    drawing = Drawing("order").node("eventBasedGateway", "first", instantiate="true")
    drawing = drawing.message("by-mail", "mail").service("a", type="a").end().at("first")
    deployed(drawing.message("by-phone", "phone").service("b", type="b").end("end2"))
    messages.publish("phone", correlation_key="7")
    (instance,) = everyone()
    assert instance.start_element == "by-phone"
    assert list(instance.nodes.values_list("element_id", flat=True)) == ["first", "by-phone", "b"]


def test_a_parallel_gateway_takes_all_its_messages_under_one_key() -> None:
    drawing = Drawing("order").node("eventBasedGateway", "all", eventGatewayType="Parallel", instantiate="true")
    drawing = drawing.message("placed", "placed").parallel("both").service("a", type="a").end()
    deployed(drawing.at("all").message("paid", "paid").to("both"))
    together(*[partial(messages.publish, name, correlation_key="7") for name in ("placed", "paid")])
    messages.publish("paid", correlation_key="8")
    messages.match()
    first, second = everyone()
    assert list(first.nodes.filter(ended_at__isnull=True).values_list("element_id", flat=True)) == ["a"]
    assert (second.correlation_key, second.start_element) == ("8", "paid")
    assert messages.publish("placed", correlation_key="8").correlated == [second.pk]
    assert list(second.nodes.filter(ended_at__isnull=True).values_list("element_id", flat=True)) == ["a"]


# -- several messages or signals together ------------------------------------------------------------------------------


def both(*triggers: tuple[str, ...], process_id: str = "deal", then: str = "a") -> Drawing:
    triggers = triggers or (("message", "ordered"), ("message", "paid"))
    drawing = Drawing(process_id).start_on("both", *triggers, parallelMultiple="true")
    return drawing.service("work", type=then).end()


def test_messages_start_an_instance_once_all_have_come_under_one_key() -> None:
    deployed(both())
    first = messages.publish("ordered", correlation_key="7", variables={"a": 1, "b": 1}, ttl=timedelta())
    messages.publish("paid", correlation_key="8")
    assert (first.correlated, everyone()) == ([], [])
    assert api_of(first.message) == [(None, False)], "it is taken, though nobody has it yet"
    last = messages.publish("paid", correlation_key="7", variables={"b": 2})
    (instance,) = everyone()
    assert last.started == last.correlated == [instance.pk]
    assert (instance.variables, instance.start_element, instance.correlation_key) == ({"a": 1, "b": 2}, "both", "7")
    assert api_of(first.message) == api_of(last.message) == [(instance.pk, True)]
    assert [one.correlation_key for one in StartOccurrence.objects.all()] == ["8"]
    assert messages.match() == 0


def api_of(message: Message) -> list[tuple[int | None, bool]]:
    return list(message.correlations.values_list("instance_id", "started"))


def test_a_message_that_comes_again_before_the_others_waits_for_the_next_time() -> None:
    deployed(both())
    for key in ("", "7"):
        for number in (1, 2):
            messages.publish("ordered", correlation_key=key, variables={"n": number})
        assert messages.match() == 0
        messages.publish("paid", correlation_key=key)
        messages.publish("paid", correlation_key=key)
    assert [each.variables for each in everyone()] == [{"n": 1}, {"n": 2}, {"n": 1}], "7 has a live instance"
    for _ in range(3):
        do()
    assert [(each.correlation_key, each.variables) for each in everyone()][3:] == [("7", {"n": 2})]


def test_of_two_that_come_at_once_the_last_one_starts_it() -> None:
    deployed(both(("message", "a"), ("message", "b"), ("message", "c")))
    for key in "123456":
        together(*[partial(messages.publish, name, correlation_key=key) for name in "abc"])
        messages.match()
    assert [each.correlation_key for each in everyone()] == list("123456")
    assert not StartOccurrence.objects.exists()


def test_signals_start_an_instance_once_all_were_thrown() -> None:
    deployed(both(("signal", "open"), ("signal", "staffed")))
    for number in (1, 2):
        assert signals.broadcast("open", {"n": number}).awaited_by == 1
    assert everyone() == []
    signals.broadcast("staffed", {"m": 3})
    assert [each.variables for each in everyone()] == [{"n": 1, "m": 3}], "one that comes again counts once"
    signals.broadcast("staffed")
    assert len(everyone()) == 1
    assert not SignalDelivery.objects.exists()


def test_a_new_version_takes_over_what_has_come_if_it_waits_for_the_same() -> None:
    deployed(both())
    messages.publish("ordered", correlation_key="7")
    deployed(both(then="b"))
    messages.publish("paid", correlation_key="7")
    assert [each.definition.version for each in everyone()] == [2]
    messages.publish("ordered", correlation_key="8")
    deployed(both(("message", "ordered"), ("message", "shipped")))
    assert not StartOccurrence.objects.exists()
    messages.publish("shipped", correlation_key="8")
    assert len(everyone()) == 1


def test_a_killed_process_kept_the_message_or_did_not() -> None:
    deployed(both())
    published = messages.publish("ordered", correlation_key="7")
    messages.publish("other")
    killed_at_its_commit(
        "from processes.runtime import messages, occurrences\n"
        "spend = occurrences.spend\n"
        "def die(*args):\n"
        "    spend(*args)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "occurrences.spend = die\n"
        "messages.publish('paid', correlation_key='7')\n"
    )
    assert everyone() == []  # it died before its commit
    assert api_of(published.message) == [(None, False)]
    assert messages.match() == 1
    assert api_of(published.message) == [(everyone()[0].pk, True)]


# -- timers ------------------------------------------------------------------------------------------------------------


def lapse() -> None:
    StartSubscription.objects.filter(due_at__isnull=False).update(due_at=timezone.now())


def test_a_timer_starts_an_instance_exactly_once_each_time() -> None:
    deployed(nightly())
    assert starts.fire_due() == 0
    lapse()
    assert sum(together(*[starts.fire_due] * 4)) == 1
    (instance,) = everyone()
    assert (instance.state, instance.started_by, instance.start_element) == ("COMPLETED", "timer", "night")
    row = StartSubscription.objects.get()
    assert timedelta(hours=23) < row.due_at - timezone.now() <= timedelta(hours=24)
    lapse()
    assert sweep.sweep_once().begun == 1
    assert len(everyone()) == 2


@pytest.mark.parametrize(("value", "kind", "times"), [("R3/PT1H", "timeCycle", 3), ("PT1H", "timeDuration", 1)])
def test_a_timer_starts_so_many_instances(value: str, kind: str, times: int) -> None:
    deployed(nightly(value, kind))
    for _ in range(times + 2):
        lapse()
        starts.fire_due()
    assert len(everyone()) == times


def test_only_the_newest_version_begins() -> None:
    deployed(nightly())
    deployed(nightly("R/PT1H"))
    assert StartSubscription.objects.get().definition.version == 2
    lapse()
    starts.fire_due()
    assert [each.definition.version for each in everyone()] == [2]
    deployed(nightly("R/PT1H"))  # the same file again changes nothing, and does not begin to count anew
    assert StartSubscription.objects.get().definition.version == 2
    deployed(Drawing("report").start().end())
    assert not StartSubscription.objects.exists()


@pytest.mark.only_on("postgresql")
def test_what_an_older_version_owes_is_not_fired_while_a_newer_one_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    past = (timezone.now() - timedelta(hours=1)).isoformat()
    deployed(nightly(past, "timeDate"))
    subscribe, fired = definitions._subscribe, []

    def beside(*given: Any) -> None:
        fired.extend(together(starts.fire_due))
        subscribe(*given)

    monkeypatch.setattr(definitions, "_subscribe", beside)
    more = Drawing("report").start_timer("night", past, kind="timeDate").service("more", type="a").end()
    newest = deployed(more)
    assert (fired, everyone()) == ([0], [])
    sweep.sweep_once()
    sweep.sweep_once()
    assert [instance.definition_id for instance in everyone()] == [newest.pk]


def test_a_definition_that_is_deleted_begins_nothing() -> None:
    deployed(nightly())
    ProcessDefinition.objects.all().delete()
    assert not StartSubscription.objects.exists()


def test_a_killed_process_started_it_or_did_not() -> None:
    deployed(nightly())
    lapse()
    killed_at_its_commit(
        "from processes.runtime import starts\n"
        "started = starts.begin\n"
        "def begin(*args, **options):\n"
        "    started(*args, **options)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "starts.begin = begin\n"
        "starts.fire_due()\n"
    )
    assert everyone() == []  # it died before its commit
    assert starts.fire_due() == 1
    assert len(everyone()) == 1


# -- conditions --------------------------------------------------------------------------------------------------------


def cooling(process_id: str = "cooling", condition: str = "=heat > 30") -> Drawing:
    return Drawing(process_id).start_on("hot", ("conditional", condition)).service("cool", type="a").end()


def test_a_condition_that_is_true_starts_an_instance_each_time_it_is_asked_for() -> None:
    deployed(cooling())
    deployed(cooling("alarm", "=heat > 40"))
    found = starts.evaluate_conditions({"heat": 35}, business_key="hall 3", by="user:alice")
    (instance,) = everyone()
    assert [one.pk for one in found.started] == [instance.pk]
    assert (instance.process_id, instance.start_element, instance.variables) == ("cooling", "hot", {"heat": 35})
    assert (instance.business_key, instance.started_by) == ("hall 3", "user:alice")
    assert [one.process_id for one in starts.evaluate_conditions({"heat": 45}).started] == ["alarm", "cooling"]
    assert [one.process_id for one in starts.evaluate_conditions({"heat": 45}, process_id="alarm").started] == ["alarm"]
    assert starts.evaluate_conditions({"heat": 20}) == starts.evaluate_conditions() == starts.Evaluated((), ())
    assert len(everyone()) == 4


def test_conditions_are_those_of_the_newest_version() -> None:
    deployed(cooling())
    deployed(cooling(condition="=heat > 50"))
    assert starts.evaluate_conditions({"heat": 45}).started == ()
    assert [one.definition.version for one in starts.evaluate_conditions({"heat": 55}).started] == [2]


def test_a_condition_that_cannot_be_evaluated_keeps_nobody_else_from_starting() -> None:
    deployed(cooling("broken", "=10 ** heat > 1"))
    deployed(cooling())
    found = starts.evaluate_conditions({"heat": 9999})
    assert [one.process_id for one in found.started] == ["cooling"]
    ((process_id, element, message),) = [(one.process_id, one.element, one.message) for one in found.unknown]
    assert (process_id, element) == ("broken", "hot")
    assert "6144 digits" in message


def test_a_condition_among_several_triggers_is_one_of_them() -> None:
    deployed(
        Drawing("many").start_on("begin", ("message", "order"), ("conditional", "=hot"), ("conditional", "=fire")).end()
    )
    messages.publish("order")
    assert len(starts.evaluate_conditions({"hot": True, "fire": True}).started) == 1
    assert len(everyone()) == 2


def test_what_is_asked_of_conditions_has_to_make_sense() -> None:
    for asked, code in (({"process_id": "nobody"}, "definition-not-found"), ({"variables": [1]}, "variables-invalid")):
        with pytest.raises(Rejected) as refusal:
            starts.evaluate_conditions(**asked)  # type: ignore[arg-type]
        assert refusal.value.code == code


# -- signals and hands -------------------------------------------------------------------------------------------------


def test_a_signal_starts_every_process_that_hears_it() -> None:
    for process_id in ("a", "b"):
        deployed(Drawing(process_id).start_on("hear", ("signal", "alarm")).service("work", type="t").end())
    assert signals.broadcast("alarm", {"where": "here"}, by="user:alice").awaited_by == 2
    assert signals.broadcast("quiet").awaited_by == 0
    assert [each.process_id for each in everyone()] == ["a", "b"]
    assert [each.variables for each in everyone()] == [{"where": "here"}] * 2
    assert signals.deliver() == 0, "each begins once"


def test_a_start_event_with_several_triggers_begins_with_each_of_them() -> None:
    triggers = ("message", "order"), ("signal", "alarm"), ("timer", "PT1H")
    deployed(Drawing("many").start_on("begin", *triggers).service("work", type="t").end())
    assert {start.kind for start in StartSubscription.objects.all()} == {"MESSAGE", "SIGNAL", "TIMER"}
    messages.publish("order", variables={"a": 1})
    signals.broadcast("alarm", {"b": 2})
    StartSubscription.objects.filter(kind="TIMER").update(due_at=timezone.now())
    assert starts.fire_due() == 1
    assert [each.variables for each in everyone()] == [{"a": 1}, {"b": 2}, {}]
    assert starts.fire_due() == 0, "a duration is over once"


def test_a_process_that_hears_what_it_throws_begins_again_and_again_but_never_in_depth() -> None:
    deployed(Drawing("echo").start_on("hear", ("signal", "echo")).end_on("throw", ("signal", "echo")))
    signals.broadcast("echo")
    assert ProcessInstance.objects.count() == signals.AT_ONCE, "the rest is left to the sweep"
    assert signals.deliver(1) == 1
    assert SignalDelivery.objects.count() == 1


def test_a_process_without_a_none_start_event_is_not_started_by_hand() -> None:
    definition = deployed(hearing())
    with pytest.raises(Rejected) as refusal:
        instances.start(definition)
    assert refusal.value.code == "no-none-start"
    assert everyone() == []


def test_several_ways_to_begin_one_process() -> None:
    drawing = Drawing("order").start().service("work", type="a").end()
    drawing = drawing.start_message("hear", "placed").to("work").start_timer("night", "PT1H").to("work")
    definition = deployed(drawing)
    instances.start(definition)
    messages.publish("placed")
    lapse()
    starts.fire_due()
    assert [each.start_element for each in everyone()] == ["", "hear", "night"]


def test_what_cannot_begin_is_refused_when_it_is_deployed() -> None:
    twice = hearing().start_message("hear2", "placed").to("work")
    for drawing, rule in (
        (Drawing().start_message("hear", "=name").end(), "bad-start"),
        (Drawing().start_timer("t", "=when").end(), "bad-start"),
        (twice, "start-twice"),
    ):
        with pytest.raises(ModelInvalid) as refusal:
            deployed(drawing)
        assert [problem.rule for problem in refusal.value.problems] == [rule]
    assert not ProcessDefinition.objects.exists()


def test_several_processes_of_one_file_begin_each_by_itself() -> None:
    other = Drawing("bill").start_message("hear-too", "placed").end("over")
    deployment = definitions.deploy(in_one_file(hearing(), other))
    assert [each.definition.process_id for each in deployment.definitions] == ["order", "bill"]
    assert len(messages.publish("placed").started) == 2
