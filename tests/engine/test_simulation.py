"""Models are played with services that answer as told and a clock that jumps."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from processes.engine.parser import parse
from processes.engine.simulation import Coverage, ScenarioInvalid, Simulation, differences, read_scenarios
from processes.engine.state import InstanceState
from tests.drawing import Definition, Drawing, together

Line = dict[str, Any]


def play(drawing: Drawing, scenario: dict[str, Any] | None = None, **options: Any) -> tuple[Simulation, list[Line]]:
    (one,) = read_scenarios(scenario or {}, parse(drawing.xml()))
    simulation = Simulation(one, **options)
    return simulation, list(simulation.lines())


def told(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


def entered(lines: list[Line]) -> list[str]:
    return [line["element"] for line in told(lines, "NodeEntered")]


def charge(**options: Any) -> Drawing:
    return Drawing("order").start().service("charge", type="charge-card", **options).end()


# -- services ----------------------------------------------------------------------------------------------------------


def test_a_service_answers_with_feel_over_what_its_job_sees() -> None:
    drawing = charge(inputs={"price": "=amount"})
    simulation, lines = play(
        drawing,
        {
            "variables": {"amount": Decimal("1.10")},
            "services": {"charge-card": {"answer": {"total": "=price * 2", "ok": True}, "after": "PT5S"}},
        },
    )
    assert simulation.ended_well
    assert lines[-1]["variables"] == {"amount": Decimal("1.10"), "total": Decimal("2.20"), "ok": True}
    (created,) = told(lines, "JobCreated")
    assert created["inputs"] == {"amount": Decimal("1.10"), "price": Decimal("1.10")}
    assert lines[-1]["at"] == "2030-01-01T12:00:05+00:00"


def test_the_element_comes_before_the_job_type_and_both_before_all_others() -> None:
    drawing = Drawing("p").start().service("a", type="t").service("b", type="t").service("c", type="u").end()
    services = {"a": {"answer": {"a": 1}}, "t": {"answer": {"b": 2}}, "*": {"answer": {"c": 3}}}
    assert play(drawing, {"services": services})[1][-1]["variables"] == {"a": 1, "b": 2, "c": 3}


def test_answers_come_in_turn_and_the_last_one_again_and_again() -> None:
    drawing = Drawing("p").start().service("a", type="t").service("b", type="t").service("c", type="t").end()
    services = {"t": [{"answer": {"n": 1}}, {"answer": "={n: n + 1}"}]}
    assert play(drawing, {"services": services})[1][-1]["variables"] == {"n": 3}


def test_a_failure_is_retried_by_the_policy_of_the_model() -> None:
    drawing = charge(headers={"retryBackoff": "PT10S,PT1M"})
    _, lines = play(drawing, {"services": {"charge": [{"fail": "down"}, {"fail": "down"}, {"answer": {}}]}})
    assert [line["due_at"][11:19] for line in told(lines, "JobFailed")] == ["12:00:10", "12:01:10"]
    assert lines[-1]["state"] == "COMPLETED"


def test_a_failure_for_good_is_an_incident_at_the_end() -> None:
    service = {"fail": {"message": "no such card", "retryable": False}}
    simulation, lines = play(charge(), {"services": {"charge": service}})
    assert not simulation.ended_well
    assert lines[-1]["state"] == "ACTIVE"
    incident = {"element": "charge", "kind": "JOB_NO_RETRIES", "message": "no such card"}
    assert lines[-1]["incidents"] == [incident]


def test_an_error_takes_the_way_of_its_code() -> None:
    drawing = charge().on_error("charge", "declined", "DECLINED").end("refused")
    error = {"error": {"code": "DECLINED", "variables": {"why": "=reason"}}}
    simulation, lines = play(drawing, {"variables": {"reason": "limit"}, "services": {"charge": error}})
    assert simulation.ended_well
    assert entered(lines)[-1] == "refused"
    assert lines[-1]["variables"] == {"reason": "limit", "why": "limit"}


def test_an_answer_goes_through_the_error_expression() -> None:
    expression = '=if response.status = 402 then bpmnError("DECLINED") else null'
    drawing = charge(headers={"errorExpression": expression}).on_error("charge", "declined", "DECLINED").end("refused")
    _, lines = play(drawing, {"services": {"charge": {"answer": {"status": 402}}}})
    assert entered(lines)[-1] == "refused"


def test_a_silent_answer_gives_nothing_that_the_model_does_not_ask_for() -> None:
    service = {"services": {"charge": {"answer": {"status": 200}, "silent": True}}}
    assert play(charge(), service)[1][-1]["variables"] == {}
    drawing = charge(headers={"resultVariable": "reply"})
    assert play(drawing, service)[1][-1]["variables"] == {"reply": {"status": 200}}


def test_without_a_service_the_job_waits() -> None:
    simulation, lines = play(charge())
    assert not simulation.ended_well
    assert lines[-1]["waiting"] == [{"element": "charge", "for": "Job", "type": "charge-card"}]


# -- clock and messages ------------------------------------------------------------------------------------------------


def test_the_clock_jumps_to_what_is_due_next() -> None:
    drawing = charge().on_timer("charge", "late", "PT1M").end("reminded")
    slow = play(drawing, {"services": {"charge": {"answer": {}, "after": "PT2M"}}})[1]
    assert (entered(slow)[-1], slow[-1]["at"]) == ("reminded", "2030-01-01T12:01:00+00:00")
    quick = play(drawing, {"services": {"charge": {"answer": {}, "after": "PT59S"}}})[1]
    assert (entered(quick)[-1], quick[-1]["at"]) == ("end", "2030-01-01T12:00:59+00:00")


def test_messages_are_kept_until_somebody_waits_for_them() -> None:
    drawing = Drawing("p").start().timer("pause", "PT1H").message("wait", "paid", "=order").end()
    message = {"name": "paid", "key": 7, "at": "PT1M", "variables": {"by": "card"}}
    scenario = {"variables": {"order": 7}, "messages": [message]}
    simulation, lines = play(drawing, scenario)
    assert simulation.ended_well
    assert lines[-1]["variables"] == {"order": 7, "by": "card"}
    assert lines[-1]["at"] == "2030-01-01T13:00:00+00:00"


@pytest.mark.parametrize("wrong", [{"ttl": "PT59M"}, {"key": "8"}, {"name": "billed"}])
def test_a_message_that_nobody_waits_for_is_told(wrong: dict[str, str]) -> None:
    drawing = Drawing("p").start().timer("pause", "PT1H").message("wait", "paid", "=order").end()
    message = {"name": "paid", "key": "7", **wrong}
    simulation, lines = play(drawing, {"variables": {"order": 7}, "messages": [message]})
    assert not simulation.ended_well
    assert told(lines, "MessageNotCorrelated")[0]["name"] == message["name"]
    waiting = {"element": "wait", "for": "MessageSubscription", "name": "paid", "correlation_key": "7"}
    assert lines[-1]["waiting"] == [waiting]


def test_a_message_of_the_process_itself_comes_back_to_it() -> None:
    drawing = Drawing("p").start().parallel("split").throw_message("say", "hello", '="k"').end()
    drawing.at("split").message("hear", "hello", '="k"').end("heard")
    assert play(drawing)[0].ended_well


# -- chance and bounds -------------------------------------------------------------------------------------------------


def race() -> Drawing:
    drawing = Drawing("race").start().parallel("split").service("a", type="t", outputs={"winner": '="a"'}).end("ea")
    return drawing.at("split").service("b", type="t", outputs={"winner": '="b"'}).end("eb")


def test_a_race_ends_differently_with_another_seed_and_the_same_with_the_same() -> None:
    scenario = {"services": {"t": {"answer": {}}}}

    def winner(seed: str | None) -> str:
        return str(play(race(), scenario, seed=seed)[1][-1]["variables"]["winner"])

    assert {winner(None) for _ in range(5)} == {"b"}
    by_seed = {seed: winner(seed) for seed in map(str, range(20))}
    assert set(by_seed.values()) == {"a", "b"}
    assert by_seed == {seed: winner(seed) for seed in by_seed}


def test_a_process_that_never_ends_is_stopped() -> None:
    drawing = charge().on_timer("charge", "tick", "R/PT1H", kind="timeCycle", interrupting=False).end("ticked")
    simulation, lines = play(drawing, max_steps=50)
    assert not simulation.ended_well
    assert "50 steps" in lines[-1]["stopped"]
    assert entered(lines).count("ticked") == 49


# -- coverage and comparison -------------------------------------------------------------------------------------------


def test_runs_together_cover_what_none_covers_alone() -> None:
    drawing = Drawing("p").start().exclusive("x").when("=n > 1").service("many", type="t").end()
    drawing.at("x").otherwise().to("end")
    model = parse(drawing.xml())
    document = {
        "services": {"t": {"answer": {}}},
        "runs": [{"name": "one", "variables": {"n": 1}}, {"variables": {"n": 2}}],
    }
    whole, runs = Coverage(), []
    for scenario in read_scenarios(document, model):
        simulation = Simulation(scenario)
        runs.append({line["run"] for line in simulation.lines()})
        whole += simulation.coverage
        if scenario.name == "one":
            assert simulation.coverage.line(model.processes[0])["nodes"] == {
                "all": 4,
                "covered": 3,
                "missing": ["many"],
            }
    assert runs == [{"one"}, {"run 2"}]
    assert whole.line(model.processes[0])["flows"] == {"all": 4, "covered": 4, "missing": []}


def test_keys_do_not_show_so_that_a_recording_outlives_a_change_beside_it() -> None:
    services = {"services": {"charge": {"answer": {}}}}
    recorded, again = play(charge(), services)[1], play(charge(), services)[1]
    assert differences(recorded, again, repr) == []
    other = play(charge(), {"services": {"charge": {"answer": {"a": 1}}}})[1]
    assert [line[:1] for line in differences(recorded, other, repr)[2:]].count("+") >= 1
    keys = {"node", "job", "token", "tokens", "scope", "timer", "incident", "subscription"}
    assert not any(keys & line.keys() for line in recorded)


def test_incidents_inside_the_engine_are_told_where_they_stand() -> None:
    drawing = Drawing("p").start().exclusive("x").when("=n").end()
    simulation, lines = play(drawing)
    (raised,) = told(lines, "IncidentRaised")
    assert (raised["element"], raised["kind"]) == ("x", "CONDITION")
    assert simulation.instance.state is InstanceState.ACTIVE


def test_repeated_activities_are_played_round_by_round() -> None:
    rounds = (
        '<bpmn:multiInstanceLoopCharacteristics isSequential="true"><bpmn:loopCardinality>=3</bpmn:loopCardinality>'
        "</bpmn:multiInstanceLoopCharacteristics>"
    )
    drawing = Drawing("p").start().node("serviceTask", "a", rounds).end()
    simulation, lines = play(drawing, {"services": {"a": [{"answer": {}, "after": "PT1M"}]}})
    assert simulation.ended_well
    assert lines[-1]["at"] == "2030-01-01T12:03:00+00:00"
    assert [line["element"] for line in told(lines, "JobCompleted")] == ["a", "a", "a"]
    assert [line["position"] for line in told(lines, "RoundBegan")] == [1, 2, 3]


def test_what_happens_inside_a_sub_process_is_told_with_its_element() -> None:
    inner = Drawing("inner").start("s1").service("a", type="t").end("e1")
    _, lines = play(Drawing("p").start().sub_process("sub", inner).end(), {"services": {"t": {"answer": {}}}})
    assert [line["element"] for line in told(lines, "JobCreated")] == ["a"]
    assert [line.get("element") for line in told(lines, "FlowTaken")] == [None, "sub", "sub", None]
    assert [line.get("element") for line in told(lines, "InstanceCompleted")] == [None]


# -- scenarios that cannot be understood -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"service": {}},
            "scenario: Expected process, start, variables, services, messages, signals, conditions, then, runs "
            "but found 'service'",
        ),
        ({"services": {"chrage": {"answer": {}}}}, "found 'chrage'; its job types are charge-card"),
        (
            {"conditions": [{"process": "other"}]},
            'scenario.conditions[0].process: Expected one of order but found "other"',
        ),
        ({"services": {"charge": []}}, "scenario.services.charge: Expected at least one item"),
        ({"services": {"charge": {"answer": {}, "fail": "x"}}}, "one of answer, error and fail"),
        ({"services": {"charge": {"answer": "=1 +"}}}, "scenario.services.charge.answer: Expected FEEL"),
        ({"services": {"charge": {"answer": {}, "after": "soon"}}}, "charge.after: Expected an ISO 8601 duration"),
        ({"services": {"charge": {"error": {"message": "x"}}}}, "charge.error: Expected a code"),
        ({"services": {"charge": {"fail": {"message": 1}}}}, "charge.fail.message: Expected a text but found 1"),
        ({"services": {"charge": {"fail": "x", "silent": True}}}, "Expected silent with an answer"),
        ({"messages": [{"key": "1"}]}, "scenario.messages[0]: Expected a name"),
        ({"messages": [{"name": "a", "at": "noon"}]}, "scenario.messages[0].at: Expected an ISO 8601 date and time"),
        ({"variables": 3}, "scenario.variables: Expected an object of variables but found 3"),
        ({"process": "nobody"}, 'scenario.process: Expected one of order but found "nobody"'),
        ({"start": "P1D"}, "scenario.start: Expected an ISO 8601 date and time"),
        ({"runs": [{"name": "a"}, {"name": "a"}]}, "Expected every name once but found 'a' again"),
    ],
)
def test_what_cannot_be_understood_is_told_with_its_place(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioInvalid) as refused:
        read_scenarios(document, parse(charge().xml()))
    assert message in str(refused.value)


def test_an_answer_that_is_no_context_fails_the_job_for_good() -> None:
    _, lines = play(charge(), {"services": {"charge": {"answer": "=1"}}})
    assert lines[-1]["incidents"][0]["message"] == "Expected the answer to be a context but found 1"


# -- several instances -------------------------------------------------------------------------------------------------


def play_all(
    *drawings: Drawing, scenario: dict[str, Any] | None = None, process: str = "", **options: Any
) -> tuple[Simulation, list[Line]]:
    given = {"process": process or drawings[0].process_id, **(scenario or {})}
    (one,) = read_scenarios(given, *(parse(drawing.xml()) for drawing in drawings))
    simulation = Simulation(one, **options)
    return simulation, list(simulation.lines())


def endings(lines: list[Line]) -> list[tuple[str, str]]:
    return [(line.get("instance", ""), line["state"]) for line in told(lines, "Ended")]


def begun(definition: Definition) -> Drawing:
    return Drawing("begun").start_on("s", definition)


def test_a_called_process_runs_and_gives_its_variables_back() -> None:
    caller = Drawing("order").start().call("bill", "bill", inputs={"total": "=amount * 2"}).end()
    called = Drawing("bill").start("s").service("send", type="mail").end("e")
    services = {"mail": {"answer": {"sent": "=total"}, "after": "PT1M"}}
    simulation, lines = play_all(caller, called, scenario={"variables": {"amount": 2}, "services": services})
    assert simulation.ended_well
    assert endings(lines) == [("bill 2", "COMPLETED"), ("", "COMPLETED")]
    assert lines[-1]["variables"]["sent"] == 4
    assert lines[-1]["at"] == "2030-01-01T12:01:00+00:00"
    assert {line.get("instance") for line in lines} == {None, "bill 2"}
    assert simulation.world.coverages["bill"].nodes == {"s": 1, "send": 1, "e": 1}
    assert simulation.coverage.nodes == {"start": 1, "bill": 1, "end": 1}


def test_the_process_that_no_other_calls_is_the_one_that_is_played() -> None:
    caller = Drawing("order").start().call("pay", "bill").end()
    (one,) = read_scenarios({}, parse(together(caller, Drawing("bill").start("s").end("e"))))
    assert one.process.id == "order"
    with pytest.raises(ScenarioInvalid, match="Expected process to name one of order, bill"):
        read_scenarios({}, parse(together(Drawing("order").start().end(), Drawing("bill").start("s").end("e"))))


def test_an_error_that_a_called_process_lets_go_is_caught_by_its_caller() -> None:
    caller = Drawing("order").start().call("bill", "bill").end().on_error("bill", "bad", "BAD").end("refused")
    called = Drawing("bill").start("s").error_end("e", "BAD")
    _, lines = play_all(caller, called)
    assert endings(lines) == [("bill 2", "TERMINATED"), ("", "COMPLETED")]
    assert entered(lines)[-1] == "refused"


def test_a_caller_that_goes_on_cancels_what_it_called() -> None:
    caller = Drawing("order").start().call("bill", "bill").end().on_timer("bill", "late", "PT1M").end("reminded")
    called = Drawing("bill").start("s").service("send", type="mail").end("e")
    simulation, lines = play_all(caller, called)
    assert simulation.ended_well
    assert endings(lines) == [("bill 2", "TERMINATED"), ("", "COMPLETED")]
    (cancelled,) = told(lines, "InstanceTerminated")
    assert (cancelled["instance"], cancelled["reason"]) == ("bill 2", "The activity that called it was ended")


@pytest.mark.parametrize(
    ("process", "options", "message"),
    [
        ("bil", {}, "Expected process 'bil' to be in the models given but found only order, bill"),
        ("bill", {"bindingType": "versionTag", "versionTag": "x"}, "with the version tag 'x' but found none"),
        ("order", {}, "Expected at most 100 callers around a process but found 'order'"),
    ],
)
def test_what_cannot_be_called_is_an_incident_of_the_caller(
    process: str, options: dict[str, str], message: str
) -> None:
    caller = Drawing("order").start().call("bill", process, **options).end()
    simulation, lines = play_all(caller, Drawing("bill").start("s").end("e"))
    assert not simulation.ended_well
    (incident,) = (incident for line in told(lines, "Ended") for incident in line["incidents"])
    assert incident["kind"] == "CALLED_ELEMENT"
    assert message in incident["message"]


def test_a_signal_reaches_who_waits_at_that_moment_in_every_instance() -> None:
    caller = Drawing("order").start().parallel("split").call("bill", "bill").end()
    caller.at("split").timer("pause", "PT1M").throw("shout", ("signal", "closing")).end("shouted")
    caller.at("split").catch("hear", ("signal", "closing")).end("heard")
    called = Drawing("bill").start("s").catch("listen", ("signal", "closing")).end("e")
    simulation, lines = play_all(caller, called)
    assert simulation.ended_well
    assert [line["element"] for line in told(lines, "SignalReceived")] == ["hear", "listen"]


def test_a_signal_does_not_reach_what_begins_to_wait_because_of_it() -> None:
    drawing = Drawing("p").start().throw("shout", ("signal", "s")).catch("late", ("signal", "s")).end()
    _, lines = play(drawing)
    assert lines[-1]["waiting"] == [{"element": "late", "for": "SignalSubscription", "name": "s"}]


def test_signals_come_at_their_time_or_are_heard_by_nobody() -> None:
    drawing = Drawing("p").start().catch("hear", ("signal", "s")).end()
    signals = [{"name": "other"}, {"name": "s", "at": "PT1H", "variables": {"by": "radio"}}]
    simulation, lines = play(drawing, {"signals": signals})
    assert simulation.ended_well
    assert [line["name"] for line in told(lines, "SignalNotReceived")] == ["other"]
    assert (lines[-1]["at"], lines[-1]["variables"]) == ("2030-01-01T13:00:00+00:00", {"by": "radio"})


def test_a_message_begins_an_instance_once_and_waits_for_the_one_with_its_key() -> None:
    drawing = begun(("message", "ordered")).service("charge", type="t").end()
    messages = [{"name": "ordered", "key": "1", "variables": {"n": 1}}, {"name": "ordered", "key": "1"}]
    scenario = {"messages": messages, "services": {"t": {"answer": {}, "after": "PT1H"}}}
    simulation, lines = play(drawing, scenario)
    assert simulation.ended_well
    assert [line["at"][11:16] for line in told(lines, "InstanceStarted")] == ["12:00", "13:00"]
    assert [line["variables"] for line in told(lines, "Ended")] == [{}, {"n": 1}]


def test_a_thrown_message_begins_another_process() -> None:
    sender = Drawing("order").start().throw_message("say", "ordered", '="7"').end()
    simulation, lines = play_all(sender, begun(("message", "ordered")).end())
    assert simulation.ended_well
    assert endings(lines) == [("begun 2", "COMPLETED"), ("", "COMPLETED")]


def test_a_signal_begins_an_instance() -> None:
    simulation, lines = play(begun(("signal", "s")).end(), {"signals": [{"name": "s", "variables": {"a": 1}}]})
    assert simulation.ended_well
    assert lines[-1]["variables"] == {"a": 1}


def test_several_messages_begin_an_instance_together() -> None:
    drawing = Drawing("begun").start_on("s", ("message", "a"), ("message", "b"), parallelMultiple="true").end()
    sent = [
        {"name": "a", "key": 1, "variables": {"a": 1}},
        {"name": "a", "key": 1, "at": "PT1H"},
        {"name": "b", "key": 2},
    ]
    _, lines = play(drawing, {"messages": sent})
    assert [(line["name"], line["correlation_key"]) for line in told(lines, "StartKept")] == [("a", "1"), ("b", "2")]
    assert not told(lines, "InstanceStarted")
    simulation, lines = play(
        drawing, {"messages": [*sent, {"name": "b", "key": 1, "at": "PT2H", "variables": {"b": 2}}]}
    )
    assert told(lines, "InstanceStarted")[0]["at"][11:16] == "14:00"
    assert simulation.instance.variables == {"a": 1, "b": 2}


def test_the_messages_of_a_parallel_gateway_meet_in_one_instance() -> None:
    drawing = Drawing("begun").node("eventBasedGateway", "all", eventGatewayType="Parallel", instantiate="true")
    drawing = drawing.message("a", "a").end().at("all").message("b", "b").end("end2")
    sent = [{"name": "b", "key": 1}, {"name": "a", "key": 2, "at": "PT1H"}, {"name": "a", "key": 1, "at": "PT2H"}]
    simulation, lines = play(drawing, {"messages": [*sent, {"name": "b", "key": 2, "at": "PT3H"}]})
    assert simulation.ended_well
    assert [line["at"][11:16] for line in told(lines, "InstanceCompleted")] == ["14:00", "15:00"]


def test_several_signals_begin_an_instance_together() -> None:
    drawing = Drawing("begun").start_on("s", ("signal", "a"), ("signal", "b"), parallelMultiple="true").end()
    simulation, _ = play(drawing, {"signals": [{"name": "a"}, {"name": "a"}, {"name": "b", "at": "PT1H"}]})
    assert simulation.ended_well


def test_a_condition_begins_an_instance_when_it_is_asked_for() -> None:
    asked = [{"variables": {"heat": 10}}, {"at": "PT1H", "variables": {"heat": 41}, "process": "begun"}]
    simulation, lines = play(begun(("conditional", "=heat > 30")).end(), {"conditions": asked})
    assert simulation.ended_well
    assert [line["variables"] for line in told(lines, "NoConditionTrue")] == [{"heat": 10}]
    assert [line["at"][11:16] for line in told(lines, "InstanceStarted")] == ["13:00"]
    assert lines[-1]["variables"] == {"heat": 41}


def test_a_condition_that_cannot_be_evaluated_is_told() -> None:
    _, lines = play(begun(("conditional", "=10 ** heat > 1")).end(), {"conditions": [{"variables": {"heat": 9999}}]})
    (unknown,) = told(lines, "ConditionUnknown")
    assert (unknown["process"], unknown["element"]) == ("begun", "s")


def test_a_timer_begins_an_instance_once_in_a_run() -> None:
    simulation, lines = play(begun(("timer", "R/PT1H", "timeCycle")).end())
    assert simulation.ended_well
    assert [line["at"][11:16] for line in told(lines, "InstanceStarted")] == ["13:00"]


def test_what_nothing_begins_has_not_gone_well() -> None:
    simulation, lines = play(begun(("message", "ordered")).end())
    assert not simulation.ended_well
    assert lines == [{"at": "2030-01-01T12:00:00+00:00", "event": "NotBegun", "process": "begun"}]


def test_variables_for_a_process_that_events_begin_are_refused() -> None:
    with pytest.raises(ScenarioInvalid, match="Expected no variables for 'begun'"):
        play(begun(("message", "ordered")).end(), {"variables": {"a": 1}})


def test_a_person_answers_a_user_task_as_a_service_does() -> None:
    drawing = Drawing("p").start().node("userTask", "approve").end()
    _, lines = play(drawing, {"services": {"approve": {"answer": {"approved": True}, "after": "P1D"}}})
    assert (lines[-1]["variables"], lines[-1]["at"]) == ({"approved": True}, "2030-01-02T12:00:00+00:00")
