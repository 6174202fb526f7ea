"""The same for some while the caller waits, one after the other, at a pace. For many there are batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Done:
    """`rejected`: why not, by id."""

    done: list[int] = field(default_factory=list)
    rejected: dict[int, str] = field(default_factory=dict)


def each(
    ids: Iterable[int],
    work: Callable[[int], object],
    *,
    rate: float | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Done:
    """Do the work for each, at most `rate` a second; where it raises, the others have their turn all the same.
    `on_progress` is told of each that is over."""
    outcome = Done()
    begun = time.monotonic()
    for place, id in enumerate(ids):
        if rate is not None and (pause := begun + place / rate - time.monotonic()) > 0:
            time.sleep(pause)
        try:
            work(id)
        except Exception as error:  # noqa: BLE001 - reported by id; a bug was logged where it struck
            outcome.rejected[id] = str(error)
        else:
            outcome.done.append(id)
        if on_progress is not None:
            on_progress(id)
    return outcome
