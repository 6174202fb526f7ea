"""Deploying over REST: new, identical, invalid; finding versions; taking the file back."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processes.models import ProcessDefinition
from tests.api.conftest import V1, fields, problem
from tests.drawing import HEAD, Drawing

URL = f"{V1}/process-definitions"

MODEL = Drawing("order", name="Order").start().service("charge", type="charge").end()


def test_a_file_as_the_body(api):
    answer = api.post(URL + "?resource=order.bpmn", MODEL.xml(), content_type="application/xml")
    assert answer.status_code == 201
    (definition,) = answer.json()["definitions"]
    assert definition["process_id"] == "order"
    assert definition["version"] == 1
    assert definition["name"] == "Order"
    assert definition["resource"] == "order.bpmn"
    assert definition["deployed_by"] == "user:root"
    assert definition["created"] is True
    assert answer.json()["warnings"] == []


@pytest.mark.parametrize("kind", ["text/xml", "application/octet-stream", "application/xml; charset=utf-8"])
def test_other_names_of_xml(api, kind):
    assert api.post(URL, MODEL.xml(), content_type=kind).status_code == 201


def test_a_file_as_a_form(api):
    answer = api.post(URL, {"file": SimpleUploadedFile("order.bpmn", MODEL.xml())}, format="multipart")
    assert answer.status_code == 201
    assert answer.json()["definitions"][0]["resource"] == "order.bpmn"


def test_a_form_may_name_it(api):
    body = {"file": SimpleUploadedFile("tmp123", MODEL.xml()), "resource": "order.bpmn"}
    assert api.post(URL, body, format="multipart").json()["definitions"][0]["resource"] == "order.bpmn"


def test_the_same_again_is_not_a_new_version(api):
    api.post(URL, MODEL.xml(), content_type="application/xml")
    answer = api.post(URL, MODEL.xml(), content_type="application/xml")
    assert answer.status_code == 200
    (definition,) = answer.json()["definitions"]
    assert definition["created"] is False
    assert definition["version"] == 1


def test_warnings_are_told(api):
    task = '<bpmn:serviceTask id="ServiceTask_1" name="Pay" /><bpmn:startEvent id="s" />'
    flow = '<bpmn:sequenceFlow id="f" sourceRef="s" targetRef="ServiceTask_1" />'
    xml = f'{HEAD}<bpmn:process id="p" isExecutable="true">{task}{flow}</bpmn:process></bpmn:definitions>'
    answer = api.post(URL, xml.encode(), content_type="application/xml")
    assert answer.status_code == 201
    (warning,) = answer.json()["warnings"]
    assert warning["severity"] == "warning"
    assert warning["element"] == "ServiceTask_1"
    assert warning["line"] > 0
    assert warning["rule"]


def flow(target: str) -> str:
    return f'<bpmn:startEvent id="s" /><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="{target}" />'


def process(body: str) -> bytes:
    return f'{HEAD}<bpmn:process id="p" isExecutable="true">\n{body}\n</bpmn:process></bpmn:definitions>'.encode()


FEEL = Drawing("p").start().service("t", type="t", inputs={"a": "=1 +"}).end().xml()


@pytest.mark.parametrize(
    ("xml", "rule", "element"),
    [
        (b"no XML at all", "not-xml", ""),
        (b"", "not-xml", ""),
        (b"<a/>", "not-bpmn", ""),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "doctype", ""),
        (process(flow("nowhere")), "unknown-reference", "f"),
        (process('<bpmn:choreographyTask id="a" />' + flow("a")), "not-executable", "a"),
        (FEEL, "bad-feel", "t"),
        (process(""), "one-start", "p"),
    ],
)
@pytest.mark.parametrize("form", [True, False])
def test_invalid_models_say_where_and_why_and_store_nothing(api, xml, rule, element, form):
    if form:
        answer = api.post(URL, {"file": SimpleUploadedFile("m.bpmn", xml)}, format="multipart")
    else:
        # An empty body is no body; a blank one is a document that is no XML.
        answer = api.post(URL, xml or b" ", content_type="application/xml")
    body = problem(answer, 422, "model-invalid")
    found = [entry for entry in body["problems"] if entry["rule"] == rule]
    assert found, body["problems"]
    assert found[0]["element"] == element
    assert found[0]["severity"] == "error"
    assert found[0]["message"].startswith("Expected ")
    assert found[0]["line"] >= (1 if element else 0)
    assert rule in body["detail"]
    assert not ProcessDefinition.objects.exists()


def test_one_invalid_process_keeps_all_of_the_file_out(api):
    good = process('<bpmn:startEvent id="s1" />').decode()
    bad = '</bpmn:process><bpmn:process id="q" isExecutable="true">' + flow("nowhere") + "</bpmn:process>"
    both = good.replace("</bpmn:process>", bad)
    problem(api.post(URL, both.encode(), content_type="application/xml"), 422, "model-invalid")
    assert not ProcessDefinition.objects.exists()


def test_an_empty_body(api):
    body = problem(api.post(URL, b"", content_type="application/xml"), 400, "invalid")
    assert fields(body) == {"file": "required"}


def test_a_form_without_a_file(api):
    assert fields(problem(api.post(URL, {"resource": "x"}, format="multipart"), 400, "invalid")) == {"file": "required"}


def test_a_form_with_text_for_a_file(api):
    assert fields(problem(api.post(URL, {"file": "x"}, format="multipart"), 400, "invalid")) == {"file": "invalid"}


def test_json_is_not_a_model(api):
    problem(api.post(URL, {"xml": "..."}, format="json"), 415, "unsupported-media-type")


def test_finding_versions(api, deploy):
    deploy(MODEL)
    deploy(Drawing("order", name="Order").start().service("charge", type="other").end())
    deploy(Drawing("invoice", name="Invoice it").start().end())

    def found(query: str) -> list[tuple[str, int]]:
        answer = api.get(f"{URL}?{query}")
        assert answer.status_code == 200
        return [(row["process_id"], row["version"]) for row in answer.json()["results"]]

    assert found("") == [("invoice", 1), ("order", 2), ("order", 1)]
    assert found("process_id=order") == [("order", 2), ("order", 1)]
    assert found("process_id=order&version=1") == [("order", 1)]
    assert found("latest=true") == [("invoice", 1), ("order", 2)]
    assert found("latest=false") == [("order", 1)]
    assert found("name=INVO") == [("invoice", 1)]


def test_the_file_byte_for_byte(api, deploy):
    number = deploy(MODEL)["id"]
    answer = api.get(f"{URL}/{number}/xml")
    assert answer.content == MODEL.xml()
    assert answer["Content-Type"] == "application/xml"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert answer["Content-Disposition"] == 'attachment; filename="order-1.bpmn"'


def test_the_drawing(api, deploy):
    number = deploy(MODEL)["id"]
    answer = api.get(f"{URL}/{number}/drawing", HTTP_ACCEPT="image/svg+xml")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("default-src 'none'")
    assert b"<svg" in answer.content


@pytest.mark.parametrize("path", ["77", "77/xml", "77/drawing"])
def test_one_that_is_not_there(api, path):
    problem(api.get(f"{URL}/{path}"), 404, "definition-not-found")


def test_a_hostile_file_name(api):
    name = 'a"\r\nSet-Cookie: x=1'
    answer = api.post(f"{URL}", MODEL.xml(), content_type="application/xml", QUERY_STRING=f"resource={name}")
    number = answer.json()["definitions"][0]["id"]
    answer = api.get(f"{URL}/{number}/xml")
    assert answer["Content-Disposition"] == 'attachment; filename="a-Set-Cookie-x-1"'
