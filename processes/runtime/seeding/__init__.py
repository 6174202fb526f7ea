"""Fills a database with instances that look lived in, for trials of pages and queries at scale.

A few instances are really performed, through the verbs that everybody uses (`patterns`), and their rows are copied
within the database as often as is asked (`copies`), moved in time. So every row is one that the engine wrote.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction

from processes.runtime.seeding import copies, patterns

BATCH = 10_000
"""Instances in one transaction."""
SPAN = timedelta(days=30)
"""Finished instances ended within so long, the newest just now."""
WAITED = timedelta(hours=6)
"""Live instances began within so long."""


def seed(*, finished: int, running: int, batch: int = BATCH) -> Iterator[int]:
    """Deploy three processes, and make that many instances of them, finished ones first; yields how many are there
    after every transaction. Nothing happens unless the result is iterated. Raises `Rejected`."""
    with transaction.atomic():
        found = patterns.perform()
    for wanted, kept, span in ((finished, found.finished, SPAN), (running, found.running, WAITED)):
        done = 0
        while done < wanted:
            count = min(batch, wanted - done)
            with transaction.atomic():
                copies.copy(kept, count, done=done, wanted=wanted, span=span)
            done += count
            yield count
    with transaction.atomic():
        patterns.drop(found)
