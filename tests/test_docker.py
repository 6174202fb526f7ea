"""The container files. Images are not built here: what they say is held against the settings and the addresses, and
every mode of the entrypoint is run on this machine."""

from __future__ import annotations

import fnmatch
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands
from django.urls import resolve

from processes.runtime import workers
from tests.tasks.fleet import free_port

ROOT = Path(__file__).resolve().parent.parent
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
ENTRYPOINT = DOCKER / "entrypoint.sh"
COMPOSE: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
MODES = sorted(re.findall(r"^  (\w+)\)", ENTRYPOINT.read_text(), re.MULTILINE))

ENTRYPOINT_VARIABLES = set(re.findall(r"\$\{(\w+):-", ENTRYPOINT.read_text())) - {"BASH_SOURCE"}
INSTRUCTIONS = [(match[1], match[2].strip()) for match in re.finditer(r"^([A-Z]+) (.*)$", DOCKERFILE, re.MULTILINE)]


def settings_variables() -> set[str]:
    """What the settings read from the environment."""
    return set(re.findall(r'env\.\w+\(\s*"(\w+)"', (ROOT / "orchestrator" / "settings.py").read_text()))


def run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """On the embedded default, with this Python first on the path."""
    return subprocess.run(
        command, cwd=ROOT, env=clean(**environment), capture_output=True, text=True, timeout=120, check=False
    )


def clean(**environment: str) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in settings_variables()}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**ours, "PATH": path, **environment}


class TestDockerfile:
    def test_bases_are_pinned(self) -> None:
        bases = [value.split()[0] for name, value in INSTRUCTIONS if name == "FROM"]
        assert len(bases) == 3
        assert all(re.fullmatch(r"python:3\.11[\w.-]*|node:20[\w.-]*", base) for base in bases)

    def test_requirements_are_installed_with_hashes(self) -> None:
        assert "pip install --require-hashes -r" in DOCKERFILE
        assert "--hash=sha256:" in (ROOT / "requirements.txt").read_text()

    def test_it_runs_without_privileges(self) -> None:
        user = [value for name, value in INSTRUCTIONS if name == "USER"][-1]
        uid, gid = user.split(":")
        assert int(uid) >= 1000
        assert f"useradd --uid {uid} --gid {gid}" in DOCKERFILE

    def test_the_entrypoint_is_in_exec_form(self) -> None:
        entrypoint = yaml.safe_load(next(value for name, value in INSTRUCTIONS if name == "ENTRYPOINT"))
        command = yaml.safe_load(next(value for name, value in INSTRUCTIONS if name == "CMD"))
        assert entrypoint == ["/usr/bin/tini", "--", "/app/docker/entrypoint.sh"]
        assert command[0] in MODES

    def test_what_is_copied_exists_and_is_sent_to_the_builder(self) -> None:
        rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
        assert rules[0] == "*"
        let_through = [rule[1:] for rule in rules if rule.startswith("!")]
        for name, value in INSTRUCTIONS:
            if name == "COPY" and "--from" not in value:
                for source in value.split()[:-1]:
                    assert (ROOT / source).exists(), source
                    assert any(
                        fnmatch.fnmatch(source, rule) or source.startswith(f"{rule}/") for rule in let_through
                    ), source

    def test_every_package_of_ours_is_copied(self) -> None:
        copied = {value.split()[0] for name, value in INSTRUCTIONS if name == "COPY"}
        assert copied >= {"manage.py", "orchestrator", "processes", "tasks", "templates"}

    @pytest.mark.django_db
    def test_static_files_can_be_collected(self, tmp_path: Path) -> None:
        command = re.search(r"python (manage\.py collectstatic [^&]*?)\s*&&", DOCKERFILE)
        assert command is not None
        database = f"sqlite:///{tmp_path / 'none.sqlite3'}"
        done = run(sys.executable, *command[1].split(), "--dry-run", DATABASE_URL=database)
        assert done.returncode == 0, done.stderr

    def test_the_exposed_port_is_the_one_that_is_listened_on(self) -> None:
        exposed = next(value for name, value in INSTRUCTIONS if name == "EXPOSE")
        assert f"${{PORT:-{exposed}}}" in ENTRYPOINT.read_text()
        assert SERVICES["web"]["ports"][0].rpartition(":")[2] == exposed


class TestCompose:
    @pytest.mark.parametrize("name", SERVICES)
    def test_images_are_pinned(self, name: str) -> None:
        tag = SERVICES[name]["image"].partition(":")[2]
        assert tag
        assert not tag.startswith("latest")
        assert name in OURS or re.match(r"\d", tag)

    @pytest.mark.parametrize("name", OURS)
    def test_variables_are_read_by_the_settings_or_the_entrypoint(self, name: str) -> None:
        assert SERVICES[name]["environment"].keys() <= settings_variables() | ENTRYPOINT_VARIABLES

    @pytest.mark.parametrize("name", OURS)
    def test_commands_are_modes_of_the_entrypoint(self, name: str) -> None:
        assert SERVICES[name]["command"][0] in MODES

    def test_no_secret_is_written_down(self) -> None:
        text = (DOCKER / "compose.yaml").read_text()
        for secret in ("SECRET_KEY", "ORCHESTRATOR_FIELD_KEYS", "POSTGRES_PASSWORD", "RABBITMQ_PASSWORD"):
            assert set(re.findall(rf"\${{{secret}(..)", text)) == {":?"}, secret
            assert f"\n{secret}=\n" in (DOCKER / ".env.example").read_text()
        assert not re.search(r"://\w+:(?!\$\{)", text)

    def test_the_example_names_every_variable_and_no_other(self) -> None:
        asked = set(re.findall(r"\$\{(\w+):", (DOCKER / "compose.yaml").read_text()))
        example = (DOCKER / ".env.example").read_text()
        assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == asked

    def test_the_urls_lead_to_the_other_services(self) -> None:
        environment = SERVICES["web"]["environment"]
        database, broker = SERVICES["postgres"]["environment"], SERVICES["rabbitmq"]["environment"]
        url = environment["DATABASE_URL"]
        assert url.startswith(f"postgres://{database['POSTGRES_USER']}:")
        assert url.endswith(f"@postgres:5432/{database['POSTGRES_DB']}")
        assert environment["AMQP_URL"].startswith(f"amqp://{broker['RABBITMQ_DEFAULT_USER']}:")
        assert environment["AMQP_URL"].endswith("@rabbitmq:5672//")

    @pytest.mark.parametrize("name", SERVICES)
    def test_who_serves_is_watched_and_has_time_to_end(self, name: str) -> None:
        service = SERVICES[name]
        if name == "migrate":  # it ends
            return
        assert "healthcheck" in service
        assert int(service["stop_grace_period"].removesuffix("s")) >= 30

    def test_workers_have_longer_than_they_take(self) -> None:
        worker = SERVICES["worker"]
        grace = int(worker["stop_grace_period"].removesuffix("s"))
        assert grace > int(worker["environment"]["ORCHESTRATOR_SHUTDOWN_SECONDS"])
        assert worker["deploy"]["replicas"] >= 2

    @pytest.mark.parametrize("name", SERVICES)
    def test_who_is_waited_for_can_be(self, name: str) -> None:
        for other, how in SERVICES[name].get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "test" in SERVICES[other]["healthcheck"]
            else:
                assert SERVICES[other]["command"] == ["migrate"]

    def test_health_checks_ask_what_exists(self) -> None:
        health = (DOCKER / "health.py").read_text()
        for address in re.findall(r"\}(/\w+)\"", health):
            assert resolve(address)
        for service in OURS.values():
            if "test" in service.get("healthcheck", {}):
                script, what = service["healthcheck"]["test"][2:]
                assert (ROOT / script).exists()
                assert f"def {what}()" in health

    def test_the_health_check_may_come_in(self) -> None:
        assert SERVICES["web"]["environment"]["ALLOWED_HOSTS"].startswith("127.0.0.1,")


class TestEntrypoint:
    def test_it_is_bash_and_executable(self) -> None:
        assert os.access(ENTRYPOINT, os.X_OK)
        assert run("bash", "-n", str(ENTRYPOINT)).returncode == 0
        text = ENTRYPOINT.read_text()
        assert "set -euo pipefail" in text
        # Whatever is started takes the place of the shell, or signals would end with it.
        started = re.findall(r"^.*\b(?:gunicorn|celery|python manage\.py) .*$", text, re.MULTILINE)
        assert all("exec " in line for line in started if not line.startswith("#"))

    def test_modes_are_documented(self) -> None:
        assert sorted(re.findall(r"^#   (\w+)", ENTRYPOINT.read_text(), re.MULTILINE)) == MODES

    def test_commands_exist(self) -> None:
        text = ENTRYPOINT.read_text()
        assert set(re.findall(r"exec python manage\.py (\w+)", text)) <= get_commands().keys()
        requirements = (ROOT / "requirements.txt").read_text()
        for program in re.findall(r"exec (?!python)(\w+)", text):
            assert f"\n{program}==" in requirements

    @pytest.mark.parametrize("mode", MODES)
    def test_every_mode_can_be_run(self, mode: str, tmp_path: Path) -> None:
        arguments = ["check", "--help"] if mode == "manage" else ["--help"]
        database = f"sqlite:///{tmp_path / 'none.sqlite3'}"
        done = run(str(ENTRYPOINT), mode, *arguments, DATABASE_URL=database)
        assert done.returncode == 0, done.stderr
        assert "usage:" in done.stdout.lower()

    def test_an_unknown_mode_is_refused(self) -> None:
        done = run(str(ENTRYPOINT), "dance")
        assert done.returncode == 64
        assert "found 'dance'" in done.stderr


class TestHealth:
    @pytest.mark.workers
    def test_a_web_server_is_well_as_long_as_it_runs(self, tmp_path: Path) -> None:
        port = str(free_port())
        settings = {"PORT": port, "DATABASE_URL": f"sqlite:///{tmp_path / 'web.sqlite3'}", "WEB_PROCESSES": "1"}
        assert run(str(ENTRYPOINT), "migrate", **settings).returncode == 0
        with (tmp_path / "web.log").open("w") as log:
            server = subprocess.Popen([ENTRYPOINT, "web"], cwd=ROOT, env=clean(**settings), stdout=log, stderr=log)
        try:
            until = time.monotonic() + 100
            while (done := run(sys.executable, "docker/health.py", "web", **settings)).returncode:
                assert time.monotonic() < until, done.stderr + (tmp_path / "web.log").read_text()
                time.sleep(0.5)
        finally:
            server.terminate()
            server.wait(60)
        assert run(sys.executable, "docker/health.py", "web", **settings).returncode == 1

    @pytest.mark.django_db(transaction=True)
    def test_a_worker_is_well_once_it_was_seen(self, settings: Any) -> None:
        url = database_url(settings.DATABASES["default"])
        assert run(sys.executable, "docker/health.py", "worker", DATABASE_URL=url).returncode == 1
        workers.beat("another-host-1", ["http"])
        assert run(sys.executable, "docker/health.py", "worker", DATABASE_URL=url).returncode == 1
        workers.beat(f"{socket.gethostname()}-17", ["http"])
        assert run(sys.executable, "docker/health.py", "worker", DATABASE_URL=url).returncode == 0


def database_url(database: dict[str, Any]) -> str:
    """The address of the test database, for another process."""
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    user = database["USER"] + (f":{database['PASSWORD']}" if database["PASSWORD"] else "")
    return f"postgres://{user}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
