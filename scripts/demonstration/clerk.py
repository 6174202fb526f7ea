"""An external worker: finds a manager for a new customer, with `tasks/worker_client.py` and nothing else of ours.

ORCHESTRATOR_URL=http://127.0.0.1:8000 ORCHESTRATOR_TOKEN=... python -m scripts.demonstration.clerk
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any

# As a program elsewhere has it: the one file, without the project around it.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tasks"))
from worker_client import Job, JobError, WorkerClient

MANAGERS = {"east": "Edith", "north": "Nora", "south": "Samir", "west": "Wanda"}

logging.basicConfig(level=logging.INFO)
client = WorkerClient(os.environ["ORCHESTRATOR_URL"], os.environ["ORCHESTRATOR_TOKEN"], name="clerk", poll=2)


@client.worker("assign-manager", max_jobs=4, lease=30, fields=["customer", "region"])
def assign(job: Job) -> dict[str, Any]:
    if job.attempt == 1 and job.variables["region"] == "west":
        raise JobError("Wanda is at lunch", retry_in=0.2)
    return {"manager": MANAGERS[job.variables["region"]]}


if __name__ == "__main__":
    client.run()
