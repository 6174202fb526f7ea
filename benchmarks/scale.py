"""How much is done for each figure: in full, or at tiny scale to see that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Every load is bounded by these."""

    rounds: int = 5
    latencies: int = 100
    processes: int = 2
    slots: int = 4
    """Of each process of a pool that forks."""
    threads: int = 32
    """Of each process of a pool of threads."""
    instances: int = 200
    """Of a throughput phase of W1."""
    calls: int = 2000
    """Instances of a throughput phase of W3."""
    sustain_seconds: float = 600
    sustain_rate: float = 50
    """W4: 3,000 instances a minute."""
    parallel: int = 10_000
    few: int = 20
    """W5: how many instances of ten jobs it is compared with."""
    waiting: int = 100_000
    due_rate: int = 1000
    due_seconds: float = 10
    """W6: the length of one turn, of which there are as many as rounds, for timers and for messages."""
    external: int = 40
    """W7: instances of a throughput phase."""
    overload_seconds: float = 60
    history: int = 5_000_000
    starts: int = 5
    """Runs of each command."""
    patience: float = 300


QUICK = Scale(
    rounds=1,
    latencies=3,
    processes=1,
    slots=2,
    threads=4,
    instances=8,
    calls=8,
    sustain_seconds=1,
    sustain_rate=4,
    parallel=40,
    few=2,
    waiting=40,
    due_rate=20,
    due_seconds=1,
    external=2,
    overload_seconds=1.5,
    history=200,
    starts=1,
    patience=120,
)
