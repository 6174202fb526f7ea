"""What is done: the processes as BPMN, and as many tasks for the peer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.drawing import Drawing

NOOP = "bench-noop"
"""Job type of the function in `connectors`."""
EXTERNAL = "bench-external"
"""Job type that no connector serves."""
MESSAGE = "bench-message"


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of instance. `instances` is how many make a round of a few seconds on two cores."""

    name: str
    title: str
    tasks: int
    instances: int
    shape: str
    """Whose drawing it is, in `SHAPES`."""
    delay: int = 0
    """Milliseconds that the called service takes."""
    compared: bool = False
    """Whether raw Celery does the same."""

    def drawing(self) -> Drawing:
        """The process; its id is `process_id`."""
        return SHAPES[self.shape](self, Drawing(self.process_id).start()).end()

    @property
    def process_id(self) -> str:
        return f"bench-{self.name.lower()}"

    def variables(self, service: str) -> dict[str, Any]:
        """What an instance is started with; `service` is the base URL of the HTTP service."""
        if self.shape == "calls":
            return {"service": f"{service}/{self.delay}", "step": 1}
        return {"service": f"{service}/{self.delay}"} if self.shape == "call" else {}


def _chain(workload: Workload, drawing: Drawing, type_: str = NOOP) -> Drawing:
    for number in range(1, workload.tasks + 1):
        drawing.service(f"task{number}", type=type_)
    return drawing


def _fan(workload: Workload, drawing: Drawing) -> Drawing:
    drawing.parallel("fork")
    for number in range(1, workload.tasks + 1):
        drawing.at("fork").service(f"task{number}", type=NOOP)
        if number == 1:
            drawing.parallel("join")
        else:
            drawing.to("join")
    return drawing.at("join")


def _call(workload: Workload, drawing: Drawing) -> Drawing:
    return drawing.service("call", type="http", inputs={"url": "=service"}, outputs={"answer": "=body.ok"})


def _calls(workload: Workload, drawing: Drawing) -> Drawing:
    """Every call is told what the one before it gave, so that none could be made early."""
    inputs = {"url": '=service + "?step=" + string(step)'}
    outputs = {"step": "=if body.ok then step + 1 else 0", "answer": "=body"}
    for number in range(1, workload.tasks + 1):
        drawing.service(f"call{number}", type="http", inputs=inputs, outputs=outputs)
    return drawing


def _many(workload: Workload, drawing: Drawing) -> Drawing:
    return drawing.service("work", type=NOOP).many("=items")


def _timer(workload: Workload, drawing: Drawing) -> Drawing:
    """Far away until the benchmark says when: an instance that ends has fired."""
    return drawing.timer("wait", "PT12H")


def _message(workload: Workload, drawing: Drawing) -> Drawing:
    return drawing.message("wait", MESSAGE, "=key")


def _external(workload: Workload, drawing: Drawing) -> Drawing:
    return _chain(workload, drawing, EXTERNAL)


SHAPES = {
    "chain": _chain, "fan": _fan, "call": _call, "calls": _calls, "many": _many, "timer": _timer, "message": _message,
    "external": _external,
}  # fmt: skip

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("W1", "5 sequential no-op tasks", 5, 200, "chain", compared=True),
        Workload("W2", "10 parallel no-op tasks and a join", 10, 80, "fan", compared=True),
        Workload("W3-0", "one HTTP call to a service that answers at once", 1, 400, "call", compared=True),
        Workload("W3-20", "one HTTP call to a service that takes 20 ms", 1, 400, "call", 20, compared=True),
        Workload("W4", "6 chained HTTP calls of 20 ms with mapping between them", 6, 60, "calls", 20),
        Workload("W5", "one instance with thousands of parallel no-op jobs", 1, 1, "many"),
        Workload("W6-timers", "instances that wait for timers", 0, 1, "timer"),
        Workload("W6-messages", "instances that wait for messages", 0, 1, "message"),
        Workload("W7", "5 sequential tasks of external workers over REST", 5, 40, "external"),
    )
}


def chosen(names: Sequence[str]) -> list[Workload]:
    """The compared workloads of these names; a name stands for all that begin with it. Raises ValueError for an unknown
    one."""
    compared = [workload for workload in WORKLOADS.values() if workload.compared]
    found: list[Workload] = []
    for name in names or ["W"]:
        some = [workload for workload in compared if workload.name.startswith(name)]
        if not some:
            names_ = ", ".join(workload.name for workload in compared)
            raise ValueError(f"Expected a workload out of {names_} but found {name!r}")
        found += [workload for workload in some if workload not in found]
    return found
