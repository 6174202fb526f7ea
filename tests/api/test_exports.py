"""An instance as a file: whole, in the format asked for."""

from __future__ import annotations

import csv
import io
import json
import struct

import pytest

from processes.models import ProcessDefinition, Step
from processes.runtime import instances, jobs
from tests.api.conftest import V1


@pytest.fixture
def definition(one_task):
    return ProcessDefinition.objects.get()


@pytest.fixture
def row(definition):
    return instances.start(definition, variables={"price": "=1+1", "name": "Zoë"}, by="user:ada").instance


def text(answer):
    return b"".join(answer.streaming_content).decode()


def test_the_drawing_in_pixels(api, row):
    svg = api.get(f"{V1}/process-instances/{row.pk}/drawing").content.decode()
    answer = api.get(f"{V1}/process-instances/{row.pk}/drawing.png")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer.content.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", answer.content[16:24])
    assert f'width="{width // 2}' in svg
    assert f'height="{height // 2}' in svg
    assert api.get(f"{V1}/process-definitions/{row.definition_id}/drawing.png").content.startswith(b"\x89PNG")


def test_the_history_as_json_is_what_the_pages_of_it_say(api, row):
    answer = api.get(f"{V1}/process-instances/{row.pk}/history.json")
    assert answer["Content-Disposition"] == f'attachment; filename="{row.process_id}-{row.pk}.json"'
    steps = json.loads(text(answer))
    pages = api.get(f"{V1}/process-instances/{row.pk}/history").json()["results"]
    assert [step["facts"] for step in steps] == [step["facts"] for step in pages]
    assert [step.keys() for step in steps] == [step.keys() for step in pages]
    assert [step["hidden"] for step in steps] == [[]] * len(steps)


def test_an_empty_history_is_json_too(api, row):
    Step.objects.all().delete()
    assert json.loads(text(api.get(f"{V1}/process-instances/{row.pk}/history.json"))) == []


def test_the_history_as_csv_has_a_line_for_every_fact(api, row):
    lines = list(csv.DictReader(io.StringIO(text(api.get(f"{V1}/process-instances/{row.pk}/history.csv")))))
    facts = [fact for step in Step.objects.filter(instance=row) for fact in step.facts]
    assert [line["fact"] for line in lines] == [fact["fact"] for fact in facts]
    assert json.loads(lines[0]["details"])["variables"] == {"price": "=1+1", "name": "Zoë"}
    assert lines[0]["by"] == "user:ada"


def test_nothing_in_it_is_a_formula(api, definition):
    row = instances.start(definition, by="=cmd()").instance
    assert "'=cmd()" in text(api.get(f"{V1}/process-instances/{row.pk}/history.csv"))


def test_the_trace_is_what_a_collector_takes(api, row):
    answer = api.get(f"{V1}/process-instances/{row.pk}/trace.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    (resource,) = answer.json()["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    root, *others = scope["spans"]
    assert root["name"] == row.process_id
    assert others
    assert {span["traceId"] for span in others} == {root["traceId"]}
    assert "Zoë" not in answer.content.decode()


@pytest.mark.parametrize("name", ["history.json", "history.csv"])
def test_who_may_not_see_payload_gets_the_history_without_values(user_with, row, name):
    (held,) = jobs.claim([row.jobs.get().type], worker="w")
    jobs.complete(held.id, held.attempt, {"secret": "hush"}, by="w", journal={"request": {"body": "psst"}})
    address = f"{V1}/process-instances/{row.pk}/{name}"
    viewer = user_with("view_processinstance", "view_step")
    hidden = text(viewer.get(address))
    if name == "history.json":
        pages = viewer.get(f"{V1}/process-instances/{row.pk}/history").json()["results"]
        assert [step["hidden"] for step in json.loads(hidden)] == [step["hidden"] for step in pages]
    assert not [value for value in ("Zoë", "1+1", "hush", "psst") if value in hidden]
    seen = text(user_with("view_processinstance", "view_step", "view_payload").get(address))
    assert not [value for value in ("Zoë", "1+1", "hush", "psst") if value not in seen]
    assert hidden.count("\n") in (seen.count("\n"), seen.count("\n") - 1), "all facts; no journal"


@pytest.mark.parametrize("name", ["drawing.png", "history.json", "history.csv", "trace.json"])
def test_who_may_not_see_instances_gets_nothing(user_with, row, name):
    answer = user_with("view_payload").get(f"{V1}/process-instances/{row.pk}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")


@pytest.mark.parametrize("name", ["history.json", "history.csv"])
@pytest.mark.parametrize("permission", ["view_processinstance", "view_step"])
def test_the_history_as_a_file_takes_what_its_pages_take(user_with, row, name, permission):
    answer = user_with(permission).get(f"{V1}/process-instances/{row.pk}/{name}")
    assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied")
    assert user_with("view_processinstance", "view_step").get(answer.wsgi_request.path).status_code == 200
    assert user_with().post(answer.wsgi_request.path).status_code == 405


def test_a_trace_is_saved_under_a_name(api, row):
    answer = api.get(f"{V1}/process-instances/{row.pk}/trace.json")
    assert answer["Content-Type"] == "application/json"
    assert answer["Content-Disposition"] == f'attachment; filename="{row.process_id}-{row.pk}.trace.json"'


@pytest.mark.parametrize("name", ["drawing.png", "history.json", "history.csv", "trace.json"])
def test_no_such_instance(api, name):
    answer = api.get(f"{V1}/process-instances/99/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "instance-not-found")
