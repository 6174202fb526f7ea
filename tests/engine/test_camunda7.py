"""Models of Camunda 7 do here what they do there."""

from __future__ import annotations

from datetime import timedelta

import pytest

from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.errors import IncidentKind, ModelInvalid, Severity
from processes.engine.parser import parse
from processes.engine.state import InstanceState
from tests.drawing import Drawing
from tests.engine.play import Play

EXTERNAL = {"camunda:type": "external", "camunda:topic": "charge"}


def task(inside: str, tag: str = "serviceTask", **attributes: str) -> Drawing:
    drawing = (
        Drawing().start().node(tag, "task", f"<bpmn:extensionElements>{inside}</bpmn:extensionElements>", **attributes)
    )
    return drawing.service("then", type="then").end()


def parameters(*rows: str) -> str:
    return f"<camunda:inputOutput>{''.join(rows)}</camunda:inputOutput>"


def problem(drawing: Drawing) -> str:
    with pytest.raises(ModelInvalid) as invalid:
        parse(drawing.xml())
    (found,) = (found for found in invalid.value.problems if found.severity is Severity.ERROR)
    return f"{found.rule} {found.element}: {found.message}"


def test_inputs_are_local_and_outputs_stand_beside_the_result() -> None:
    play = Play(
        task(
            parameters(
                '<camunda:inputParameter name="sum">${price * count}</camunda:inputParameter>',
                '<camunda:inputParameter name="note">for ${who}: ${sum}</camunda:inputParameter>',
                '<camunda:inputParameter name="nothing" />',
                '<camunda:outputParameter name="paid">${receipt.sum}</camunda:outputParameter>',
            ),
            **EXTERNAL,
        ),
        {"price": 3, "count": 2, "who": "Ada"},
    )
    assert play.job("task").type == "charge"
    assert play.node("task").variables == {"sum": 6, "note": "for Ada: 6", "nothing": None}
    play.complete("task", {"receipt": {"sum": 6}})
    assert play.instance.variables == {"price": 3, "count": 2, "who": "Ada", "receipt": {"sum": 6}, "paid": 6}


def test_lists_maps_and_scripts() -> None:
    play = Play(
        task(
            parameters(
                '<camunda:inputParameter name="data"><camunda:map><camunda:entry key="a">x</camunda:entry>'
                '<camunda:entry key="b"><camunda:list><camunda:value>${n + 1}</camunda:value>'
                "<camunda:value>2</camunda:value></camunda:list></camunda:entry>"
                '<camunda:entry key="c"><camunda:script scriptFormat="feel">for i in 1..n return i</camunda:script>'
                "</camunda:entry></camunda:map></camunda:inputParameter>",
                '<camunda:inputParameter name="word"><camunda:script scriptFormat="juel">${n}!</camunda:script>'
                "</camunda:inputParameter>",
            ),
            **EXTERNAL,
        ),
        {"n": 3},
    )
    assert play.node("task").variables == {"data": {"a": "x", "b": [4, "2"], "c": [1, 2, 3]}, "word": "3!"}


def test_a_connector_is_a_job_whose_result_is_for_its_outputs_only() -> None:
    connector = "<camunda:connector><camunda:connectorId>http-connector</camunda:connectorId>{}</camunda:connector>"
    inner = parameters(
        '<camunda:inputParameter name="url">${shop}/orders/${id}</camunda:inputParameter>',
        '<camunda:outputParameter name="code">${statusCode}</camunda:outputParameter>',
    )
    outer = parameters(
        '<camunda:inputParameter name="id">${order.id}</camunda:inputParameter>',
        '<camunda:outputParameter name="fine">${code == 200}</camunda:outputParameter>',
    )
    play = Play(task(outer + connector.format(inner)), {"shop": "http://shop", "order": {"id": 17}})
    assert play.job("task").type == "http-connector"
    assert play.node("task").variables == {"id": 17, "url": "http://shop/orders/17"}
    play.complete("task", {"statusCode": 200, "response": "{}"})
    assert play.instance.variables == {"shop": "http://shop", "order": {"id": 17}, "code": 200, "fine": True}


def test_an_expression_is_evaluated_at_once() -> None:
    attributes = {"camunda:expression": "${price * 2}", "camunda:resultVariable": "twice"}
    play = Play(task("", **attributes), {"price": 4})
    assert play.standing() == ["then"]
    assert play.instance.variables == {"price": 4, "twice": 8}
    play = Play(task("", **{"camunda:expression": "${price * 2}"}), {"price": 4})
    assert play.instance.variables == {"price": 4}


@pytest.mark.parametrize(
    ("attributes", "type"),
    [
        ({"camunda:class": "org.acme.Pay"}, "org.acme.Pay"),
        ({"camunda:delegateExpression": "${payDelegate}"}, "payDelegate"),
    ],
)
def test_java_is_a_job_of_its_name_for_a_worker_and_the_report_says_so(attributes: dict[str, str], type: str) -> None:
    field = (
        '<camunda:field name="currency" stringValue="EUR" />'
        '<camunda:field name="a"><camunda:string>b</camunda:string></camunda:field>'
    )
    drawing = task(field, **attributes)
    assert [warning.rule for warning in parse(drawing.xml()).warnings] == ["java-as-job"]
    job = Play(drawing).job("task")
    assert job.type == type
    assert job.headers == {"currency": "EUR", "a": "b"}


@pytest.mark.parametrize(
    ("cycle", "pauses"),
    [
        ("R3/PT5M", [300, 300]),
        ("PT10M,PT17M", [600, 1020]),
        ("PT1M", [60]),
    ],
)
def test_the_retry_time_cycle(cycle: str, pauses: list[int]) -> None:
    element = f"<camunda:failedJobRetryTimeCycle>{cycle}</camunda:failedJobRetryTimeCycle>"
    play = Play(task(element, **EXTERNAL, **{"camunda:asyncBefore": "true"}))
    waited = []
    while not play.incidents():
        play.fail("task")
        if not play.incidents():
            waited.append(round((play.job("task").due_at - play.now).total_seconds()))
            play.wait(timedelta(days=1))
    assert waited == pauses


ERRORS = (
    '<camunda:errorEventDefinition errorRef="Error_process_0" expression="${{{}}}" />'
    '<camunda:errorEventDefinition errorRef="Error_process_0" expression="${{never}}" />'
)


def external(expression: str) -> Drawing:
    inside = f"<bpmn:extensionElements>{ERRORS.format(expression)}</bpmn:extensionElements>"
    drawing = Drawing().start().node("serviceTask", "task", inside, **EXTERNAL).end()
    return drawing.on_error("task", "declined", "declined").service("then", type="then").end("refused")


def test_an_error_that_a_completed_external_task_makes() -> None:
    play = Play(external("code == 402"))
    play.complete("task", {"code": 402})
    assert play.standing() == ["then"]
    play = Play(external("code == 402"))
    play.complete("task", {"code": 200})
    assert play.instance.state is InstanceState.COMPLETED


def test_an_error_that_a_failed_external_task_makes_costs_no_retry() -> None:
    play = Play(external("externalTask.errorMessage.contains('card')"))
    play.fail("task", "the network")
    assert (play.job("task").retries, play.standing()) == (2, ["task"])
    play.wait(timedelta(hours=1))
    play.fail("task", "the card is blocked")
    assert play.standing() == ["then"]


def test_such_an_error_that_nobody_catches_is_an_incident_that_can_be_resolved() -> None:
    inside = f"<bpmn:extensionElements>{ERRORS.format('code == limit')}</bpmn:extensionElements>"
    drawing = Drawing().start().service("first", type="first").on_error("first", "x", "declined").end("e")
    drawing.at("first").node("serviceTask", "task", inside, **EXTERNAL).end()
    play = Play(drawing, {"limit": 1})
    play.complete("first")
    play.complete("task", {"code": 1})
    (incident,) = play.incidents()
    assert incident.kind is IncidentKind.UNHANDLED_ERROR
    play.resolve()
    assert len(play.incidents()) == 1, "asked again, thrown again"
    play.carry_out(c.SetVariables({"limit": 2}))
    play.resolve()
    assert play.instance.state is InstanceState.COMPLETED
    assert play.instance.variables == {"limit": 2, "code": 1}


@pytest.mark.parametrize(
    ("drawing", "says"),
    [
        (task("", **{"camunda:class": "a.B", "camunda:expression": "${a}"}), "two-implementations task"),
        (task("", **{"camunda:expression": "${bean.run(execution)}"}), "bad-juel task"),
        (task("<camunda:connector />"), "no-job-type task"),
        (task(parameters("<camunda:inputParameter>1</camunda:inputParameter>"), **EXTERNAL), "no-target task"),
        (
            task(
                parameters(
                    '<camunda:inputParameter name="a"><camunda:script scriptFormat="groovy">1</camunda:script>'
                    "</camunda:inputParameter>"
                ),
                **EXTERNAL,
            ),
            "script in FEEL or JUEL but found 'groovy'",
        ),
        (
            task("<camunda:failedJobRetryTimeCycle>${cycle}</camunda:failedJobRetryTimeCycle>", **EXTERNAL),
            "bad-retry task",
        ),
        (task('<camunda:field name="a" expression="${b}" />', **{"camunda:class": "a.B"}), "Expected a literal field"),
        (task("<camunda:executionListener />", **EXTERNAL), "camunda:executionListener"),
        (task('<camunda:errorEventDefinition errorRef="E" />', **EXTERNAL), "unknown-reference task"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(drawing: Drawing, says: str) -> None:
    if "unknown-reference" in says:
        with pytest.raises(ModelInvalid) as invalid:
            parse(drawing.xml())
        assert {found.rule for found in invalid.value.problems} == {"unknown-reference", "no-error-code"}
    else:
        assert says in problem(drawing)


def test_conditions_and_timers_in_juel() -> None:
    drawing = Drawing().start().exclusive("g").when("${amount > limit}").timer("t", "${pause}").end("late")
    drawing.at("g").otherwise().end("at_once")
    play = Play(drawing, {"amount": 5, "limit": 3, "pause": "PT1H"})
    assert [timer.element for timer in play.timers()] == ["t"]
    assert Play(drawing, {"amount": 1, "limit": 3}).instance.state is InstanceState.COMPLETED


@pytest.mark.parametrize("tag", ["intermediateThrowEvent", "endEvent"])
def test_a_message_event_says_on_its_definition_how_the_message_is_sent(tag: str) -> None:
    def drawn(definition: str, mapping: str = "") -> Drawing:
        extensions = f"<bpmn:extensionElements>{mapping}</bpmn:extensionElements>" if mapping else ""
        drawing = Drawing().start().node(tag, "send", extensions + definition)
        return drawing if tag == "endEvent" else drawing.end()

    play = Play(
        drawn(
            '<bpmn:messageEventDefinition camunda:type="external" camunda:topic="mail" />',
            parameters('<camunda:inputParameter name="to">${who}</camunda:inputParameter>'),
        ),
        {"who": "ada"},
    )
    assert play.job("send").type == "mail"
    assert play.node("send").variables == {"to": "ada"}
    play.complete("send")
    assert play.instance.state is InstanceState.COMPLETED
    connector = (
        "<bpmn:messageEventDefinition><bpmn:extensionElements><camunda:connector><camunda:connectorId>http-connector"
        '</camunda:connectorId><camunda:inputOutput><camunda:inputParameter name="url">${u}</camunda:inputParameter>'
        "</camunda:inputOutput></camunda:connector></bpmn:extensionElements></bpmn:messageEventDefinition>"
    )
    play = Play(drawn(connector), {"u": "http://shop"})
    assert play.job("send").type == "http-connector"
    assert play.node("send").variables == {"url": "http://shop"}
    play = Play(drawn('<bpmn:messageEventDefinition camunda:expression="${1 + 1}" camunda:resultVariable="two" />'))
    assert play.instance.variables == {"two": 2}
    with pytest.raises(ModelInvalid, match="camunda:wrong"):
        parse(drawn('<bpmn:messageEventDefinition camunda:class="a.B" camunda:wrong="x" />').xml())
    with pytest.raises(ModelInvalid, match="found only inputOutput"):
        parse(drawn("", parameters('<camunda:inputParameter name="to">a</camunda:inputParameter>')).xml())


def test_the_code_and_message_of_an_error_that_is_caught_become_variables() -> None:
    names = 'camunda:errorCodeVariable="code" camunda:errorMessageVariable="why"'
    inside = f"<bpmn:errorEventDefinition {names} />"
    drawing = Drawing().start().service("task", type="t").end()
    drawing.node("boundaryEvent", "caught", inside, connect=False, attachedToRef="task").service("then", type="t").end(
        "e"
    )
    play = Play(drawing)
    job = play.claim("task")
    play.carry_out(c.ThrowError(job.key, job.attempt, "E-1", "no money", {"left": 3}))
    assert play.standing() == ["then"]
    assert play.instance.variables == {"code": "E-1", "why": "no money", "left": 3}


def test_the_code_of_an_escalation_that_is_caught_becomes_a_variable() -> None:
    inner = Drawing("inner").start("s").end_on("late", ("escalation", "LATE"))
    drawing = Drawing().start().sub_process("sub", inner).end()
    inside = '<bpmn:escalationEventDefinition camunda:escalationCodeVariable="code" />'
    drawing.node("boundaryEvent", "caught", inside, connect=False, attachedToRef="sub").end("e")
    assert Play(drawing).instance.variables == {"code": "LATE"}


# -- the same words elsewhere ------------------------------------------------------------------------------------------

RETRIED = b"<camunda:failedJobRetryTimeCycle>"
OPERATON, FOX = "http://operaton.org/schema/1.0/bpmn", "http://www.camunda.com/fox"


@pytest.mark.parametrize("namespace", [OPERATON, FOX])
def test_successor_and_predecessor_say_the_same_in_their_own_namespaces(namespace: str) -> None:
    inside = "<camunda:failedJobRetryTimeCycle>R5/PT5M</camunda:failedJobRetryTimeCycle>"
    xml = task(inside, **EXTERNAL).xml().replace(b"http://camunda.org/schema/1.0/bpmn", namespace.encode())
    job = Play(xml).job("task")
    assert (job.type, job.retries, job.headers["retryBackoff"]) == ("charge", 5, "PT5M")
    xml = xml.replace(RETRIED, b'<camunda:executionListener class="a.B"/>' + RETRIED, 1)
    with pytest.raises(ModelInvalid) as refused:
        parse(xml)
    (found,) = refused.value.problems
    assert (found.rule, found.element) == ("not-executable", "task")
    assert "camunda:executionListener" in found.message
    assert found.line == 7


def test_an_error_takes_its_message_along() -> None:
    inner = Drawing("inner").start("s").error_end("fail", "E1")
    drawing = Drawing().start().sub_process("sub", inner).end()
    drawing.on("sub", "caught", ("error", "E1")).end("e2")
    xml = drawing.xml().replace(b'errorCode="E1"', b'errorCode="E1" camunda:errorMessage="no ${what}"')
    xml = xml.replace(b"<bpmn:errorEventDefinition ", b'<bpmn:errorEventDefinition camunda:errorMessageVariable="why" ')
    xml = xml.replace(b'camunda:errorMessageVariable="why" ', b"", 1)  # where it is thrown
    play = Play(xml, {"what": "stock"})
    assert play.path()[-2:] == ["caught", "e2"]
    assert play.variables == {"what": "stock", "why": "no stock"}


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_the_value_of_a_script_that_is_a_job_has_its_name(language: str) -> None:
    drawing = Drawing().start()
    drawing.node("scriptTask", "x", "<bpmn:script>1 + 1</bpmn:script>", **{
        "scriptFormat": language, "camunda:resultVariable": "sum",
    }).end()  # fmt: skip
    play = Play(drawing)
    assert play.job("x").headers["language"] == language
    play.complete("x", {"result": 2})
    assert play.variables == {"sum": 2}


def test_a_script_beside_an_expression_is_refused() -> None:
    attributes = {"scriptFormat": "python", "camunda:expression": "${a}"}
    drawing = Drawing().start().node("scriptTask", "x", "<bpmn:script>1</bpmn:script>", **attributes).end()
    assert problem(drawing).startswith("two-scripts x")


@pytest.mark.parametrize(
    ("passing", "expected"),
    [
        ('source="a" target="x"', {"x": 1}),
        ('sourceExpression="${a + 1}" target="x"', {"x": 2}),
        ('variables="all"', {"a": 1, "b": 2}),
    ],
)
def test_a_signal_takes_along_what_is_passed(passing: str, expected: dict[str, int]) -> None:
    inside = f"<bpmn:extensionElements><camunda:in {passing}/></bpmn:extensionElements>"
    xml = Drawing().start().throw("shout", ("signal", "s")).end().xml()
    xml = xml.replace(b'Signal_process_0" />', f'Signal_process_0">{inside}</bpmn:signalEventDefinition>'.encode(), 1)
    (thrown,) = (fact for fact in Play(xml, {"a": 1, "b": 2}).facts if isinstance(fact, f.SignalThrown))
    assert thrown.variables == expected


@pytest.mark.parametrize("passing", ['variables="all" local="true"', 'businessKey="${a}" source="a" target="x"'])
def test_a_signal_has_nothing_local_and_no_business_key(passing: str) -> None:
    inside = f"<bpmn:extensionElements><camunda:in {passing}/></bpmn:extensionElements>"
    xml = Drawing().start().throw("shout", ("signal", "s")).end().xml()
    xml = xml.replace(b'Signal_process_0" />', f'Signal_process_0">{inside}</bpmn:signalEventDefinition>'.encode(), 1)
    with pytest.raises(ModelInvalid) as refused:
        parse(xml)
    assert {(found.rule, found.element) for found in refused.value.problems} == {("not-executable", "shout")}


def test_what_asks_for_nothing_here_is_let_pass() -> None:
    drawing = Drawing().node("startEvent", "s", **{"camunda:formKey": "embedded:order"})
    drawing.node("userTask", "ask", **{"camunda:formRef": "order", "camunda:formRefBinding": "latest"})
    drawing.service("many", **EXTERNAL, **{"camunda:async": "true"}).within(
        '<bpmn:multiInstanceLoopCharacteristics camunda:collection="${[1]}"><bpmn:extensionElements>'
        "<camunda:failedJobRetryTimeCycle>R3/PT1M</camunda:failedJobRetryTimeCycle>"
        "</bpmn:extensionElements></bpmn:multiInstanceLoopCharacteristics>"
    )
    xml = drawing.end().xml().replace(b"${[1]}", b"${items}")
    assert {(warning.rule, warning.element) for warning in parse(xml).warnings} == {("form-not-shown", "s")}
    play = Play(xml, {"items": [1]})
    assert play.job("ask").headers["io.camunda.zeebe:formRef"] == "order"
