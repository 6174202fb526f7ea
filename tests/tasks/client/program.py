"""A worker as somebody else would write it: the client, a function, and a desk that it tells what it does."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import Any

# As a third party has it: the file alone, without the project around it.
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tasks"))
from worker_client import BpmnError, Job, JobError, Refused, WorkerClient

logging.basicConfig(level=logging.INFO)
LEASE = float(os.environ.get("WORKER_LEASE", "60"))
client = WorkerClient(os.environ["URL"], os.environ["TOKEN"], name=os.environ["NAME"], poll=2)


def tell(what: str, **more: Any) -> None:
    body = json.dumps({"what": what, "worker": client.name, **more}).encode()
    urllib.request.urlopen(urllib.request.Request(os.environ["DESK"], data=body), timeout=60).close()


def foreign(job: Job) -> str:
    """A document whose number was guessed."""
    try:
        job.fetch({"documentId": "1", "contentHash": "0" * 64})
    except Refused as refused:
        return f"{refused.status} {refused.code}"
    return "it was handed out"


@client.worker(
    "pay", max_jobs=int(os.environ.get("MAX_JOBS", "4")), lease=LEASE, fields=["amount", "how", "seconds", "plan"]
)
def pay(job: Job) -> dict[str, Any] | None:
    told = {"job": job.id, "attempt": job.attempt, "key": job.idempotency_key, "progress": job.progress}
    tell("began", **told, variables=sorted(job.variables))
    match job.variables.get("how"):
        case "decline":
            raise BpmnError("DECLINED", "no cover", {"missing": Decimal("0.10")})
        case "once more":
            if job.attempt == 1:
                raise JobError("the bank sleeps", retry_in=0.1)
        case "give up":
            raise JobError("the bank is gone", retries=0)
        case "break":
            raise ZeroDivisionError("oh")
        case "nonsense":
            return {"set": {1, 2}}
        case "wait":
            job.report({"half": job.attempt})
            tell("call", job=job.id)  # until the desk answers
        case "watch":
            gone = job.cancelled.wait(30)
            tell("cancelled", job=job.id, gone=gone)
        case "scan":
            scan = bytes(range(256)) * 4000
            first, again = (job.store(scan, "image/png", "scan ü.png") for _ in range(2))
            return {"scan": first, "same": first == again, "back": job.fetch(first) == scan}
        case "read":
            return {"read": job.fetch(job.variables["plan"]).hex()}
        case "large":
            try:
                job.store(b"x" * 2_000_001)
            except Refused as refused:
                return {"told": f"{refused.status} {refused.code}", "foreign": foreign(job)}
        case "sleep":
            time.sleep(float(job.variables["seconds"]))
    return {"paid": job.variables["amount"], "doubled": job.variables["amount"] * 2}


if __name__ == "__main__":
    client.run()
    print("client ended")
