"""What a process loads before it does anything: what its work needs, and nothing that only others need.

Not how long it takes, which the benchmarks measure: what is loaded decides it, and is the same on every machine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tasks.registry import BUILT_IN, BuiltIn, Registry

ROOT = Path(__file__).resolve().parent.parent

PAGES = ("processes.admin", "processes.api", "rest_framework.views", "drf_spectacular.openapi", "prometheus_client")
LIBRARIES = ("zeep", "requests", "sqlalchemy", "redis", "minio", "paramiko", "rich")

COMMAND = """
import django.core.management as management
try:
    management.execute_from_command_line(["manage.py", *ARGUMENTS])
except SystemExit as ended:
    assert not ended.code, ended.code
"""
WORKER = """
import orchestrator.celery
orchestrator.celery.app.loader.import_default_modules()
orchestrator.celery.app.finalize()
worker = orchestrator.celery.app.Worker(hostname="w@here", pool="solo")
assert {"http", "soap", "sql"} <= set(worker.station.types) <= set(orchestrator.celery.app.tasks)
"""
FOLLOWS = """
import django
django.setup()
from processes.models import ProcessInstance
from processes.runtime import definitions, instances
from tests.drawing import Drawing

def deploy(drawing):
    return definitions.deploy(drawing.xml(), by="test").definitions[0].definition

deploy(Drawing("signalled").start_on("s", ("signal", "go")).end())
deploy(Drawing("told").start_message("s", "ordered").end())
deploy(Drawing("called").start().end())
caller = Drawing("caller").start().throw("t", ("signal", "go")).throw_message("m", "ordered").call("c", "called").end()
instances.start(deploy(caller))
found = dict(ProcessInstance.objects.values_list("process_id", "state"))
assert found == dict.fromkeys(["signalled", "told", "called", "caller"], "COMPLETED"), found
"""


def loaded(source: str, database: Path, **names: Any) -> set[str]:
    """The modules of a process of its own that ran this."""
    given = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    code = f"{given}{source}\nimport json, sys\nprint('\\n' + json.dumps(sorted(sys.modules)))"
    environment = {
        **{name: value for name, value in os.environ.items() if name != "AMQP_URL"},
        "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
        "DATABASE_URL": f"sqlite:///{database}",
        "DEBUG": "1",
    }
    ran = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout.splitlines()[-1]))


def of(modules: Iterable[str], names: Iterable[str]) -> list[str]:
    return [name for name in names if any(each == name or each.startswith(f"{name}.") for each in modules)]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated one, with nothing in it."""
    path = tmp_path_factory.mktemp("startup") / "db.sqlite3"
    loaded(COMMAND, path, ARGUMENTS=["migrate", "--verbosity", "0"])
    return path


@pytest.mark.parametrize(
    "arguments",
    [
        ["start_process", "--help"],
        ["process_definitions", "list"],
        ["sweep", "--once"],
        ["publish_message", "paid"],
    ],
    ids=" ".join,
)
def test_a_command_loads_neither_pages_nor_connectors(database: Path, arguments: list[str]) -> None:
    modules = loaded(COMMAND, database, ARGUMENTS=arguments)
    assert "processes.runtime.transaction" in modules
    assert of(modules, (*PAGES, *LIBRARIES)) == []


def test_a_worker_loads_neither_pages_nor_the_libraries_of_connectors(database: Path) -> None:
    modules = loaded(WORKER, database)
    assert of(modules, (*PAGES, *LIBRARIES)) == []


def test_whoever_checks_the_installation_checks_the_pages_too(database: Path) -> None:
    """Django's check of the admin sees every room, whatever was loaded before."""
    modules = loaded(COMMAND, database, ARGUMENTS=["check", "--tag", "admin"])
    assert of(modules, ["processes.admin.incidents"])
    assert of(loaded(COMMAND, database, ARGUMENTS=["check"]), PAGES) == list(PAGES)


def test_what_follows_a_commit_is_there_in_every_process(database: Path) -> None:
    """Messages, signals and calls are delivered after the commit that wrote them, also where no page is loaded, and
    nobody sweeps."""
    assert of(loaded(FOLLOWS, database), ["processes.admin"]) == []


@pytest.mark.parametrize("path", BUILT_IN)
def test_the_built_in_connectors_serve_the_types_that_are_written_down_for_them(path: str) -> None:
    connector: Any = BuiltIn(path).load()
    assert (connector.type, *getattr(connector, "aliases", ())) == BUILT_IN[path]
    assert f"{type(connector).__module__}.{type(connector).__qualname__}" == path


def test_a_built_in_connector_is_one_object_under_all_its_types() -> None:
    registry = Registry.load(options={"sql": {"sqlite_files": True}})
    assert registry.get("soap") is registry.get("io.camunda:soap:1") is registry.registrations["soap"].connector
    assert registry.get("sql")._sqlite_files is True  # type: ignore[union-attr]
    assert Registry.load().get("sql")._sqlite_files is False  # type: ignore[union-attr]
