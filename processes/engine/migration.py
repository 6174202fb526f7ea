"""Migration: an instance goes on in another process, another version of its own as a rule.

A plan maps elements, and flows on which a token may wait, from the process that it runs to the one that it is to run.
Everything that is alive has to be mapped, to an element of the same kind in a scope that nests alike; what has ended
keeps its name. Jobs keep their tries and whoever works on them, and take type and headers from the new model. What is
waited for is kept as it is, or evaluated anew; an event on a border, or one that begins an event sub-process, is waited
for no longer where it is not mapped, and from now on where the new model has one that no old one is mapped to.

First everything is looked up and evaluated, then the first fact says so: an instance migrates as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from processes.engine import facts as f
from processes.engine.commands import MigrateInstance
from processes.engine.errors import ProcessFault, Rejected
from processes.engine.event_definition import Armed
from processes.engine.machine import Run
from processes.engine.model import FlowNode
from processes.engine.parts import Compensation, FlowNodeInstance, Job, NodeState, Token, Trigger
from processes.engine.process import Process
from processes.engine.state import PROCESS_SCOPE

INVALID = "migration-invalid"


def problems(source: Process, target: Process, mapping: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a plan whatever stands where, by the mapped id of the source."""
    found: dict[str, str] = {}
    for old, new in mapping.items():
        wrong = _flow_problem(source, target, mapping, old, new) if old in source.flows else None
        if old in source.nodes:
            wrong = _node_problem(source, target, mapping, old, new)
        elif old not in source.flows:
            wrong = f"Expected an element or flow '{old}' in process '{source.id}' but found none"
        if wrong:
            found[old] = wrong
    return found


def generate(source: Process, target: Process, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """The plan that maps whatever has the same id, and is the same in kind and place; and what is `given`, right or
    wrong."""
    kept = dict(given or {})
    mapping = {id: id for id in (*source.nodes, *source.flows) if id in target.nodes or id in target.flows} | kept
    while wrong := problems(source, target, mapping).keys() - kept.keys():
        mapping = {old: new for old, new in mapping.items() if old not in wrong}
    return mapping


def _node_problem(source: Process, target: Process, mapping: Mapping[str, str], old: str, new: str) -> str | None:
    before, after = source.nodes[old], target.nodes.get(new)
    if after is None:
        return f"Expected an element '{new}' in process '{target.id}' for '{old}' but found none"
    if before.kind != after.kind:
        kinds = " ".join(before.kind), " ".join(after.kind)
        return f"Expected '{new}' to be of the same kind as '{old}', {kinds[0]}, but found {kinds[1]}"
    if before.attached_to and mapping.get(before.attached_to) != after.attached_to:
        return f"Expected '{new}' to be on the border of what '{before.attached_to}' is mapped to but it is not"
    if (mapping.get(before.scope) if before.scope else "") != after.scope:
        around = f"what '{before.scope}' is mapped to" if before.scope else "no sub-process"
        return f"Expected '{new}' to be in {around} but found it in {repr(after.scope) if after.scope else 'none'}"
    return None


def _flow_problem(source: Process, target: Process, mapping: Mapping[str, str], old: str, new: str) -> str | None:
    flow = target.flows.get(new)
    if flow is None:
        return f"Expected a flow '{new}' in process '{target.id}' for '{old}' but found none"
    before = source.flows[old].target
    if mapping.get(before) != flow.target:
        return f"Expected flow '{new}' to lead to what '{before}' is mapped to but found '{flow.target}'"
    return None


def migrate(run: Run, command: MigrateInstance) -> None:
    """Carry out a migration. Raises `Rejected` with ``migration-invalid`` and everything that is wrong."""
    assert run.instance.reader is None, "a migration looks at everything that is alive"
    plan = _Plan(run, command)
    plan.look()
    if plan.wrong:
        raise Rejected(INVALID, "; ".join(plan.wrong))
    run.emit(f.InstanceMigrated(command.target.id, command.definition, command.reason, command.source))
    run.process = command.target
    for fact in plan.facts:
        run.emit(fact)
    for holder, event, armed in plan.armed:
        armed.arm(run, holder, event.id)
    run.offer(sorted(run.instance.tokens.values(), key=lambda token: token.key))
    for visit in run.instance.nodes.values():
        run.reconsider(visit.scope)


class _Plan:
    """What becomes of every part that is alive."""

    def __init__(self, run: Run, command: MigrateInstance) -> None:
        from_, to = run.process, command.target
        self.instance = run.instance
        self.source = from_
        self.target = to
        self.ahead = type(run)(to, run.instance, run.at)
        """Evaluates as the new process would; emits nothing."""
        self.mapping = command.mapping
        self.update = command.update_waits
        self.wrong = list(problems(from_, to, command.mapping).values())
        self.facts: list[f.Fact] = []
        self.armed: list[tuple[FlowNodeInstance, FlowNode, Armed]] = []

    def look(self) -> None:
        self._tokens(self.instance.tokens.values())
        self._compensations()
        self._scope(self.ahead.holder(PROCESS_SCOPE), "", "")
        for key in sorted(self.instance.nodes):
            visit = self.instance.nodes[key]
            new = self.mapping.get(visit.element)
            if new is None:
                self._say(f"Expected '{visit.element}' to be mapped, for the instance stands there, but it is not")
            elif new in self.target.nodes:
                self._visit(visit, self.target.nodes[new])

    def _say(self, problem: str) -> None:
        if problem not in self.wrong:
            self.wrong.append(problem)

    def _tokens(self, tokens: Iterable[Token]) -> None:
        for token in sorted(tokens, key=lambda token: token.key):
            flow = self.mapping.get(token.flow)
            if flow is None:
                self._say(f"Expected flow '{token.flow}' to be mapped, for a token waits there, but it is not")
            elif flow != token.flow:
                self.facts.append(f.TokenMigrated(token.key, flow))

    def _compensations(self) -> None:
        """What can be undone, in scopes that are alive or inside what can be undone itself."""
        found = [wait for wait in self.instance.waits.values() if isinstance(wait, Compensation)]
        for one in sorted(found, key=lambda one: one.key):
            new = self.mapping.get(one.element)
            if new is None or new not in self.target.compensable:
                what = f"Expected '{one.element}', which can be undone, to be mapped to what can be undone"
                self._say(f"{what} but found {repr(new) if new else 'nothing'}")
            elif new != one.element:
                self.facts.append(f.WaitMigrated(one.key, new))

    def _visit(self, visit: FlowNodeInstance, node: FlowNode) -> None:
        if visit.element != node.id:
            self.facts.append(f.NodeMigrated(visit.key, node.id))
        for flow in (visit.result or {}).get("joined", ()):
            if (new := self.mapping.get(flow)) != flow or new not in node.incoming:
                what = f"Expected flow '{flow}' to stay what it is, for a token came over it and '{node.id}' waits for"
                self._say(f"{what} others, but found {repr(new) if new else 'nothing'}")
        for wait in self.instance.waits_of(visit.key):
            if isinstance(wait, Job):
                self._job(wait, visit, node)
        self._waits(visit, node)

    def _job(self, job: Job, visit: FlowNodeInstance, node: FlowNode) -> None:
        try:
            bound = node.rebind(self.ahead, visit)
        except ProcessFault as fault:
            self._say(f"Expected the job of '{node.id}' to be known but found that it cannot be: {fault}")
            return
        if bound is None:
            self._say(f"Expected '{node.id}' to have a job, as '{visit.element}' has, but it has none")
        elif (job.type, dict(job.headers)) != (bound[0], dict(bound[1])):
            self.facts.append(f.JobMigrated(job.key, *bound))

    def _waits(self, visit: FlowNodeInstance, node: FlowNode) -> None:
        is_round = self.ahead.body(visit) is not None
        if not node.is_repeated or is_round:
            self._scope(visit, visit.element, node.id)
        own = self.source.nodes[visit.element].awaited(self.source)
        before = (*own, *(() if is_round else self.source.boundaries[visit.element]))
        after = (*node.awaited(self.target), *(() if is_round else self.target.boundaries[node.id]))
        self._carry(visit, {event.id for event in own}, before, {event.id: event for event in after})

    def _scope(self, holder: FlowNodeInstance, old: str, new: str) -> None:
        """Carry over what the event sub-processes of a scope wait for."""
        before, after = self.source.handlers.get(old, ()), self.target.handlers.get(new, ())
        if before or after:
            self._carry(holder, set(), before, {event.id: event for event in after}, begun=self._has_begun(holder))

    def _has_begun(self, holder: FlowNodeInstance) -> bool:
        """Whether the event sub-processes of a scope may begin: it is past its start, and at work for its own sake."""
        inside = [visit.element for visit in self.instance.nodes_in(holder.key)]
        if any(element in self.source.superseding or self.source.nodes[element].begins for element in inside):
            return False
        beside = self.instance.waits_of(holder.scope)
        return not any(isinstance(one, Compensation) and one.handler == holder.key for one in beside if holder.key)

    def _carry(
        self,
        holder: FlowNodeInstance,
        own: set[str],
        before: Iterable[FlowNode],
        after: Mapping[str, FlowNode],
        *,
        begun: bool = True,
    ) -> None:
        """Carry over what a visit waits for by these events: `own` are those without which it would wait for ever."""
        known = {event.id for event in before}
        again: set[str] = set()
        withdrawn: list[int] = []
        for wait in self.instance.waits_of(holder.key):
            if not isinstance(wait, Trigger) or wait.element not in known:
                continue
            new = self.mapping.get(wait.element)
            if new is None or new not in after:
                if wait.element in own:
                    what = f"Expected '{wait.element}' to be mapped to what is waited for in its place but it is not"
                    self._say(what)
                withdrawn.append(wait.key)
            elif self.update:
                withdrawn.append(wait.key)
                again.add(new)
            elif new != wait.element:
                self.facts.append(f.WaitMigrated(wait.key, new))
        images = {self.mapping.get(event.id) for event in before}
        if withdrawn:
            self.facts.append(f.WaitsWithdrawn(holder.key, tuple(withdrawn)))
        for id, event in after.items():
            if id in again or (id not in images and begun and holder.state is NodeState.ACTIVE):
                self._arm(holder, event)

    def _arm(self, holder: FlowNodeInstance, event: FlowNode) -> None:
        try:
            armed = event.wait_for(self.ahead, self.instance.visible(holder.key))
        except ProcessFault as fault:
            self._say(f"Expected to know what '{event.id}' waits for but found that it cannot be known: {fault}")
            return
        if armed is not None:
            self.armed.append((holder, event, armed))
