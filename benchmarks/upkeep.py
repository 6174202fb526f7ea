"""What time does to an installation, and what a task asks of its database: history, old transactions, round trips.

On PostgreSQL only, each system with a database of its own, in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

import psycopg2

from benchmarks.children import Child, python
from benchmarks.contenders import ORCHESTRATOR, Contender, Sample, Setting, all_queues, environment
from benchmarks.figures import ratios
from benchmarks.goals import Verdict, at_least, at_most
from benchmarks.places import Postgres, RabbitMQ
from benchmarks.scale import Scale
from benchmarks.workloads import WORKLOADS

Tell = Callable[[str], None]
IDLE_SECONDS = 5.0


def history(setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """W1 on empty tables, on full ones, and while somebody holds a transaction open."""
    workload = WORKLOADS["W1"]
    with ExitStack() as after:
        contenders: dict[str, Contender] = {}
        for name in ("fresh", "history", "held"):
            tell(f"history: preparing {name}")
            own = after.enter_context(own_database(setting, name))
            contender = contenders[name] = Contender(ORCHESTRATOR, own)
            after.callback(contender.end)
            contender.prepare([workload])
            contender.pause()
            if name == "history":
                tell(f"history: making {scale.history:,} finished instances")
                seed(contender, scale.history, own.postgres.url)
            if name == "held":
                after.callback(_hold(own.postgres.url))
        samples: dict[str, list[Sample]] = {name: [] for name in contenders}
        for number in range(1, scale.rounds + 1):
            tell(f"history: round {number} of {scale.rounds}")
            for name, contender in contenders.items():
                contender.resume()
                samples[name].append(contender.throughput(workload, scale.instances))
                contender.pause()
    full, held = (ratios(samples[name], samples["fresh"]) for name in ("history", "held"))
    rates = {name: [one.instances / one.seconds for one in some] for name, some in samples.items()}
    return [
        at_least(f"W1 with {scale.history:,} finished instances by none", full.median, 0.95, "x", rates=rates),
        at_least("W1 with an old transaction held open by none", held.median, 0.95, "x"),
    ]


def round_trips(setting: Setting, scale: Scale, tell: Tell) -> list[Verdict]:
    """What the workers of W1 ask PostgreSQL, on the wire, less what they ask when there is nothing to do."""
    tell("round trips: counting them on the wire")
    workload = WORKLOADS["W1"]
    with ExitStack() as after:
        own = after.enter_context(own_database(setting, "turns"))
        url = urlsplit(own.postgres.url)
        where = [url.hostname or "127.0.0.1", str(url.port or 5432)]
        proxy = Child(python("-m", "benchmarks.turns", *where), dict(os.environ), own.folder / "turns.log", talks=True)
        after.callback(proxy.end)
        user, at, _ = url.netloc.rpartition("@")
        through = urlunsplit(url._replace(netloc=f"{user}{at}127.0.0.1:{int(proxy.line(own.patience))}"))
        contender = Contender(ORCHESTRATOR, own, database_of_workers=through)
        after.callback(contender.end)
        contender.prepare([workload])

        def turns() -> int:
            return int(proxy.ask({}, own.patience)["turns"])

        seconds = IDLE_SECONDS if scale.rounds > 1 else 1.0
        before = turns()
        time.sleep(seconds)
        idle = (turns() - before) / seconds
        before = turns()
        sample = contender.throughput(workload, scale.instances)
        found = turns() - before
    each = max(0.0, found - idle * sample.seconds) / sample.instances / workload.tasks
    return [at_most("W1: round trips to the database a service task", each, 2, "", found=found, idle_a_second=idle)]


def prepared(setting: Setting) -> None:
    """Make the tables that every system of this part has a copy of."""
    env = environment(ORCHESTRATOR, setting)
    command = ["manage.py", "migrate", "--no-input", "-v", "0"]
    done = subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Expected tables to be made but: {done.stderr[-2000:]}")


@contextmanager
def own_database(setting: Setting, name: str) -> Iterator[Setting]:
    """The same with a database, queues and a folder of its own."""
    prefix = f"{setting.prefix}{name}-"
    folder = setting.folder / name
    folder.mkdir()
    own = replace(setting, postgres=Postgres(f"_{name}"), rabbitmq=RabbitMQ(prefix), prefix=prefix, folder=folder)
    # Tables are made once, by `prepared`, and copied.
    own.postgres.create(template=setting.postgres.name)
    try:
        yield own
    finally:
        own.rabbitmq.clean(all_queues(prefix))
        own.postgres.drop()


def seed(contender: Contender, finished: int, url: str) -> None:
    command = ["manage.py", "seed_instances", "--finished", str(finished), "--running", "0", "--yes"]
    done = subprocess.run([sys.executable, *command], env=contender.env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"Expected finished instances to be made but: {done.stderr[-2000:]}")
    connection = psycopg2.connect(url)
    try:
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")
    finally:
        connection.close()


def _hold(url: str) -> Callable[[], None]:
    """Begin a transaction that sees what is there now, and hold it; what ends it."""
    connection = psycopg2.connect(url)
    connection.set_session(isolation_level="REPEATABLE READ")
    connection.cursor().execute("SELECT txid_current(), count(*) FROM processes_processinstance")
    return connection.close
