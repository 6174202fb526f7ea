"""The worker client against a real server: outcomes, leases, death, shutdown, a server that goes away."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone
from knox.models import AuthToken

from processes.models import Document, Incident, Job, ProcessInstance, Worker
from processes.runtime import instances
from processes.runtime.definitions import deploy
from tasks.worker_client import Refused, WorkerClient, dumps, loads
from tests.drawing import Drawing
from tests.tasks.connectors.server import running
from tests.tasks.fleet import Desk, Fleet, Process, eventually, free_port

pytestmark = pytest.mark.workers

PAY = (
    Drawing("payment")
    .start()
    .service("pay", type="pay", headers={"retryBackoff": "PT0S"})
    .end("paid")
    .on_error("pay", "declined", "DECLINED")
    .end("refused")
)


class Town:
    """A server, the token for it, and workers."""

    def __init__(self, fleet: Fleet, port: int, token: str) -> None:
        self.fleet, self.port, self.token = fleet, port, token
        self.url = f"http://127.0.0.1:{port}"
        self.definition: Any = deploy(PAY.xml()).definitions[0].definition

    def serve(self) -> Process:
        server = self.fleet.process(["manage.py", "serve", "--port", str(self.port)])
        server.wait_for("ready.")
        return server

    def worker(self, name: str, **environment: str) -> Process:
        program = str(Path(__file__).with_name("program.py"))
        process = self.fleet.process([program], URL=self.url, TOKEN=self.token, NAME=name, **environment)
        process.wait_for("serves pay")
        return process

    def start(self, how: str = "", **variables: Any) -> ProcessInstance:
        return instances.start(self.definition, variables={"how": how, "amount": loads("0.1"), **variables}).instance


@pytest.fixture
def town(transactional_db: None, desk: Desk, tmp_path: Path) -> Iterator[Town]:
    port = free_port()
    token = AuthToken.objects.create(get_user_model().objects.create_superuser("worker"))[1]
    fleet = Fleet(tmp_path, desk, AMQP_URL="", ORCHESTRATOR_SHUTDOWN_SECONDS="3")
    yield Town(fleet, port, token)
    fleet.stop()
    print(fleet.output())


def ended(instance: ProcessInstance) -> ProcessInstance | None:
    return ProcessInstance.objects.filter(pk=instance.pk, state="COMPLETED").first()


def test_every_outcome(town: Town, desk: Desk) -> None:
    town.serve()
    town.worker("w")
    paid, declined, again = town.start(), town.start("decline"), town.start("once more")
    broken, given_up, nonsense = town.start("break"), town.start("give up"), town.start("nonsense")

    done = eventually(lambda: ended(paid))
    assert (str(done.variables["paid"]), str(done.variables["doubled"])) == ("0.1", "0.2"), "exact, all the way"
    assert str(eventually(lambda: ended(declined)).variables["missing"]) == "0.10"
    assert "paid" in eventually(lambda: ended(again)).variables
    eventually(lambda: Incident.objects.count() == 3)
    told = {incident.instance_id: incident.message for incident in Incident.objects.all()}
    assert told[broken.pk] == "ZeroDivisionError: oh"
    assert told[given_up.pk] == "the bank is gone"
    assert "JSON" in told[nonsense.pk]
    tries = Counter(call["key"] for call in desk.calls("began"))
    assert sorted(tries.values()) == [1, 1, 1, 1, 2, 3], "what cannot get better is not tried again"
    assert desk.calls("began")[0]["variables"] == ["amount", "how"], "only the fields asked for"


def test_documents(town: Town, desk: Desk) -> None:
    """Of a user who may work, and nothing else."""
    user = get_user_model().objects.create_user("only-works")
    user.user_permissions.set(Permission.objects.filter(codename="change_job"))
    town.token = AuthToken.objects.create(user)[1]
    town.fleet.environment["ORCHESTRATOR_DOCUMENT_BYTES"] = "2000000"
    town.serve()
    town.worker("w")
    first, second = town.start("scan"), town.start("large")
    scanned, large = eventually(lambda: ended(first)), eventually(lambda: ended(second))
    assert (scanned.variables["same"], scanned.variables["back"]) == (True, True)
    document = Document.objects.get()
    assert (document.instance_id, document.size, document.file_name) == (scanned.pk, 1_024_000, "scan ü.png")
    assert scanned.variables["scan"]["documentId"] == str(document.pk)
    told = {name: large.variables[name] for name in ("told", "foreign")}
    assert told == {"told": "413 document-too-large", "foreign": "404 document-not-found"}
    # A web server does not say how long a body in chunks is; it must not become an empty document.
    where, headers = f"{town.url}/api/v1/documents?job=1&attempt=1", {"Authorization": f"Token {town.token}"}
    answer = requests.post(where, data=iter([b"x", b"y"]), headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed-body")
    assert "in chunks" in answer.json()["detail"]


def test_what_a_connector_stored_is_read_by_a_worker_elsewhere(town: Town, desk: Desk) -> None:
    fetch = {"url": "=where", "storeResponse": "=true"}
    drawing = (
        Drawing("plans")
        .start()
        .service("fetch", type="http", inputs=fetch, headers={"resultExpression": "={plan: response.document}"})
        .service("pay", type="pay")
        .end()
    )
    town.serve()
    town.worker("w")
    town.definition = deploy(drawing.xml()).definitions[0].definition
    with running() as shop:
        where = f"{shop.url}/say/plan.png?type=image/png&body={base64.b64encode(bytes(8)).decode()}"
        started = town.start("read", where=where)
        done = eventually(lambda: ended(started))
    assert done.variables["read"] == "00" * 8


def test_a_slow_job_keeps_its_lease_and_a_cancelled_one_is_told(town: Town, desk: Desk) -> None:
    town.serve()
    # It is extended before half of it is over: the rest is for machines that are busy.
    worker = town.worker("w", WORKER_LEASE="10")
    slow, watched = town.start("sleep", seconds=11), town.start("watch")
    eventually(lambda: len(desk.calls("began")) == 2)
    instances.cancel(watched.pk, by="test")
    assert eventually(lambda: desk.calls("cancelled"))[0]["gone"] is True
    eventually(lambda: ended(slow))
    assert len(desk.calls("began")) == 2, "one attempt each"
    worker.wait_for("its outcome is dropped")


def test_who_dies_while_it_waits_is_given_nothing(town: Town) -> None:
    """Its lease would have to lapse before anybody else gets the job, and a try would be lost."""
    town.serve()
    body = json.dumps({"type": "pay", "worker": "dead", "wait_seconds": 20}).encode()
    request = (
        f"POST /api/v1/jobs/claim HTTP/1.1\r\nHost: 127.0.0.1:{town.port}\r\nAuthorization: Token {town.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", town.port)) as dead:
        dead.sendall(request.encode() + body)
        eventually(lambda: Worker.objects.filter(name="dead"))
        time.sleep(0.3)  # From being seen to waiting.
    town.start()
    time.sleep(0.3)  # The dead one would have been woken by now.
    headers = {"Authorization": f"Token {town.token}"}
    living = {"type": "pay", "worker": "living", "wait_seconds": 30}
    (job,) = requests.post(f"{town.url}/api/v1/jobs/claim", json=living, headers=headers, timeout=60).json()["jobs"]
    assert (job["worker"], job["attempt"]) == ("living", 1)


def test_who_dies_loses_the_lease_and_who_ends_finishes_first(town: Town, desk: Desk) -> None:
    town.serve()
    first = town.worker("first")
    with desk.holding():
        instance = town.start("wait")
        eventually(lambda: desk.calls("call"))
        first.kill()
        # A minute is over. Short leases would lapse by themselves, also those of workers that are only slow.
        Job.objects.filter(instance=instance).update(lease_until=timezone.now())
        second = town.worker("second")
        eventually(lambda: len(desk.calls("call")) == 2)
        assert [call["attempt"] for call in desk.calls("began")] == [1, 2]
        assert [call["progress"] for call in desk.calls("began")] == [{}, {"half": 1}], (
            "the successor knows how far it was"
        )
        second.terminate()
        second.wait_for("begins nothing more")
        late = town.start()
    assert second.ended() == 0
    assert "client ended" in second.output()
    eventually(lambda: ended(instance))
    job = Job.objects.get(instance=late)
    assert (job.state, job.retries) == ("DUE", 3), "not begun, and no try was lost"


def test_the_server_goes_and_comes_back(town: Town, desk: Desk) -> None:
    server = town.serve()
    town.worker("w", WORKER_LEASE="120")
    with desk.holding():
        instance = town.start("wait")
        eventually(lambda: desk.calls("call"))
        server.kill()
    time.sleep(0.7)  # the outcome meets a closed door
    town.serve()
    eventually(lambda: ended(instance))
    other = town.start()
    eventually(lambda: ended(other))
    assert [call["attempt"] for call in desk.calls("began")] == [1, 1]


def test_two_workers_share(town: Town, desk: Desk) -> None:
    town.serve()
    town.worker("one", MAX_JOBS="20")
    town.worker("two", MAX_JOBS="20")
    with desk.holding():
        started = [town.start("wait") for _ in range(30)]
        eventually(lambda: len(desk.calls("call")) == 30, what="one worker to take what the other has no hands for")
    eventually(lambda: all(ended(instance) for instance in started))
    share = Counter(call["worker"] for call in desk.calls("began"))
    assert sum(share.values()) == 30
    assert min(share["one"], share["two"]) >= 10, share


# -- without a server of ours ------------------------------------------------------------------------------------------


def test_a_busy_server_is_left_alone_for_as_long_as_it_says() -> None:
    asked: list[float] = []
    job = {
        "id": 1, "type": "t", "process_id": "p", "instance_id": 1, "element_id": "e", "business_key": "",
        "variables": {}, "headers": {}, "attempt": 1, "retries": 3, "idempotency_key": "k", "something": "new",
    }  # fmt: skip
    told: list[tuple[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, answer = 200, {"jobs": []}
            if self.path.endswith("/claim"):
                asked.append(time.monotonic())
                status = 503 if len(asked) == 1 else 200
                answer = {"jobs": [job] if len(asked) == 2 else []}
                if len(asked) > 2:
                    time.sleep(0.2)
            else:
                told.append((self.path.rsplit("/", 1)[1], body))
                status = 500 if len(told) == 1 else 422 if len(told) == 2 else 204
            text = b"" if status == 204 else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    client = WorkerClient(f"http://127.0.0.1:{server.server_port}", "token", poll=1)
    client.worker("t")(lambda job: {"answer": 42})
    running = threading.Thread(target=client.run)
    running.start()
    try:
        eventually(lambda: len(told) >= 3)
    finally:
        client.stop()
        running.join(60)
        server.shutdown()
        server.server_close()
        thread.join(5)
    assert not running.is_alive()
    assert asked[1] - asked[0] >= 1
    # Said again after a 500; what cannot be taken over at all becomes a failure that nobody repeats.
    assert [verb for verb, _ in told] == ["complete", "complete", "fail"]
    assert told[2][1]["retries"] == 0


def test_json_keeps_every_digit() -> None:
    text = '{"a":0.10,"b":[1.000000000000000000001,12345678901234567890,null,true,"\\u00e9"]}'
    assert dumps(loads(text)) == text
    for wrong in ({1: 2}, {"a": {1}}, float("nan"), Decimal("Infinity")):
        with pytest.raises((TypeError, ValueError)):
            dumps(wrong)


def test_mistakes_of_the_program() -> None:
    client = WorkerClient("http://127.0.0.1:1", "token")
    with pytest.raises(ValueError, match="at least one function"):
        client.run()
    client.worker("t")(lambda job: None)
    with pytest.raises(ValueError, match="found two"):
        client.worker("t")
    with pytest.raises(ValueError, match="between 1 and 100"):
        client.worker("u", max_jobs=0)
    assert Refused(409, "job-not-claimed", "m").lost
    assert not Refused(422, "value-invalid", "m").lost
