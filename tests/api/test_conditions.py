"""Conditions that begin processes, over REST."""

from __future__ import annotations

from processes.models import ProcessInstance
from tests.api.conftest import V1, fields, problem
from tests.drawing import Drawing

URL = f"{V1}/conditions"


def test_an_instance_begins_where_a_condition_is_true(api, deploy):
    definition = deploy(Drawing("hall").start_on("hot", ("conditional", "=heat > 30")).service("cool", type="c").end())
    shown = api.get(f"{V1}/process-definitions/{definition['id']}").json()
    assert [(start["kind"], start["element_id"]) for start in shown["starts"]] == [("CONDITION", "hot")]
    deploy(Drawing("odd").start_on("warm", ("conditional", "=10 ** heat > 1")).end())
    answer = api.post(URL, {"variables": {"heat": 41}, "process_id": "hall", "business_key": "3"}, format="json")
    instance = ProcessInstance.objects.get()
    assert (instance.variables, instance.business_key, instance.started_by) == ({"heat": 41}, "3", "user:root")
    started = {"id": instance.pk, "process_id": "hall", "definition_id": definition["id"], "start_element": "hot"}
    assert (answer.status_code, answer.json()) == (200, {"started": [started | {"state": "ACTIVE"}], "unknown": []})
    report = api.post(URL, {"variables": {"heat": 9999}}, format="json").json()
    assert [row["process_id"] for row in report["started"]] == ["hall"]
    assert [(row["process_id"], row["element"]) for row in report["unknown"]] == [("odd", "warm")]


def test_nothing_begins(api, deploy):
    deploy(Drawing("hall").start_on("hot", ("conditional", "=heat > 30")).end())
    assert api.post(URL, {}, format="json").json() == {"started": [], "unknown": []}
    problem(api.post(URL, {"process_id": "nobody"}, format="json"), 404, "definition-not-found")
    assert fields(problem(api.post(URL, {"variables": 7}, format="json"), 400, "invalid")) == {"variables": "invalid"}
    assert not ProcessInstance.objects.exists()
