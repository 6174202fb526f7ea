"""Plays models at random: several instances that call each other, workers, the world, and an operator who meddles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from processes.engine import commands as c
from processes.engine import dmn
from processes.engine import facts as f
from processes.engine.errors import Rejected
from processes.engine.parts import (
    Call,
    Condition,
    Incident,
    Job,
    JobState,
    MessageSubscription,
    SignalSubscription,
    Timer,
    Wait,
)
from processes.engine.process import Process
from processes.engine.simulation.shelf import Shelf
from processes.engine.state import PROCESS_SCOPE, InstanceState
from tests.engine.checked import Player
from tests.engine.play import NOON
from tests.engine.random_models import DECISIONS

SHELF = Shelf((dmn.parse(DECISIONS),))
CROWD = 60
"""Live parts from which on an instance is cancelled: a model that breeds tokens says nothing new."""


class World:
    """Everything that plays, and the moment."""

    def __init__(self, random: Random, processes: Mapping[str, Process], player: type[Player] = Player) -> None:
        self.random = random
        self.processes = {id: replace(process, decisions=SHELF) for id, process in processes.items()}
        self.player = player
        self.now = NOON
        self.players: list[Player] = []
        self.steps = 0
        self.rejected = 0
        self.log: list[tuple[str, c.Command]] = []
        self.deliveries: deque[tuple[Player, c.Command]] = deque()

    def play(self, steps: int) -> None:
        first = self.join(next(iter(self.processes)), None, self._variables(all=True))
        for _ in range(steps):
            if first.is_over:
                break
            self.happen(trouble=True)
        for _ in range(steps):
            if first.is_over:
                break
            if not self.happen(trouble=False):
                break
        for player in self.players:
            if not player.is_over:
                self.tell(player, c.CancelInstance())

    def join(self, process: str, parent: tuple[Player, int] | None, variables: Mapping[str, Any]) -> Player:
        player = self.player(self.processes[process], parent)
        self.players.append(player)
        heard = "" if "" in player.process.starts else self.random.choice(list(player.process.beginnings))
        self.tell(player, c.StartInstance(variables, heard, parent is not None, "k" if heard else ""))
        return player

    def tell(self, player: Player, command: c.Command) -> None:
        """A step; what follows from it in other instances is delivered later."""
        self.log.append((player.process.id, command))
        try:
            facts = player.carry_out(command, self.now)
        except Rejected:
            self.rejected += 1
            return
        self.steps += 1
        escaped = None
        for fact in facts:
            if isinstance(fact, f.SignalThrown):
                self._broadcast(player, fact)
            elif isinstance(fact, f.ErrorEscaped):
                escaped = fact
        if player.is_over and player.parent is not None:
            self._answer(player, *player.parent, escaped)
        self._abandon()

    def _abandon(self) -> None:
        """Who was called ends where nobody waits for him any more."""
        for other in self.players:
            if other.parent is not None and not other.is_over and other.parent[1] not in other.parent[0].instance.waits:
                self.deliveries.append((other, c.CancelInstance()))

    def _broadcast(self, thrower: Player, fact: f.SignalThrown) -> None:
        for player in self.players:
            for wait in player.instance.waits.values():
                if not isinstance(wait, SignalSubscription) or wait.name != fact.name:
                    continue
                if player is not thrower or wait.key <= fact.reach:
                    self.deliveries.append((player, c.ReceiveSignal(wait.key, fact.variables)))

    def _answer(self, player: Player, caller: Player, call: int, escaped: f.ErrorEscaped | None) -> None:
        answer: c.Command = c.FailCall(call, "the called process was ended")
        if player.instance.state is InstanceState.COMPLETED:
            answer = c.CompleteCall(call, dict(player.instance.variables))
        elif escaped is not None:
            answer = c.ThrowCallError(call, escaped.code, escaped.message, escaped.variables)
        self.deliveries.append((caller, answer))

    # -- what happens ----------------------------------------------------------------------------------------------

    def happen(self, *, trouble: bool) -> bool:
        """Something that can happen does; False where nothing can."""
        if self.deliveries:
            self.tell(*self.deliveries.popleft())
            return True
        doings: list[Callable[[], None]] = []
        for player in self.players:
            if player.is_over:
                continue
            if len(player.instance.nodes) + len(player.instance.tokens) > CROWD:
                self.tell(player, c.CancelInstance("a crowd"))
                return True
            if player.instance.state is InstanceState.SUSPENDED:
                doings.append(partial(self.tell, player, c.ResumeInstance()))
                continue
            for wait in player.instance.waits.values():
                doing = self._doing(player, wait, trouble)
                if doing is not None:
                    doings.append(doing)
            doings += self._picks(player)
        if trouble and self.random.random() < 0.15:
            player = self.random.choice([player for player in self.players if not player.is_over])
            self.tell(player, self._interference(player))
            return True
        if not doings:
            return False
        self.random.choice(doings)()
        return True

    def _doing(self, player: Player, wait: Wait, trouble: bool) -> Callable[[], None] | None:
        if isinstance(wait, Job):
            return None if wait.state is JobState.FAILED else lambda: self._work(player, wait, trouble)
        if isinstance(wait, Timer):
            return lambda: self._fire(player, wait)
        if isinstance(wait, MessageSubscription):
            return lambda: self.tell(player, c.CorrelateMessage(wait.key, self._variables()))
        if isinstance(wait, SignalSubscription):
            return lambda: self.tell(player, c.ReceiveSignal(wait.key, self._variables()))
        if isinstance(wait, Condition):
            return lambda: self.tell(player, c.SetVariables(self._variables(all=True)))
        if isinstance(wait, Incident):
            return lambda: self._resolve(player, wait)
        if isinstance(wait, Call):
            called = any(other.parent == (player, wait.key) for other in self.players)
            return None if called else lambda: self._call(player, wait, trouble)
        return None

    def _work(self, player: Player, job: Job, trouble: bool) -> None:
        self.now = max(self.now, job.due_at)
        claimed = player.claim(job.key)
        key, attempt = claimed.key, claimed.attempt
        chosen = self.random.choice(["complete"] * 6 + ["fail", "give up", "X", "Z"] if trouble else ["complete"])
        if chosen == "complete":
            self.tell(player, c.CompleteJob(key, attempt, self._variables()))
        elif chosen == "fail":
            self.tell(player, c.FailJob(key, attempt, "boom"))
        elif chosen == "give up":
            self.tell(player, c.FailJob(key, attempt, "boom", retries=0))
        else:
            self.tell(player, c.ThrowError(key, attempt, chosen, "", self._variables()))

    def _fire(self, player: Player, timer: Timer) -> None:
        self.now = max(self.now, timer.due_at)
        self.tell(player, c.FireTimer(timer.key))

    def _resolve(self, player: Player, incident: Incident) -> None:
        if self.random.random() < 0.5:
            self.tell(player, c.SetVariables(self._variables(all=True)))
        self.tell(player, c.ResolveIncident(incident.key))

    def _call(self, player: Player, call: Call, trouble: bool) -> None:
        if trouble and self.random.random() < 0.2:
            answers: list[c.Command] = [c.FailCall(call.key, "no such process"), c.ThrowCallError(call.key, "X")]
            self.tell(player, self.random.choice(answers))
        else:
            self.join(call.process, (player, call.key), dict(player.instance.variables))

    def _picks(self, player: Player) -> list[Callable[[], None]]:
        found: list[Callable[[], None]] = []
        for visit in player.instance.nodes.values():
            node = player.process.nodes[visit.element]
            if not node.picks or (player.instance.occupied(visit.key) and self.random.random() < 0.8):
                continue
            inside = [one.id for one in player.process.nodes.values() if one.scope == node.id and not one.incoming]
            ids = tuple(self.random.choices(inside, k=self.random.randint(1, 2)))
            found.append(partial(self.tell, player, c.ActivateAdHoc(visit.key, ids)))
        return found

    def _interference(self, player: Player) -> c.Command:
        """What an operator may do at any time, and what comes too late."""
        keys = [PROCESS_SCOPE, *player.instance.nodes]
        key = self.random.choice(keys)
        late = self.random.randint(1, player.instance.last_key + 1)
        commands: list[c.Command] = [
            c.SetVariables(self._variables(), key),
            c.SetVariables(self._variables(all=True), key),
            c.RaiseIncident(key, "a bug"),
            c.SkipVisit(key, self._variables()),
            c.SuspendInstance(),
            c.ActivateAdHoc(key, ("nothing",)),
            c.CompleteJob(late, 1),
            c.FireTimer(late),
            c.CorrelateMessage(late),
            c.ResolveIncident(late),
            c.CompleteCall(late),
        ]
        return self.random.choice(commands)

    def _variables(self, *, all: bool = False) -> dict[str, Any]:
        names = [name for name in "ab" if all or self.random.random() < 0.4]
        return {name: self.random.randrange(4) for name in names}
