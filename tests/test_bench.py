"""The benchmark runs, and prints its figures. Whether they are good is not for a test to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(600)  # a minute, unless the machine is busy

ROOT = Path(__file__).resolve().parent.parent


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``scripts/bench`` with the interpreter that runs the tests."""
    env = {**os.environ, "ORCHESTRATOR_VENV": sys.prefix}
    return subprocess.run(
        ["scripts/bench", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=580, check=False
    )


def test_embedded_smoke_run(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    ran = bench("--quick", "--workload", "W1", "--profile", "embedded", "--json", str(found))
    assert ran.returncode == 0, ran.stderr
    check(ran.stdout, json.loads(found.read_text()))


@pytest.mark.workers
@pytest.mark.rabbitmq
def test_production_smoke_run(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    ran = bench("--quick", "--workload", "W1", "--profile", "production", "--json", str(found))
    if ran.returncode == 2 and not os.environ.get("CI"):
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    check(ran.stdout, json.loads(found.read_text()))


EVERYWHERE = {
    "calls": ["W3 at 0 ms: throughput by raw Celery", "W3 at 20 ms: throughput by what the target allows"],
    "loads": [
        "W4: a whole instance, p99",
        "W5: a completion at 40 by one at 10",
        "W6-timers: lateness p99",
        "W6-messages: other work down by",
        "W7: external workers over REST",
        "overload 150 %: goodput by the maximum",
        "overload 150 %: oldest due job at most",
        "start-up: manage.py check",
    ],
}
"""What the parts of --all find in both profiles."""
IN_PRODUCTION = {
    "comparison": [
        "W1: throughput by a raw Celery chain without state",
        "W1: idle latency p99 by a raw chain",
        "W1: durable commits a service task",
    ],
    "upkeep": [
        "W1 with 200 finished instances by none",
        "W1 with an old transaction held open by none",
        "W1: round trips to the database a service task",
    ],
}


@pytest.mark.parametrize("part", EVERYWHERE)
def test_every_part_finds_its_figures_embedded(part: str, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    ran = bench("--all", "--quick", "--part", part, "--profile", "embedded", "--json", str(found))
    assert ran.returncode == 0, ran.stderr
    check_figures(EVERYWHERE[part], ran.stdout, json.loads(found.read_text()))


@pytest.mark.workers
@pytest.mark.rabbitmq
@pytest.mark.parametrize("part", [*EVERYWHERE, *IN_PRODUCTION])
def test_every_part_finds_its_figures_in_production(part: str, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    ran = bench("--all", "--quick", "--part", part, "--profile", "production", "--json", str(found))
    if ran.returncode == 2 and not os.environ.get("CI"):
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    document = json.loads(found.read_text())
    check_figures((EVERYWHERE | IN_PRODUCTION)[part], ran.stdout, document)
    if part == "comparison":
        # A chord needs Redis, which nothing else here does.
        (chord,) = (one for one in document["verdicts"] if "chord" in one["figure"])
        without = chord["verdict"] == "not measured"
        assert ("Expected Redis" in chord["measured"]) if without else (chord["details"]["value"] > 0)


@pytest.mark.workers
@pytest.mark.rabbitmq
def test_curves_are_measured_and_drawn(tmp_path: Path) -> None:
    picture, found = tmp_path / "curves.svg", tmp_path / "curves.json"
    command = [
        "benchmarks.curves",
        "--rounds",
        "1",
        "--instances",
        "4",
        "--slots",
        "1x1",
        "1x2",
        "--history",
        "0",
        "20",
    ]
    ran = subprocess.run(
        [sys.executable, "-m", *command, "--picture", str(picture), "--json", str(found)],
        cwd=ROOT, capture_output=True, text=True, timeout=580, check=False,
    )  # fmt: skip
    if ran.returncode == 2 and not os.environ.get("CI"):
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    assert ran.returncode == 0, ran.stderr
    curves = json.loads(found.read_text())["curves"]
    assert [[point["at"] for point in curve["points"]] for curve in curves] == [[1, 2], [0, 20]]
    assert all(point["median"] > 0 for curve in curves for point in curve["points"])
    assert picture.read_text().count("<circle") == 4


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workload", "W9"],
        ["--profile", "embedded", "--cprofile", "x"],
        ["--all", "--waiting", "-1"],
        ["--all", "--parallel", "1"],
    ],
)
def test_impossible_wishes_are_refused(arguments: list[str]) -> None:
    ran = bench(*arguments)
    assert ran.returncode == 2
    assert "Expected" in ran.stderr


def check_figures(expected: list[str], printed: str, found: dict[str, Any]) -> None:
    """Every figure is there with a value and a verdict, and under which conditions it was found."""
    verdicts = {one["figure"]: one for one in found["verdicts"]}
    for figure in expected:
        assert verdicts[figure]["verdict"] in ("met", "missed", "shown")
        assert re.match(r"-?[\d.,]+", verdicts[figure]["measured"])
    assert "NO RESULTS: a quick run" in printed
    assert found["conditions"]["cores"] == os.cpu_count()
    assert 0 <= found["conditions"]["busy_before"] <= 1


def check(printed: str, found: dict[str, Any]) -> None:
    """The table has a line for each system, and the document what the table says."""
    assert re.search(r"orchestrator\W+[\d.]+", printed)
    assert re.search(r"celery-fast\W+[\d.]+", printed)
    figures = {figure["system"]: figure for figure in found["figures"]}
    ours, peer = figures["orchestrator"], figures["celery-fast"]
    assert peer["orchestrator_by_it"]["median"] > 0
    assert peer["counted"]["statements"] == 2
    assert peer["counted"]["transactions"] == 1
    # One durable commit for each service task; on SQLite, the claim of the first one is another.
    assert 1 <= ours["counted"]["durable_commits"] < 1.5
    for one in (ours, peer):
        assert one["instances_per_second"]["median"] > 0
        assert one["latency_p99_ms"] >= one["latency_p50_ms"] > 0
        assert one["cpu_ms_per_task"]["median"] > 0
