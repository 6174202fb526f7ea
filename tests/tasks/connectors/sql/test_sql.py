"""Statements on PostgreSQL, MariaDB and SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tasks.connectors import sql, sql_engines
from tasks.connectors.base import Connection, JobError
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.sql.conftest import HOST, SQL, failure, run

Fill = Callable[..., None]
INSERT = "INSERT INTO account (owner, balance) VALUES (:owner, :balance)"


def test_what_a_query_returns(dsn: str, fill: Fill) -> None:
    fill(ann=Decimal("1.10"), bob=2)
    query = "SELECT owner, balance FROM account WHERE balance > :least ORDER BY owner;"
    made = run(dsn, sql=query, parameters={"least": 1})
    assert made.body == {
        "rows": [{"owner": "ann", "balance": Decimal("1.10")}, {"owner": "bob", "balance": 2}],
        "count": 2,
    }
    assert run(dsn, sql=query, parameters={"least": 1}, returnType="first")["row"]["owner"] == "ann"
    assert run(dsn, sql=query, parameters={"least": 9}, returnType="first").body == {"row": None}
    assert run(dsn, sql=query, parameters={"least": 1}, returnType="count").body == {"count": 2}
    assert run(dsn, sql="SELECT sum(balance) AS s FROM account", returnType="scalar").body == {"value": Decimal("3.1")}
    assert failure(dsn, sql=query, parameters={"least": 1}, returnType="scalar").code == "INVALID_INPUT"


def test_execute_tells_rows_and_keys(dsn: str, fill: Fill) -> None:
    made = run(dsn, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": "5.00"})
    assert made["affected"] == 1
    if not dsn.startswith("postgresql"):
        assert made["key"] > 0
    returning = run(
        dsn, operation="execute", sql=INSERT + " RETURNING id, owner", parameters={"owner": "b", "balance": 0}
    )
    assert returning["affected"] == 1
    assert returning["rows"][0]["owner"] == "b"
    assert run(dsn, operation="execute", sql="UPDATE account SET balance = 1").body["affected"] == 2


def test_many_statements_are_one_transaction(dsn: str, fill: Fill) -> None:
    fill(ann=10, bob=0)
    move = "UPDATE account SET balance = balance + :amount WHERE owner = :owner"
    made = run(
        dsn,
        operation="statements",
        statements=[
            {"sql": move, "parameters": {"amount": -3, "owner": "ann"}},
            {"sql": move, "parameters": {"amount": 3, "owner": "bob"}},
        ],
    )
    assert made["affected"] == 2
    error = failure(
        dsn,
        operation="statements",
        statements=[
            {"sql": move, "parameters": {"amount": 100, "owner": "bob"}},
            {"sql": move, "parameters": {"amount": -100, "owner": "ann"}},
        ],
    )
    assert (error.code, error.retryable) == ("23514", False)
    balances = run(dsn, sql="SELECT balance FROM account ORDER BY owner")["rows"]
    assert balances == [{"balance": 7}, {"balance": 3}]


def test_lists_stand_for_in(dsn: str, fill: Fill) -> None:
    fill(ann=1, bob=2, cid=3)
    for form in (":owners", "(:owners)"):
        query = f"SELECT owner FROM account WHERE owner IN {form} ORDER BY owner"
        assert [row["owner"] for row in run(dsn, sql=query, parameters={"owners": ["ann", "cid"]})["rows"]] == [
            "ann",
            "cid",
        ]
        assert run(dsn, sql=query, parameters={"owners": []})["count"] == 0
    error = failure(dsn, sql="SELECT 1 AS x FROM account WHERE owner NOT IN :o", parameters={"o": []})
    assert "NOT IN" in error.message


@pytest.mark.parametrize(
    "evil", ["'; DROP TABLE account; --", "' OR '1'='1", "\\' OR 1=1 -- ", "%s %(x)s ? :x", '"', "\\"]
)
def test_values_never_become_text_of_a_statement(dsn: str, fill: Fill, evil: str) -> None:
    fill(**{evil: 1, "ann": 2})
    query = "SELECT owner FROM account WHERE owner = :owner AND owner NOT LIKE 'a%' /* :owner */ -- :owner"
    assert run(dsn, sql=query, parameters={"owner": evil})["rows"] == [{"owner": evil}]
    assert run(dsn, sql="SELECT ':owner' AS a, :owner AS b", parameters={"owner": evil})["rows"] == [
        {"a": ":owner", "b": evil}
    ]


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"sql": "SELECT 1; SELECT 2"}, "found several"),
        ({"sql": "SELECT :a"}, "value for :a"),
        ({"sql": "SELECT 1", "parameters": {"a": 1}}, "no :a"),
        ({"sql": "COMMIT", "operation": "execute"}, "leave transactions"),
        ({"sql": "/* x */ rollback", "operation": "execute"}, "leave transactions"),
        ({"sql": "PRAGMA query_only = OFF", "readOnly": True}, "only read"),
        ({"sql": "SELECT 'a"}, "to be closed"),
        ({"sql": "  "}, "an SQL statement"),
        ({"sql": "SELECT 1", "returnType": "some"}, "returnType"),
        ({"sql": "SELECT 1", "operation": "drop"}, "operation"),
        ({"sql": "SELECT 1", "query": "x"}, "`query`"),
        ({"sql": "SELECT 1", "maxRows": 0}, "maxRows"),
        ({"sql": "SELECT 1", "maxRows": "1.5"}, "maxRows"),
        ({"sql": "SELECT 1", "statements": ["SELECT 1"]}, "`statements`"),
        ({"operation": "statements", "statements": []}, "`statements`"),
        ({"operation": "statements", "statements": [{"sql": "SELECT 1", "x": 1}]}, "`x`"),
        ({"operation": "call"}, "procedure"),
        ({"operation": "call", "procedure": "a; drop"}, "name of a procedure"),
        ({"operation": "call", "procedure": "a", "arguments": [{"value": 1, "type": "int); drop"}]}, "type"),
        ({"sql": "SELECT 1", "isolation": "none"}, "isolation"),
        ({"sql": "SELECT 1", "transaction": "completing"}, "no connection"),
    ],
)
def test_inputs_that_are_refused(inputs: dict[str, Any], told: str) -> None:
    error = failure("sqlite://", **inputs)
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message


def test_codes_are_the_same_everywhere(dsn: str, fill: Fill) -> None:
    fill(ann=1)

    def code(sql: str, **parameters: Any) -> str:
        error = failure(dsn, operation="execute", sql=sql, parameters=parameters)
        assert not error.retryable
        return error.code

    twice = failure(dsn, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": 1})
    assert twice.code == twice.details["sqlstate"] == "23505"
    assert "owner" in twice.details["constraint"]
    assert code(INSERT, owner=None, balance=1) == "23502"
    assert code(INSERT, owner="bob", balance=-1) == "23514"
    assert code("SELECT * FROM missing") == "42P01"
    assert code("SELECT missing FROM account") == "42703"
    assert code("SELEC 1") == "42601"


def test_reading_only(dsn: str, fill: Fill) -> None:
    fill(ann=1)
    assert run(dsn, sql="SELECT count(*) AS n FROM account", readOnly=True)["rows"] == [{"n": 1}]
    for inputs in (
        {"operation": "execute", "sql": "DELETE FROM account"},
        {"sql": "DELETE FROM account RETURNING id"},
        {"operation": "statements", "statements": ["DELETE FROM account"]},
    ):
        error = failure(dsn, readOnly="true", **inputs)
        assert (error.code, error.retryable) == ("25006", False), error.message
    assert run(dsn, sql="SELECT id FROM account", returnType="count").body == {"count": 1}
    run(dsn, operation="execute", sql="DELETE FROM account")  # the next one from the pool may write again


def test_rows_and_bytes_are_bounded(dsn: str, fill: Fill) -> None:
    fill(ann=1, bob=2, cid=3)
    error = failure(dsn, sql="SELECT owner FROM account", maxRows=2)
    assert (error.code, error.retryable) == ("TOO_MANY_ROWS", False)
    error = failure(dsn, sql="SELECT owner FROM account", maxResponseBytes=20)
    assert error.code == "RESULT_TOO_LARGE"
    assert failure(dsn, sql="SELECT 1 AS a, 2 AS a").code == "DUPLICATE_COLUMN"
    assert run(dsn, sql="SELECT owner FROM account", maxRows=3)["count"] == 3


ENDLESS = {
    "postgresql": "SELECT pg_sleep(20) AS s",
    "mariadb": "SELECT sum(a.seq) AS s FROM seq_1_to_100000 a, seq_1_to_100000 b, seq_1_to_1000 c",
    "sqlite": "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) AS s FROM n",
}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is slow to end a statement by itself is not cut off."""
    monkeypatch.setattr(sql_engines, "GRACE", 60.0)


@pytest.mark.usefixtures("patient")
def test_statements_end_in_time(dsn: str) -> None:
    begun = time.monotonic()
    error = failure(dsn, sql=ENDLESS[dsn.partition(":")[0]], deadlineInSeconds="0.5")
    assert time.monotonic() - begun < 15
    assert (error.code, error.retryable) == ("57014", True), error.message
    assert run(dsn, sql="SELECT 1 AS one")["rows"] == [{"one": 1}]


def test_a_database_that_does_not_obey_is_cut_off(postgresql: str) -> None:
    """The statement takes its own limit away; the connection is cut a second after the deadline."""
    begun = time.monotonic()
    error = failure(
        postgresql,
        operation="statements",
        statements=["SELECT set_config('statement_timeout', '0', false)", "SELECT pg_sleep(20)"],
        deadlineInSeconds="0.5",
    )
    assert time.monotonic() - begun < 15
    assert (error.code, error.retryable) == ("08006", True), error.message
    assert run(postgresql, sql="SELECT 1 AS one")["count"] == 1


@pytest.mark.parametrize(
    ("address", "code", "retryable"),
    [
        ("postgresql://postgres:s3cr3t-pass@127.0.0.1:1/x", "08001", True),
        ("mariadb://root:s3cr3t-pass@127.0.0.1:1/x", "08001", True),
        ("sqlite:////nowhere/at/all.db", "08001", True),
        ("oracle://scott:s3cr3t-pass@127.0.0.1/x", "DRIVER_MISSING", False),
        ("nonsense://scott:s3cr3t-pass@127.0.0.1/x", "DRIVER_MISSING", False),
        ("s3cr3t-pass", "INVALID_INPUT", False),
    ],
)
def test_databases_that_cannot_be_reached(address: str, code: str, retryable: bool) -> None:
    error = failure(address, sql="SELECT 1 AS one")
    assert (error.code, error.retryable) == (code, retryable), error.message


def test_a_database_that_does_not_exist(postgresql: str, mariadb: str) -> None:
    for address in (postgresql, mariadb):
        wrong = address.replace("sqlconnector", "nowhere")
        error = failure(wrong, sql="SELECT 1 AS one")
        assert (error.code, error.retryable) == ("3D000", False), error.message


def test_a_broken_connection_is_not_used_again(postgresql: str) -> None:
    assert run(postgresql, sql="SELECT 1 AS one")["count"] == 1
    admin = psycopg2.connect(host=HOST, user="postgres", dbname="postgres")
    with admin.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [postgresql.rpartition("/")[2]]
        )
    admin.close()
    assert run(postgresql, sql="SELECT 1 AS one")["count"] == 1


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Has something done once a thread has had its first statement carried out."""

    def then(act: Callable[[], Any]) -> None:
        send, here = sql._send, threading.local()

        def sent(*arguments: Any, **options: Any) -> Any:
            result = send(*arguments, **options)
            if not hasattr(here, "sent"):
                here.sent = True
                act()
            return result

        monkeypatch.setattr(sql, "_send", sent)

    return then


def test_serialization_failures_are_tried_again(postgresql: str, halfway: Callable[..., None]) -> None:
    run(postgresql, operation="execute", sql="DELETE FROM account")
    run(postgresql, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": 1})
    other = psycopg2.connect(postgresql)

    def collide() -> None:
        with other, other.cursor() as cursor:
            cursor.execute("UPDATE account SET balance = balance + 1")

    halfway(collide)
    error = failure(
        postgresql,
        operation="statements",
        isolation="SERIALIZABLE",
        statements=["SELECT balance FROM account", "UPDATE account SET balance = balance + 1"],
    )
    other.close()
    assert (error.code, error.retryable) == ("40001", True)


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_deadlocks_are_tried_again(server: str, request: Any, halfway: Callable[..., None]) -> None:
    address = request.getfixturevalue(server)
    run(address, operation="execute", sql="DELETE FROM account")
    for owner in ("ann", "bob"):
        run(address, operation="execute", sql=INSERT, parameters={"owner": owner, "balance": 1})
    results: list[str] = []

    def lock(first: str, second: str) -> None:
        update = "UPDATE account SET balance = balance + 1 WHERE owner = "
        try:
            run(address, operation="statements", statements=[f"{update}'{first}'", f"{update}'{second}'"])
            results.append("done")
        except Exception as error:  # noqa: BLE001
            results.append(f"{error.code} {error.retryable}")  # type: ignore[attr-defined]

    both = threading.Barrier(2)
    halfway(lambda: both.wait(60))
    threads = [threading.Thread(target=lock, args=pair) for pair in (("ann", "bob"), ("bob", "ann"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == sorted(["done", "40P01 True" if server == "postgresql" else "40001 True"])


def test_percent_signs_stay_single(dsn: str) -> None:
    query = "SELECT 100 % 7 AS m, '%%' AS p"
    assert run(dsn, sql=query)["rows"] == [{"m": 2, "p": "%%"}]
    assert run(dsn, sql=query + ", :a AS a", parameters={"a": "%s"})["rows"] == [{"m": 2, "p": "%%", "a": "%s"}]


def test_values_of_postgresql(postgresql: str) -> None:
    made = run(
        postgresql,
        sql="""SELECT 1.10::numeric AS n, 0.1::float8 AS f, 'NaN'::float8 AS nan, true AS b, NULL AS nothing,
        date '2026-02-03' AS d, timestamptz '2026-02-03 04:05:06+00' AS t, time '04:05' AS c, interval '1 day 2s' AS i,
        '00000000-0000-0000-0000-000000000001'::uuid AS u, '\\x6162'::bytea AS y, '{"a": [1.10]}'::jsonb AS j,
        ARRAY[1, 2] AS l, :given::jsonb AS g""",
        parameters={"given": {"price": Decimal("1.10")}},
        returnType="first",
    )["row"]
    assert made["t"].startswith("2026-02-03T")
    del made["t"]
    assert made == {
        "n": Decimal("1.10"), "f": Decimal("0.1"), "nan": "nan", "b": True, "nothing": None, "d": "2026-02-03",
        "c": "04:05:00", "i": "P1DT2S", "u": "00000000-0000-0000-0000-000000000001", "y": "YWI=",
        "j": {"a": [Decimal("1.10")]}, "l": [1, 2], "g": {"price": Decimal("1.10")},
    }  # fmt: skip


def test_values_of_mariadb(mariadb: str) -> None:
    made = run(
        mariadb,
        sql="""SELECT 1.10 AS n, 0.1e0 AS f, NULL AS nothing, date '2026-02-03' AS d,
        timestamp '2026-02-03 04:05:06' AS t, x'6162' AS y, '{"a": [1.10]}' AS j, 100 % 7 AS m""",
        returnType="first",
        jsonColumns=["j"],
    )["row"]
    assert made == {
        "n": Decimal("1.10"), "f": Decimal("0.1"), "nothing": None, "d": "2026-02-03", "t": "2026-02-03T04:05:06",
        "y": "YWI=", "j": {"a": [Decimal("1.10")]}, "m": 2,
    }  # fmt: skip


def test_procedures_with_out_parameters_on_postgresql(postgresql: str) -> None:
    run(postgresql, operation="execute", sql="DELETE FROM account")
    run(postgresql, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": 10})
    arguments = [
        "ann",
        Decimal("2.50"),
        {"value": 100, "mode": "INOUT", "name": "left", "type": "numeric"},
        {"mode": "OUT", "name": "note"},
    ]
    made = run(postgresql, operation="call", procedure="public.pay", arguments=arguments)
    assert made.body == {"out": {"left": Decimal("107.50"), "note": "paid by ann"}, "rows": []}
    assert run(postgresql, operation="call", function="stats")["out"] == {"total": Decimal("7.50"), "number": 1}
    assert run(postgresql, operation="call", function="twice", arguments=[21])["out"] == {"twice": 42}
    assert failure(postgresql, operation="call", function="thrice", arguments=[21]).code == "42883"


def test_procedures_with_out_parameters_on_mariadb(mariadb: str) -> None:
    run(mariadb, operation="execute", sql="DELETE FROM account")
    run(mariadb, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": 10})
    arguments = [
        "ann",
        Decimal("2.50"),
        {"value": 100, "mode": "INOUT", "name": "left"},
        {"mode": "OUT", "name": "note"},
    ]
    made = run(mariadb, operation="call", procedure="pay", arguments=arguments)
    assert made.body == {
        "out": {"left": Decimal("107.5"), "note": "paid by ann"},
        "rows": [{"owner": "ann", "balance": Decimal("7.50")}],
    }
    assert run(mariadb, sql="SELECT balance FROM account", returnType="scalar").body == {"value": Decimal("7.50")}
    assert run(mariadb, operation="call", function="twice", arguments=[21])["out"] == {"twice": 42}
    assert failure(mariadb, operation="call", procedure="thrice").code == "42883"
    over = failure(mariadb, operation="call", procedure="pay", arguments=["ann", 999, *arguments[2:]])
    assert over.code == "23514"


def test_sqlite_has_no_procedures(tmp_path: Path) -> None:
    assert failure(f"sqlite:///{tmp_path}/x.db", operation="call", procedure="pay").code == "NOT_SUPPORTED"


def test_the_idempotency_key_is_a_parameter(dsn: str) -> None:
    run(dsn, operation="execute", sql=INSERT, parameters={"owner": "ann", "balance": 1})
    made = run(dsn, sql="SELECT owner FROM account WHERE owner <> :idempotency_key")
    assert made["count"] == 1
    run(dsn, operation="execute", sql="INSERT INTO account (owner) VALUES (:idempotency_key)")
    assert (
        failure(dsn, operation="execute", sql="INSERT INTO account (owner) VALUES (:idempotency_key)").code == "23505"
    )


def test_values_are_not_in_the_journal(dsn: str) -> None:
    made = run(dsn, operation="execute", sql=INSERT, parameters={"owner": "very-private", "balance": 1})
    assert made.journal["statements"] == [INSERT]
    assert "very-private" not in str(made.journal)
    again = failure(dsn, operation="execute", sql=INSERT + " -- twice", parameters={"owner": "x", "balance": -1})
    assert again.journal["operation"] == "execute"


def test_long_statements_of_mariadb_may_take_their_time(mariadb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_engines, "CONNECT_SECONDS", 3.0)
    sql_engines.engines.close()
    assert run(mariadb, sql="SELECT sleep(3.5) AS s")["rows"] == [{"s": 0}]
    sql_engines.engines.close()  # the next ones may take their time to connect


@pytest.mark.usefixtures("patient")
def test_a_connection_brings_address_login_and_options(postgresql: str) -> None:
    def ask(sql: str, **fields: Any) -> Any:
        given = {"name": "shop", "url": f"postgresql://{HOST}/{postgresql.rpartition('/')[2]}", **fields}
        return SQL.run(make_job(connection=Connection(**given), variables={"sql": sql}))

    login = {"username": "postgres", "password": "s3cr3t-pass"}
    assert ask("SELECT 1 AS one", authentication=login, allowed_hosts=(HOST,))["count"] == 1
    with pytest.raises(JobError, match="25006"):
        ask("DELETE FROM account RETURNING id", authentication=login, options={"readOnly": True})
    with pytest.raises(JobError, match="allowed hosts"):
        ask("SELECT 1 AS one", authentication=login, allowed_hosts=("db.example",))
    with pytest.raises(JobError) as caught:
        ask("SELECT pg_sleep(9) AS s", authentication=login, timeout=0.3)
    assert caught.value.code == "57014"
    assert "s3cr3t-pass" not in f"{caught.value.message}{caught.value.journal}"


JDBC = "io.camunda:connector-jdbc:1"


def test_camundas_jdbc_connector(postgresql: str) -> None:
    run(postgresql, operation="execute", sql="DELETE FROM account")
    detailed = {
        "authType": "detailed", "host": HOST, "port": "5432", "username": "postgres", "password": "s3cr3t-pass",
        "databaseName": postgresql.rpartition("/")[2],
    }  # fmt: skip
    made = run(
        type=JDBC,
        database="POSTGRESQL",
        connection=detailed,
        data={
            "query": "INSERT INTO account (owner, balance) VALUES (?, ?)",
            "variables": ["ann", 1],
            "returnResults": False,
        },
    )
    assert made.body == {"modifiedRows": 1}
    made = run(
        type=JDBC,
        database="POSTGRESQL",
        connection={"authType": "uri", "uri": "jdbc:" + postgresql},
        data={
            "query": "SELECT owner FROM account WHERE owner = :who",
            "variables": {"who": "ann"},
            "returnResults": "true",
        },
    )
    assert made.body == {"resultSet": [{"owner": "ann"}]}
    for wrong, told in (
        ({"data": {"query": "SELECT 1", "resultFormat": 1}}, "resultFormat"),
        ({"connection": {**detailed, "ssl": True}}, "`connection.ssl`"),
        ({"connection": {"authType": "magic"}}, "authType"),
        ({"database": "DB2"}, "database"),
        ({"more": 1}, "`more`"),
    ):
        given = {"database": "POSTGRESQL", "connection": detailed, "data": {"query": "SELECT 1"}, **wrong}
        assert told in failure(type=JDBC, **given).message
