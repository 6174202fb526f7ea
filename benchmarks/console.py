"""Every page of the console and every list of the API, on a database of the size of production: time and queries.

    export DATABASE_URL=postgres://...          a database for trials
    python manage.py migrate
    python manage.py seed_instances --finished 1000000 --running 50000
    python -m benchmarks.console                every page fifteen times; --only TEXT: those whose address has the text

Pages are derived: from the patterns of the addresses, from the filters and the columns of every list, and from a row in
every condition. They are asked for within the process, one after the other, so what is measured is what a page costs,
not how many are served at once. All happens in one transaction that is rolled back at the end.

What to expect: p95 under 300 ms, 25 queries at most, and no query that takes longer than 100 ms by itself. The exit
status is 1 where a page is beyond one of these, and the slowest query of such a page is told.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

SLOWEST = 300.0
"""Milliseconds of a page, p95."""
SLOWEST_QUERY = 100.0
MOST_QUERIES = 25
ENOUGH = 3
"""Rounds of a page that is beyond all bounds at once."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Times are milliseconds. `best` is what it costs where nobody else is at work; `slowest` is of its queries."""

    page: str
    status: int
    best: float
    p50: float
    p95: float
    queries: int
    slowest: float
    sql: str

    @property
    def is_good(self) -> bool:
        return (
            self.status < 400 and self.p95 <= SLOWEST and self.queries <= MOST_QUERIES and self.slowest <= SLOWEST_QUERY
        )

    def line(self) -> str:
        verdict = "" if self.is_good else "  <--"
        numbers = (
            f"{self.best:8.1f} {self.p50:8.1f} {self.p95:8.1f} {self.queries:4d} {self.slowest:8.1f} {self.status}"
        )
        return f"{numbers}  {self.page}{verdict}"


def measure(client: Any, pages: Iterable[Any], rounds: int) -> Iterator[Measured]:
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    for page in pages:
        page.ask(client)  # what is looked up once in a process
        reset_queries()  # a log that is full takes no more
        with CaptureQueriesContext(connection) as captured:
            begun = perf_counter()
            status = page.ask(client)
            took = perf_counter() - begun
        if status == 405:
            continue  # a verb: it has no page
        times = [took]
        for _ in range(rounds if took < 10 * SLOWEST / 1000 else ENOUGH):
            begun = perf_counter()
            page.ask(client)
            times.append(perf_counter() - begun)
        times = sorted(time * 1000 for time in times[1:])
        worst = max(captured.captured_queries, key=lambda query: float(query["time"]), default={"time": 0, "sql": ""})
        yield Measured(
            page=str(page),
            status=status,
            best=times[0],
            p50=statistics.median(times),
            p95=times[-(-95 * len(times) // 100) - 1],
            queries=len(captured),
            slowest=float(worst["time"]) * 1000,
            sql=worst["sql"] or "",
        )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.console", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="requests of each page (15)")
    parser.add_argument("--only", default="", metavar="TEXT", help="only pages whose address has this in it")
    parser.add_argument("--pairs", action="store_true", help="also every pair of filters of the lists of the admin")
    options = parser.parse_args(arguments)

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.db import transaction
    from django.test import Client

    from benchmarks import company
    from benchmarks.pages import every_page

    logging.getLogger("django.request").setLevel(logging.ERROR)  # that verbs have no page is no news
    found: list[Measured] = []
    with transaction.atomic():
        operator = User.objects.create_superuser("console-benchmark")
        client = Client(SERVER_NAME="localhost", raise_request_exception=False)
        client.force_login(operator)
        company.gather()
        print(f"{'best ms':>8} {'p50 ms':>8} {'p95 ms':>8} {'qrs':>4} {'query ms':>8}      page", flush=True)
        pages = (page for page in every_page(client, pairs=options.pairs) if options.only in page.name)
        for row in measure(client, pages, options.rounds):
            print(row.line(), flush=True)
            found.append(row)
        transaction.set_rollback(True)

    bad = [row for row in found if not row.is_good]
    for row in bad:
        print(f"\n{row.line()}\n{row.sql[:3000]}")
    print(f"\n{len(found)} pages, {len(bad)} beyond the bounds")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
