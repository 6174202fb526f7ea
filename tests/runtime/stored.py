"""An instance that is played on real rows: everything that `Player` looks at is read back from the database."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction as database
from django.utils import timezone

from processes import models
from processes.engine import commands as c
from processes.engine import facts as f
from processes.engine.parts import Job, JobState
from processes.engine.process import Process
from processes.runtime import claims, definitions, transaction
from processes.runtime.loader import Loaded, load
from tests.engine.checked import Player, picture


class Stored(Player):
    """An instance of the play that lives in rows, and is read anew for every step."""

    def __init__(self, process: Process, parent: tuple[Player, int] | None = None, pk: int = 0) -> None:
        super().__init__(process, parent)
        self.pk = pk

    def carry_out(self, command: c.Command, at: datetime) -> list[f.Fact]:
        facts: list[f.Fact] = []
        if isinstance(command, c.StartInstance):
            definition = definitions.find(self.process.id)
            self.pk = transaction.begin(definition, command, by="test", caller=self._caller()).pk
            self._read()
            self.replayed = self.instance
            self._read()
        else:
            carried = transaction.carry_out(self.pk, command, by="test")
            facts = carried.facts
            for fact in facts:
                self._replay(fact)
            read = self._read()
            if carried.loaded.instance.reader is None:
                # Who goes on with what a step left in memory goes on with what is in the rows.
                carried.loaded.renew({})
                assert picture(carried.loaded.instance)[:-1] == picture(self.instance)[:-1]
                assert carried.loaded.variables == read.variables
                assert carried.loaded.steps == read.steps
        assert picture(self.instance)[:-1] == picture(self.replayed)[:-1], "the rows say what the facts say"
        self.check(at)
        return facts

    def claim(self, key: int) -> Job:
        row = models.Job.objects.get(instance=self.pk, key=key)
        models.Job.objects.filter(pk=row.pk).update(due_at=timezone.now())
        assert claims.claim_one(row.pk, worker="test") is not None
        self._read()
        job, replayed = self.instance.waits[key], self.replayed.waits[key]
        assert isinstance(job, Job)
        assert isinstance(replayed, Job)
        assert (job.state, job.attempt) == (JobState.CLAIMED, replayed.attempt + 1)
        replayed.state, replayed.attempt, replayed.due_at = job.state, job.attempt, job.due_at
        return job

    def _caller(self) -> transaction.Caller | None:
        if self.parent is None:
            return None
        above, call = self.parent
        assert isinstance(above, Stored)
        row = models.ProcessInstance.objects.get(pk=above.pk)
        element = above.instance.nodes[above.instance.waits[call].node].element
        return transaction.Caller(row.pk, row.root_id or row.pk, row.depth, call, element)

    def _read(self) -> Loaded:
        with database.atomic():
            loaded = load(self.pk, whole=True)
        assert loaded is not None
        self.instance = loaded.instance
        return loaded
