"""Draws random models: every element, block by block or tangled, all of them fit to be deployed.

A block is drawn behind the pen and leaves the pen at its one way out. A tangle is a chain of nodes with further flows
anywhere, backwards too: joins in it may wait for ever, and tokens may come twice. Chance comes from a `Random`, so that
a seed and a size give the same model again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from tests.decisions import decisions, literal, table
from tests.drawing import Definition, Drawing

CODES = ("X", "Y")
NAMES = ("one", "two")
UNPICKED = ("<bpmn:boundaryEvent", "<bpmn:association")
JOINS = ("parallelGateway", "exclusiveGateway", "inclusiveGateway")
DECISIONS = decisions(
    table("less", inputs=["a"], outputs=["less"], rules=[("< 2", "0"), ("[1..3]", "a - 1")], policy="UNIQUE"),
    literal("sum", "less + b", requires=["less"]),
)
"""What models drawn here decide by: at times two rules match, and that is trouble."""
DECIDED = ("less", "sum", '=if b > 2 then "nobody" else "less"')
WAITED = ("timer", "message", "signal", "conditional")


class Artist:
    """Draws with at most `size` activities and gateways; `called` are the processes that what it drew calls."""

    def __init__(self, random: Random, size: int, *, calls: bool = True) -> None:
        self.random = random
        self.calls = calls
        self.left = size
        self.called: list[Drawing] = []
        self._count = 0

    def process(self) -> Drawing:
        drawing = Scope(self, Drawing("process"), Around(calls=self.calls, called=False)).draw()
        for called in self.called:
            self.left = 2
            Scope(self, called, Around(calls=False)).draw()
        return drawing

    def id(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"

    def chance(self, of: float) -> bool:
        return self.random.random() < of

    def condition(self) -> str:
        return f"={self.random.choice('ab')} > {self.random.randrange(3)}"


@dataclass(frozen=True, slots=True)
class Around:
    """What is around a scope, as far as it matters to what may be drawn in it."""

    kind: str = ""
    depth: int = 0
    calls: bool = True
    called: bool = True
    """Whether a caller begins it, or what it hears may."""

    def inner(self, kind: str) -> Around:
        return replace(self, kind=kind, depth=self.depth + 1, called=True)


class Scope:
    """The inside of a process or sub-process."""

    def __init__(self, artist: Artist, drawing: Drawing, around: Around) -> None:
        self.artist = artist
        self.random = artist.random
        self.id = artist.id
        self.chance = artist.chance
        self.drawing = drawing
        self.around = around
        self.undoable: list[str] = []
        self.handled: set[str] = set()

    def draw(self) -> Drawing:
        kind, drawing = self.around.kind, self.drawing
        if kind == "adHocSubProcess":
            for _ in range(self.random.randint(1, 3)):
                drawing.apart()
                self.activity()
                if self.chance(0.3):
                    self.block()
            return drawing
        if self.around.called or self.chance(0.9):
            drawing.start(self.id("start"))
        else:
            self.begun_by_all()
        if self.chance(0.3):
            self.tangle()
        else:
            for _ in range(self.random.randint(1, 3)):
                self.block()
        self.end()
        if self.around.depth < 3 and self.chance(0.25):
            for _ in range(self.random.randint(1, 2)):
                self.event_sub_process()
        return drawing

    def block(self) -> None:
        if self.artist.left <= 0:
            self.drawing.node("task", self.id("pass"))
            return
        if self.chance(0.25):
            self.split()
        elif self.chance(0.2):
            self.event_gateway()
        elif self.chance(0.25):
            self.event()
        else:
            self.activity()
            self.boundaries()

    # -- gateways --------------------------------------------------------------------------------------------------

    def split(self) -> None:
        self.artist.left -= 1
        tag = self.random.choice(JOINS)
        split, join, drawing = self.id("split"), self.id("join"), self.drawing
        drawing.node(tag, split)
        branches = self.random.randint(1, 3)
        for number in range(branches):
            drawing.at(split)
            if tag != "parallelGateway":
                if number == branches - 1:
                    drawing.otherwise()
                else:
                    drawing.when(self.artist.condition())
            drawing.node("task", self.id("pass"))
            self.block()
            if number and self.chance(0.1):
                self.end()
            elif number:
                drawing.to(join)
            elif self.chance(0.15):
                self.complex(join)
            else:
                drawing.node(tag if self.chance(0.9) else "exclusiveGateway", join)
        drawing.at(join)
        if f'complexGateway id="{join}"' in "".join(drawing._nodes) and self.chance(0.4):
            drawing.when(f"=waitingForStart or {self.artist.condition()[1:]}")

    def complex(self, id: str) -> None:
        also = f" and {self.artist.condition()[1:]}" if self.chance(0.3) else ""
        self.drawing.complex(id, f"=activationCount > {self.random.randrange(3)}{also}")

    def event_gateway(self) -> None:
        self.artist.left -= 1
        gateway, merge, drawing = self.id("first"), self.id("merge"), self.drawing
        drawing.node("eventBasedGateway", gateway)
        for number in range(self.random.randint(2, 3)):
            drawing.at(gateway)
            drawing.receive(self.id("receive"), self.random.choice(NAMES)) if self.chance(0.2) else self.catch()
            drawing.to(merge) if number else drawing.exclusive(merge)
        drawing.at(merge)

    def begun_by_all(self) -> None:
        """The process begins at a parallel event-based gateway."""
        gateway, join, drawing = self.id("all"), self.id("join"), self.drawing
        drawing.node("eventBasedGateway", gateway, eventGatewayType="Parallel", instantiate="true")
        for number, name in enumerate((*NAMES, "three")[: self.random.randint(2, 3)]):
            drawing.at(gateway)
            drawing.receive(self.id("receive"), name) if self.chance(0.3) else drawing.message(self.id("hear"), name)
            if self.chance(0.5):
                self.block()
            drawing.to(join) if number else drawing.node(self.random.choice(JOINS), join)

    def tangle(self) -> None:
        """A chain of nodes, and flows from anywhere to anywhere."""
        drawing, ids, splits = self.drawing, [], {}
        drawing.node("task", first := self.id("pass"))
        for _ in range(self.random.randint(2, 6)):
            drawing.apart()
            if self.chance(0.6):
                tag, id = self.random.choice((*JOINS, "complexGateway")), self.id("tangled")
                self.complex(id) if tag == "complexGateway" else drawing.node(tag, id)
                splits[id] = tag
            else:
                id = self.activity(quantity=True)
                splits[id] = ""
            ids.append(id)
        ids.append(self.id("out"))
        drawing.apart().node("task", ids[-1])
        flows = list(pairwise(ids))
        more = self.random.randint(1, len(ids))
        flows += [(self.random.choice(ids[:-1]), self.random.choice(ids)) for _ in range(more)]
        drawing.at(first).to(ids[0])
        for id in ids[:-1]:
            leaving = [flow for flow in flows if flow[0] == id]
            for number, (_, target) in enumerate(leaving):
                drawing.at(id)
                if splits[id] not in ("", "parallelGateway") and len(leaving) > 1:
                    if number == len(leaving) - 1:
                        drawing.otherwise()
                    else:
                        drawing.when(self.artist.condition())
                drawing.to(target)
        drawing.at(ids[-1])

    # -- events ----------------------------------------------------------------------------------------------------

    def waited(self, kind: str) -> Definition:
        if kind == "timer":
            cycle = self.chance(0.3)
            return ("timer", "R2/PT1M" if cycle else "PT1M", "timeCycle" if cycle else "timeDuration")
        if kind == "message":
            return ("message", self.random.choice(NAMES), '="k"' if self.chance(0.3) else "")
        return (kind, self.artist.condition() if kind == "conditional" else self.random.choice(NAMES))

    def catch(self) -> None:
        if self.chance(0.2):
            kinds = self.random.sample(WAITED, 2)
            together = {"parallelMultiple": "true"} if self.chance(0.5) else {}
            self.drawing.catch(self.id("several"), *map(self.waited, kinds), **together)
        else:
            self.drawing.catch(self.id("catch"), self.waited(self.random.choice(WAITED)))

    def event(self) -> None:
        kinds = ["catch"] * 2 + ["message", "signal", "escalation", "link", "none"] + ["compensate"] * 3
        kind = self.random.choice(kinds)
        drawing = self.drawing
        if kind == "catch":
            self.catch()
        elif kind == "link":
            name = self.id("link")
            drawing.throw(self.id("away"), ("link", name)).apart().catch(self.id("here"), ("link", name))
        elif kind == "none":
            drawing.throw(self.id("none"))
        elif kind == "compensate":
            drawing.throw(self.id("undo"), self.compensate())
        elif kind == "escalation":
            drawing.throw(self.id("raise"), ("escalation", self.random.choice(CODES)))
        else:
            drawing.throw(self.id("throw"), (kind, self.random.choice(NAMES)))

    def compensate(self) -> Definition:
        activity = self.random.choice(self.undoable) if self.undoable and self.chance(0.4) else ""
        return ("compensate", activity, 'waitForCompletion="false"' if self.chance(0.2) else "")

    def end(self) -> None:
        kinds = ["none"] * 8 + ["terminate", "error", "escalation", "signal", "message"] + ["compensate"] * 2
        if self.around.kind == "transaction":
            kinds += ["cancel"] * 6
        kind, drawing, id = self.random.choice(kinds), self.drawing, self.id("end")
        if self.around.kind == "adHocSubProcess":
            return
        if kind == "none":
            drawing.end(id)
        elif kind in ("terminate", "cancel"):
            drawing.end_on(id, (kind,))
        elif kind == "compensate":
            drawing.end_on(id, self.compensate())
        else:
            drawing.end_on(id, (kind, self.random.choice(CODES if kind in ("error", "escalation") else NAMES)))

    def boundaries(self) -> None:
        """Events on the border of what was drawn last, which lead to a merge behind it or to an end."""
        host, drawing = self.drawing._at, self.drawing
        if host is None or not self.chance(0.5):
            return
        merge = self.id("merge")
        drawing.exclusive(merge)
        kinds = self.random.sample([*WAITED, "error", "error", "escalation"], self.random.randint(1, 3))
        for number, kind in enumerate(kinds):
            interrupting = kind == "error" or self.chance(0.6)
            caught, together = [self.caught(kind, kinds[:number])], {}
            if kind in ("message", "signal", "conditional") and self.chance(0.3):
                caught.append(("message", "three"))
                together = {"parallelMultiple": "true"} if self.chance(0.7) else {}
            drawing.on(host, self.id("border"), *caught, interrupting=interrupting, **together)
            if self.chance(0.5):
                self.block()
            drawing.to(merge) if self.chance(0.5) else self.end()
        drawing.at(merge)

    def caught(self, kind: str, before: list[str]) -> Definition:
        """One of a kind by its code where no other has it, a second one whatever its code."""
        if kind in ("error", "escalation"):
            return (kind, "") if kind in before else (kind, "X")
        return self.waited(kind)

    def event_sub_process(self) -> None:
        kinds = [*WAITED, "error", "escalation"]
        if self.around.kind in ("subProcess", "transaction"):
            kinds.append("compensate")
        kind = self.random.choice(kinds)
        if kind in ("error", "escalation", "compensate"):
            if kind in self.handled:
                return
            self.handled.add(kind)
        definition: Definition = (kind,) if kind == "compensate" else self.caught(kind, [])
        interrupting = kind in ("error", "compensate") or self.chance(0.5)
        inner = Drawing(self.id("inner"))
        scope = Scope(self.artist, inner, self.around.inner("handler"))
        definitions, together = [definition], {}
        if kind in ("message", "signal", "conditional") and self.chance(0.3):
            definitions.append(("message", "three"))
            together = {"parallelMultiple": "true"}
        inner.start_on(self.id("on"), *definitions, interrupting=interrupting, **together)
        scope.block()
        scope.end()
        self.drawing.event_sub_process(self.id("handler"), inner)

    # -- activities ------------------------------------------------------------------------------------------------

    def activity(self, *, quantity: bool = False) -> str:
        """One activity behind the pen, perhaps repeated, perhaps with what undoes it; its id."""
        self.artist.left -= 1
        kinds = ["service"] * 4 + ["pass", "user", "manual", "script", "send", "receive", "decide"]
        if self.artist.left > 0 and self.around.depth < 3:
            kinds += ["subProcess"] * 3 + ["adHocSubProcess", "transaction"] + ["call"] * self.around.calls
        kind, id, drawing = self.random.choice(kinds), self.id("act"), self.drawing
        repeat = self.random.choice(["many", "turn", "again"]) if self.chance(0.25) else ""
        undo = self.chance(0.4)
        self.work(kind, id, repeat)
        if quantity and not repeat and self.chance(0.2):
            counted = self.random.choice(["startQuantity", "completionQuantity"])
            drawing._nodes[-1] = drawing._nodes[-1].replace(f' id="{id}"', f' id="{id}" {counted}="2"', 1)
        if repeat == "again":
            before = self.chance(0.5)
            drawing.again("=a > loopCounter" if self.chance(0.8) else "", before=before, maximum=2)
        elif repeat:
            until = "=numberOfCompletedInstances > b" if self.chance(0.4) else ""
            drawing.many("=[1, 2, 3]", output=("outputs", "=item"), until=until, sequential=repeat == "turn")
        if undo:
            inputs = {"x": "=a + b"} if self.chance(0.2) else None
            drawing.undo_with(id, self.id("undoes"), inputs=inputs)
            if self.chance(0.2):
                drawing.many("=[1, 2]", sequential=self.chance(0.5))
            self.undoable.append(id)
        if kind == "transaction":
            drawing.on(id, self.id("cancelled"), ("cancel",))
            self.end() if self.around.kind != "adHocSubProcess" else drawing.node("task", self.id("pass"))
        drawing.at(id)
        return id

    def work(self, kind: str, id: str, repeat: str) -> None:
        drawing = self.drawing
        if kind == "service":
            outputs = {"a": "=a"} if self.chance(0.1) else None
            inputs = {"local": "=a + 1"} if self.chance(0.2) else None
            drawing.service(id, type="t", retries=self.random.randint(1, 2), inputs=inputs, outputs=outputs)
        elif kind == "user":
            drawing.node("userTask", id)
        elif kind == "script":
            drawing.script(id, "=if b > 1 then 0 else b + 1" if self.chance(0.9) else "=nobody.knows", "b")
        elif kind == "decide":
            drawing.decide(id, self.random.choice(DECIDED), self.random.choice("ab"))
        elif kind == "receive":
            drawing.receive(id, self.random.choice(NAMES))
        elif kind in ("pass", "manual"):
            drawing.node("task" if kind == "pass" else "manualTask", id)
        elif kind == "send":
            drawing.service(id, type="t", tag="sendTask")
        elif kind == "call":
            called = Drawing(f"called{len(self.artist.called)}")
            self.artist.called.append(called)
            drawing.call(id, called.process_id)
        else:
            inner = Drawing(self.id("inner"))
            Scope(self.artist, inner, self.around.inner(kind)).draw()
            if kind == "adHocSubProcess":
                firsts = _first(inner) if self.chance(0.8) else []
                until = self.artist.condition() if self.chance(0.3) else ""
                active = "=[" + ", ".join(f'"{one}"' for one in firsts) + "]" if firsts else ""
                ordering = self.random.choice(["Sequential", "Parallel"])
                drawing.ad_hoc(id, inner, active=active, until=until, ordering=ordering, cancel=self.chance(0.5))
            elif kind == "transaction":
                drawing.transaction(id, inner)
            else:
                drawing.sub_process(id, inner)


def _first(inner: Drawing) -> list[str]:
    """The nodes that no flow leads to, and that may be picked."""
    reached = {target for _, target, _ in inner._flows.values()}
    firsts = []
    for node in inner._nodes:
        id = node.partition(' id="')[2].partition('"')[0]
        if id not in reached and not node.startswith(UNPICKED) and "isForCompensation" not in node:
            firsts.append(id)
    return firsts
