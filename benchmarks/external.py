"""A process of an external worker, in Python, over REST: ``python -m benchmarks.external URL TOKEN NAME``."""

from __future__ import annotations

import sys

from benchmarks.workloads import EXTERNAL
from tasks.worker_client import Job, WorkerClient


def main() -> None:
    base, token, name = sys.argv[1:]
    client = WorkerClient(base, token, name)

    @client.worker(EXTERNAL, max_jobs=4, lease=60)
    def work(job: Job) -> dict[str, int]:
        return {"last": job.id}

    client.run()


if __name__ == "__main__":
    main()
