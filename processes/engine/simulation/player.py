"""The world around the instances of a run: workers, clock and correspondents, as the scenario has them.

What can happen is looked up anew before every step: a job whose service has its answer ready, a timer, a message that
somebody waits for, a signal. The earliest happens. Where several are due at the same moment, the oldest happens first,
or with a seed any of them, the same one for the same seed: a model whose outcome then changes with the seed has a race.

A run begins at the none start event of its process; where there is none, as its messages, signals, conditions and
timers (a repeating one once) begin it. What one instance does to another happens at once, see `world`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from processes.engine import commands as c
from processes.engine.model import FlowNode
from processes.engine.outcome import Try, decide
from processes.engine.parts import Job, JobState, Timer, Wait
from processes.engine.simulation.coverage import Coverage
from processes.engine.simulation.scenario import Asked, Published, Scenario
from processes.engine.simulation.services import ANY, Turn
from processes.engine.simulation.telling import Line, announced
from processes.engine.simulation.world import Played, World
from processes.engine.state import Instance, InstanceState

MAX_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class _Happening:
    at: datetime
    place: tuple[int, int]
    """Number of the instance and key of the part in it; the older, the smaller. 0: what begins an instance."""
    name: str
    carry_out: Callable[[], Iterator[Line]]


class Simulation:
    """One run. Iterating over `lines` plays it; then `ended_well` and `coverage` say how it went."""

    def __init__(self, scenario: Scenario, *, seed: str | None = None, max_steps: int = MAX_STEPS) -> None:
        self.scenario = scenario
        self.process = scenario.process
        self.seed = seed
        self.max_steps = max_steps
        self.now = scenario.start
        self.stopped = ""
        self.world = World(scenario)
        self._signals: list[Published] = list(scenario.signals)
        self._asked: list[Asked] = list(scenario.conditions)
        self._turns: dict[str, int] = {}
        self._planned: dict[tuple[int, int, int], Turn | None] = {}

    @property
    def instance(self) -> Instance:
        """The first instance."""
        return self.world.played[0].instance

    @property
    def coverage(self) -> Coverage:
        """Of the process that is played."""
        return self.world.coverages.setdefault(self.process.id, Coverage())

    @property
    def ended_well(self) -> bool:
        """Whether something began, and every instance completed that no other called."""
        own = [played.instance.state for played in self.world.played if played.caller is None]
        return bool(own) and all(state is InstanceState.COMPLETED for state in own)

    def lines(self) -> Iterator[Line]:
        """What happens, fact by fact, then how every instance ended, the first one last."""
        steps = 0
        if "" in self.process.starts:
            steps = 1
            yield from self.world.begin(self.process, c.StartInstance(self.scenario.variables), self.now)
        while (happening := self._next()) is not None:
            if steps >= self.max_steps:
                self.stopped = f"Expected the process to end within {self.max_steps} steps but found it still moving"
                break
            self.now = max(self.now, happening.at)
            steps += 1
            yield from happening.carry_out()
        for kept in self.world.messages:
            if not kept.met:
                message = kept.message
                told = {"name": message.name, "correlation_key": message.key}
                yield announced(self.scenario.name, self.now, "MessageNotCorrelated", told)
        for played in reversed(self.world.played):
            yield played.teller.ending(self.now, self.stopped if played.number == 1 else "")
        if not self.world.played:
            yield announced(self.scenario.name, self.now, "NotBegun", {"process": self.process.id})

    # -- what can happen -------------------------------------------------------------------------------------------

    def _next(self) -> _Happening | None:
        if self.world.under_way:
            return _Happening(self.now, (0, 0), "delivery", self._deliver)
        possible = [*self._waits(), *self._correlations(), *self._beginnings()]
        if not possible:
            return None
        earliest = min(max(self.now, one.at) for one in possible)
        due = sorted((one for one in possible if max(self.now, one.at) == earliest), key=lambda one: one.place)
        return due[0] if self.seed is None else min(due, key=self._lot)

    def _lot(self, happening: _Happening) -> bytes:
        number, key = happening.place
        place = str(key) if number == 1 else f"{number}.{key}"
        given = sum(played.instance.last_key for played in self.world.played)
        lot = f"{self.seed}/{given}/{happening.name}/{place}"
        return hashlib.blake2b(lot.encode("utf-8", "surrogatepass"), digest_size=8).digest()

    def _waits(self) -> Iterator[_Happening]:
        for played in self.world.alive():
            for wait in sorted(played.instance.waits.values(), key=lambda wait: wait.key):
                place = played.number, wait.key
                if isinstance(wait, Timer):
                    fire = lambda to=played, timer=wait: self._fire(to, timer)  # noqa: E731
                    yield _Happening(wait.due_at, place, "timer", fire)
                elif isinstance(wait, Job) and wait.state is JobState.DUE:
                    turn = self._turn(played, wait)
                    if turn is not None:
                        work = lambda to=played, job=wait, turn=turn: self._work(to, job, turn)  # noqa: E731
                        yield _Happening(wait.due_at + turn.after, place, "job", work)

    def _correlations(self) -> Iterator[_Happening]:
        for kept in self.world.messages:
            at = max(self.now, kept.message.at)
            if kept.message.until is not None and at > kept.message.until:
                continue
            for to, key in self.world.meetings(kept):
                place = (to.number, key) if isinstance(to, Played) else (0, 0)
                meet = lambda kept=kept, to=to, key=key, at=at: self.world.meet(kept, to, key, at)  # noqa: E731
                yield _Happening(at, place, "message", meet)

    def _beginnings(self) -> Iterator[_Happening]:
        for timer in self.world.timers():
            assert timer.start.due_at is not None
            fire = lambda timer=timer: self.world.fire(timer, self.now)  # noqa: E731
            yield _Happening(timer.start.due_at, (0, 0), "start", fire)
        for signal in self._signals:
            yield _Happening(signal.at, (0, 0), "signal", lambda signal=signal: self._broadcast(signal))  # type: ignore[misc]
        for asked in self._asked:
            yield _Happening(asked.at, (0, 0), "condition", lambda asked=asked: self._evaluate(asked))  # type: ignore[misc]

    def _turn(self, played: Played, job: Job) -> Turn | None:
        """The answer to the next try of a job, chosen once; None: nobody works for it."""
        attempt = (played.number, job.key, job.attempt)
        if attempt not in self._planned:
            names = (self._element(played, job).id, job.type, ANY)
            name = next((name for name in names if name in self.scenario.services), "")
            turns = self.scenario.services.get(name, ())
            number = self._turns.get(name, 0)
            self._turns[name] = number + 1
            self._planned[attempt] = turns[min(number, len(turns) - 1)] if turns else None
        return self._planned[attempt]

    def _element(self, played: Played, wait: Wait) -> FlowNode:
        return played.process.nodes[played.instance.nodes[wait.node].element]

    # -- when it happens -------------------------------------------------------------------------------------------

    def _deliver(self) -> Iterator[Line]:
        return self.world.under_way.popleft()(self.now)

    def _fire(self, played: Played, timer: Timer) -> Iterator[Line]:
        return self.world.carry_out(played, c.FireTimer(timer.key), self.now)

    def _work(self, played: Played, job: Job, turn: Turn) -> Iterator[Line]:
        """Claim the job as a worker would, which is no step, and bring its outcome."""
        job.state, job.attempt = JobState.CLAIMED, job.attempt + 1
        variables = dict(played.instance.visible(job.node))
        mapped = bool(getattr(self._element(played, job), "outputs", ()))
        tried = Try(job.key, job.attempt, job.retries, job.headers, variables, mapped)
        outcome = turn.outcome(variables, self.now)
        return self.world.carry_out(played, decide(outcome, tried, self.now), self.now)

    def _broadcast(self, signal: Published) -> Iterator[Line]:
        self._signals.remove(signal)
        if not self.world.broadcast(signal.name, signal.variables):
            yield announced(self.scenario.name, self.now, "SignalNotReceived", {"name": signal.name})

    def _evaluate(self, asked: Asked) -> Iterator[Line]:
        self._asked.remove(asked)
        yield from self.world.evaluate(asked, self.now)
