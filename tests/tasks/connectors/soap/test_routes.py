"""What becomes of a fault in a process, and what a deployment is warned of."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from processes.engine.commands import CompleteJob, FailJob, ThrowError
from processes.engine.outcome import Outcome, Raised, Responded, Thrown, Try, decide
from processes.engine.parser import parse
from processes.runtime import checks
from tasks import wsdl_check
from tasks.connectors.base import BpmnError, JobError
from tests.drawing import Drawing
from tests.engine.play import Play
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.soap.conftest import Service

ROUTE = """=if error.code = "Client.OutOfStock"
then bpmnError("NO_STOCK", error.message, {sku: error.variables.fault.detail.stock.sku}) else null"""


def outcome(service: Service, variables: dict[str, Any], headers: dict[str, str]) -> Outcome:
    """What a worker makes of a call."""
    try:
        response = service.connector.run(make_job(type="soap", variables=variables, headers=headers))
    except JobError as error:
        return Raised(error.message, error.code, error.details, error.retryable, error.retry_in)
    except BpmnError as error:
        return Thrown(error.code, error.message, error.variables)
    return Responded(response.body, response.silent)


def work(service: Service, play: Play, element: str) -> Any:
    """Do a job as a worker does it, and carry out what follows."""
    job = play.claim(element)
    inputs = dict(play.node(element).variables)
    ended = outcome(service, inputs, dict(job.headers))
    command = decide(ended, Try(job.key, job.attempt, job.retries, job.headers, inputs), play.now)
    play.carry_out(command)
    return command


def drawing(service: Service, how: str, **headers: str) -> Drawing:
    inputs = {
        "wsdl": f"{service.url}/shop11?wsdl",
        "operation": "fail",
        "parameters.how": how,
    }
    task = Drawing().start().service("ask", type="soap", inputs=inputs, headers=headers).end("done")
    return task.on_error("ask", "sold-out", "NO_STOCK").end("gone")


def test_a_fault_takes_the_way_of_its_error(service: Service) -> None:
    play = Play(drawing(service, "OutOfStock", errorExpression=ROUTE))
    assert isinstance(work(service, play, "ask"), ThrowError)
    assert play.completed
    assert "gone" in play.path()
    assert play.variables["sku"] == "A1"


def test_a_fault_that_the_operation_declares_needs_no_expression(service: Service) -> None:
    play = Play(drawing(service, "NO_STOCK", faultErrors="NO_STOCK"))
    assert isinstance(work(service, play, "ask"), ThrowError)
    assert "gone" in play.path()


def test_a_fault_of_the_server_is_tried_again(service: Service) -> None:
    play = Play(drawing(service, "Server", errorExpression=ROUTE))
    command = work(service, play, "ask")
    assert isinstance(command, FailJob)
    assert command.retries is None
    assert play.job("ask").retries == 2


def test_a_fault_of_the_client_is_not(service: Service) -> None:
    play = Play(drawing(service, "Client", errorExpression=ROUTE))
    assert isinstance(work(service, play, "ask"), FailJob)
    assert len(play.incidents()) == 1


def test_an_operation_in_the_words_of_bpmn(service: Service) -> None:
    xml = f"""<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:shop="urn:shop"
 xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="urn:t">
<bpmn:import importType="http://schemas.xmlsoap.org/wsdl/" namespace="urn:shop" location="{service.url}/shop11?wsdl"/>
<bpmn:interface id="i" name="Shop" implementationRef="shop:Shop">
<bpmn:operation id="sum" name="sum" implementationRef="shop:add">
<bpmn:inMessageRef>m</bpmn:inMessageRef></bpmn:operation>
</bpmn:interface><bpmn:message id="m" name="in"/><bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s"/>
<bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
<bpmn:serviceTask id="t" implementation="##WebService" operationRef="sum"><bpmn:extensionElements><zeebe:taskHeaders>
<zeebe:header key="resultExpression" value="={{total: response.body.addResult}}"/></zeebe:taskHeaders>
</bpmn:extensionElements></bpmn:serviceTask>
<bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/><bpmn:endEvent id="e"/></bpmn:process></bpmn:definitions>"""
    play = Play(xml.encode(), {"a": 1, "b": Decimal("0.10"), "c": "not a parameter"})
    job = play.claim("t")
    ended = outcome(service, play.variables, dict(job.headers))
    command = decide(ended, Try(job.key, job.attempt, job.retries, job.headers, play.variables), datetime.now(UTC))
    assert isinstance(command, CompleteJob)
    play.carry_out(command)
    assert play.completed
    assert str(play.variables["total"]) == "1.10"


EXAMPLE = """
<bpmn:serviceTask id="ask" name="Add up">
  <bpmn:extensionElements>
    <zeebe:taskDefinition type="soap" />
    <zeebe:ioMapping>
      <zeebe:input source="https://shop.example/orders?wsdl" target="wsdl" />
      <zeebe:input source="add" target="operation" />
      <zeebe:input source="={a: order.net, b: order.tax}" target="parameters" />
      <zeebe:output source="=body.addResult" target="total" />
    </zeebe:ioMapping>
  </bpmn:extensionElements>
</bpmn:serviceTask>"""


def test_the_example(service: Service) -> None:
    wrong = Drawing().start().service("ask").end().xml().decode()
    example = EXAMPLE.replace("https://shop.example/orders", f"{service.url}/shop11")
    flows = re.sub(r"<bpmn:serviceTask .*?</bpmn:serviceTask>", lambda _: example, wrong, flags=re.DOTALL)
    play = Play(flows.encode(), {"order": {"net": Decimal("10.00"), "tax": Decimal("1.90")}})
    job = play.claim("ask")
    inputs = dict(play.node("ask").variables)
    ended = outcome(service, inputs, dict(job.headers))
    play.carry_out(decide(ended, Try(job.key, job.attempt, job.retries, job.headers, inputs, mapped=True), play.now))
    assert play.completed
    assert str(play.variables["total"]) == "11.90"


# -- deploying ---------------------------------------------------------------------------------------------------------


def task(service: Service, **inputs: str) -> bytes:
    given = {"wsdl": f"{service.url}/shop11?wsdl", "operation": "place", **inputs}
    return Drawing().start().service("ask", type="soap", inputs=given).end().xml()


@pytest.fixture
def checked(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DEPLOY_CHECKS": ["tasks.wsdl_check.check"]}
    monkeypatch.setattr(checks, "SECONDS", 60.0)  # a machine may be too busy to read a WSDL in two


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize(
    ("inputs", "rule", "part"),
    [
        ({"operation": "plaice"}, "unknown-operation", "the operation 'plaice', but it has add, fail, names, "),
        ({"wsdl": "here"}, "bad-input", "Expected `wsdl` to be an http or https URL"),
        ({"parameters": "={ordre: order}"}, "unknown-parameter", "(order) but found 'parameters.ordre'"),
        ({"parameters.order.idd": "=id"}, "unknown-parameter", "found 'parameters.order.idd'"),
        ({"parameters": "={order: {id: id, lines: {Line: [{sq: 1}]}}}"}, "unknown-parameter", "lines.Line.sq'"),
    ],
)
def test_a_deployment_is_warned(service: Service, inputs: dict[str, str], rule: str, part: str) -> None:
    (problem,) = checks.findings(parse(task(service, **inputs)))
    assert (problem.rule, problem.element, problem.severity) == (rule, "ask", "warning")
    assert part in problem.message
    assert problem.line > 0


@pytest.mark.usefixtures("checked")
@pytest.mark.parametrize(
    "inputs",
    [
        {"parameters": "=request"},
        {"parameters": "={order: order}"},
        {"operation": "=which"},
        {"wsdl": "=where"},
        {"wsdl": "{{secrets.WSDL}}"},
        {"wsdl": "http://127.0.0.1:9/gone"},
    ],
)
def test_what_is_not_known_is_no_finding(service: Service, inputs: dict[str, str]) -> None:
    assert checks.findings(parse(task(service, **inputs))) == ()


def never_ending(tasks: Any, seconds: float) -> Any:
    time.sleep(90)
    return []


def broken(tasks: Any, seconds: float) -> Any:
    raise RuntimeError("a bug in a check")


def test_a_check_that_hangs_or_breaks_holds_nobody_up(
    service: Service, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = "tests.tasks.connectors.soap.test_routes"
    paths = ["no.such.check", f"{here}.broken", "tasks.wsdl_check.check", f"{here}.never_ending"]
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DEPLOY_CHECKS": paths}
    model = parse(task(service, operation="plaice"))
    found: tuple[Any, ...] = ()
    for seconds in (1.0, 8.0, 32.0):  # a busy machine reads the WSDL in a later one
        monkeypatch.setattr(checks, "SECONDS", seconds)
        begun = time.monotonic()
        found = checks.findings(model)
        assert seconds <= time.monotonic() - begun < seconds + 30, "the check that hangs does so for longer"
        if found:
            break
    assert [problem.rule for problem in found] == ["unknown-operation"]


def test_other_tasks_are_not_looked_at() -> None:
    drawn = checks.DrawnTask("p", "x", "http", {"wsdl": "http://127.0.0.1:9/", "operation": "x"}, {})
    assert list(wsdl_check.check([drawn], 1.0)) == []


@pytest.mark.django_db
@pytest.mark.usefixtures("checked")
def test_the_warning_is_in_the_deployment(service: Service) -> None:
    from processes.runtime import definitions

    deployment = definitions.deploy(task(service, operation="plaice"))
    assert [problem.rule for problem in deployment.warnings] == ["unknown-operation"]
    assert deployment.definitions[0].created
