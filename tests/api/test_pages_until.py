"""Lists that end at a moment begin there: what is later is never read on the way down."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.models import Action, Incident, ProcessInstance
from tests.api.conftest import V1, problem

URL = f"{V1}/process-instances"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def begun(definition, moments):
    """Instances that ended, with numbers in the order of this list."""
    rows = ProcessInstance.objects.bulk_create(
        ProcessInstance(
            definition_id=definition["id"],
            process_id="process",
            state="COMPLETED",
            started_at=moment,
            ended_at=moment,
        )
        for moment in moments
    )
    return [row.pk for row in rows]


def pages(api, url):
    """The ids of every page from this address on, and then back again."""
    found, last = [], ""
    while url:
        body = api.get(url).json()
        found.append([row["id"] for row in body["results"]])
        last, url = body["previous"], body["next"]
    back = []
    while last:
        body = api.get(last).json()
        back.append([row["id"] for row in body["results"]])
        last = body["previous"]
    assert back == found[-2::-1]
    return found


def test_what_started_before_is_paged_by_when_it_started(api, one_task):
    minutes = [3, 1, 2, 2, 2, 0, 9]  # a number may be given later than a start
    a, b, c, d, e, f, _ = begun(one_task, [NOON + timedelta(minutes=minute) for minute in minutes])
    until = "2026-01-01T12:09:00Z"
    assert pages(api, f"{URL}?started_before={until}&page_size=2") == [[a, e], [d, c], [b, f]]


@pytest.mark.parametrize(
    ("address", "query", "rows", "column"),
    [
        (URL, "started_before", ProcessInstance, "started_at"),
        (f"{V1}/incidents", "raised_before", Incident, "raised_at"),
        (f"{V1}/audit", "before", Action, "at"),
    ],
)
def test_the_order_is_that_of_the_index(api, address, query, rows, column):
    def order(**given):
        with CaptureQueriesContext(connection) as queries:
            assert api.get(address, given).status_code == 200
        return next(each["sql"] for each in queries if "LIMIT 51" in each["sql"]).rpartition("ORDER BY ")[2]

    table = rows._meta.db_table
    assert order(**{query: "2026-01-01T00:00:00Z"}).startswith(f'"{table}"."{column}" DESC, "{table}"."id" DESC')
    assert order().startswith(f'"{table}"."id" DESC LIMIT')


@pytest.mark.only_on("postgresql")
def test_of_many_instances_only_the_page_is_read(api, one_task):
    begun(one_task, [NOON + timedelta(seconds=number) for number in range(5_000)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE processes_processinstance")
        with CaptureQueriesContext(connection) as queries:
            middle = (NOON + timedelta(seconds=2_500)).isoformat()
            assert len(api.get(URL, {"started_before": middle}).json()["results"]) == 50
        (sql,) = [each["sql"] for each in queries if "LIMIT 51" in each["sql"]]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        plan = str(cursor.fetchone())
    assert "instance_by_start" in plan
    assert "processes_processinstance_pkey" not in plan
    assert not re.search("Rows Removed by Filter': [1-9]", plan)


def test_a_cursor_of_one_order_is_none_in_the_other(api, one_task):
    begun(one_task, [NOON + timedelta(minutes=minute) for minute in range(4)])

    def cursor(**query):
        return parse_qs(urlsplit(api.get(URL, {"page_size": 2, **query}).json()["next"]).query)["cursor"][0]

    until = {"started_before": "2027-01-01T00:00:00Z"}
    problem(api.get(URL, {"cursor": cursor(**until)}), 400, "invalid")
    problem(api.get(URL, {"cursor": cursor(), **until}), 400, "invalid")
