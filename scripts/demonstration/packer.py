"""An external worker: packs parcels, in a process of its own, with nothing but HTTP.

    ORCHESTRATOR_URL=http://127.0.0.1:8000 ORCHESTRATOR_TOKEN=... python -m scripts.demonstration.packer anna

It asks for work and waits for the answer (long polling), and says what came of it: completed, failed, or a business
error that the model routes on. A job that it never speaks of again is given to somebody else when the lease ends.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import Any

import requests

from scripts.demonstration import world

JOB_TYPE = "pack-parcel"
PACKING_SECONDS = 0.05
LEASE_SECONDS = 3
WAIT_SECONDS = 5


class Packer:
    def __init__(self, url: str, token: str, name: str) -> None:
        self._jobs = f"{url}/api/v1/jobs"
        self._name = name
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Token {token}"

    def run(self) -> None:
        """Work until the process is ended. A server that is away for a moment is waited for."""
        while True:
            try:
                for job in self._claim():
                    self._do(job)
            except requests.RequestException as problem:
                print(f"{self._name}: {problem}", file=sys.stderr)
                time.sleep(1)

    def _claim(self) -> list[dict[str, Any]]:
        asked = {
            "type": JOB_TYPE,
            "worker": self._name,
            "lease_seconds": LEASE_SECONDS,
            "wait_seconds": WAIT_SECONDS,
        }
        answer = self._session.post(f"{self._jobs}/claim", json=asked, timeout=WAIT_SECONDS + 10)
        answer.raise_for_status()
        return list(answer.json()["jobs"])

    def _do(self, job: dict[str, Any]) -> None:
        variables, order = job["variables"], job["variables"]["order_id"]
        products = {line["product"] for line in variables["lines"]}
        if world.HEAVY in products and job["attempt"] == 1:
            print(f"{self._name}: {order} has an anvil in it, and now it is on my foot", file=sys.stderr)
            os._exit(1)
        time.sleep(PACKING_SECONDS)
        if world.FRAGILE in products and not variables["replaced"]:
            damaged = {"damaged": world.FRAGILE}
            self._say(job, "error", code="DAMAGED", message=f"The {world.FRAGILE} is broken", variables=damaged)
        elif len(products) > 2 and job["attempt"] == 1:
            self._say(job, "fail", message="No large box at hand", retry_in_seconds=1)
        else:
            boxes = max(1, sum(line["quantity"] for line in variables["lines"]) // 3)
            self._say(job, "complete", variables={"parcel": {"boxes": boxes, "packed_by": self._name}})

    def _say(self, job: dict[str, Any], verb: str, **body: Any) -> None:
        outcome = {"attempt": job["attempt"], **body}
        answer = self._session.post(f"{self._jobs}/{job['id']}/{verb}", json=outcome, timeout=10)
        if answer.status_code == 409:
            print(f"{self._name}: {job['variables']['order_id']} is somebody else's by now", file=sys.stderr)
        else:
            answer.raise_for_status()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    name = parser.parse_args().name
    try:
        Packer(os.environ["ORCHESTRATOR_URL"], os.environ["ORCHESTRATOR_TOKEN"], name).run()
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
