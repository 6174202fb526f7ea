"""Jobs that wait for a reply: asked over a real broker, answered by another process, taken in by real consumers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.db import connection, transaction
from django.utils import timezone

from processes.models import AwaitedReply, EarlyReply, Gate, Incident, Job, ProcessInstance, Step
from processes.runtime import connections, definitions, instances, jobs, replies, secrets
from processes.runtime.settlement import Responded
from processes.runtime.sweep import sweep_once
from tasks import worker
from tasks.connectors.message import MessageConnector
from tasks.registry import Registration, Registry
from tasks.replies import Consumers
from tests.drawing import Drawing
from tests.tasks.connectors.message.conftest import AMQP, CONNECTOR, REDIS, Rabbit
from tests.tasks.fleet import Process, database_url, eventually

pytestmark = pytest.mark.django_db(transaction=True)

REGISTRY = Registry({"message": Registration("message", CONNECTOR, "test")})
RESPONDER = str(Path(__file__).with_name("responder.py"))


def ordered(inputs: dict[str, Any], *, url: str = AMQP, retries: int = 3, **headers: str) -> Job:
    """The job of an instance that asks by message."""
    mapped = {"url": url, "mode": "reply", **inputs}
    drawing = Drawing("order").start()
    drawing.service(
        "ask",
        type="message",
        retries=retries,
        inputs={name: value if value.startswith("=") else str(value) for name, value in mapped.items()},
        headers={"resultExpression": "={answer: response.body}", "retryBackoff": "PT0S", **headers},
    )
    drawing.end()
    drawing.on_error("ask", "limit", "LIMIT").end("limited")
    definition = definitions.deploy(drawing.xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition, variables={"order": {"id": 7}}).instance)


def performed(job: Job) -> worker.Done:
    (done,) = worker.perform(job.pk, registry=REGISTRY, worker="tester")
    return done


@contextmanager
def consuming(*addresses: str, inbound: bool = False) -> Iterator[Consumers]:
    """Listens in threads of this process."""
    consumers = Consumers(addresses, inbound=inbound)
    with consumers.listening():
        for listener in consumers.listeners:
            assert listener.ready.wait(60)
        yield consumers


@contextmanager
def program(log: Path, *arguments: str, ready: str, **environment: str) -> Iterator[Process]:
    given = {"DATABASE_URL": database_url(), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "DEBUG": "1"}
    process = Process(list(arguments), {**given, "ORCHESTRATOR_REPLIES": "", "LOG_LEVEL": "INFO", **environment}, log)
    try:
        process.wait_for(ready)
        yield process
    finally:
        process.kill()


def state_of(job: Job) -> tuple[str, dict[str, Any]]:
    instance = ProcessInstance.objects.get(pk=job.instance_id)
    return instance.state, {name: value for name, value in instance.variables.items() if name != "order"}


def ended(job: Job) -> Any:
    eventually(lambda: state_of(job)[0] != "ACTIVE", within=60, what="the instance to end")
    return state_of(job)


def waiting(job: Job) -> Job:
    """The job, which must wait for its reply and not hold a worker."""
    job.refresh_from_db()
    assert job.state == "CLAIMED"
    assert job.worker.startswith("reply:")
    return job


# -- there and back ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_asked_and_answered_by_another_process(
    broker: str, request: pytest.FixtureRequest, prefix: str, tmp_path: Path
) -> None:
    if broker == "rabbitmq":
        rabbit: Rabbit = request.getfixturevalue("rabbit")
        orders, answers, url = rabbit.queue("orders"), rabbit.queue("answers", make=False), AMQP
        place = {"queue": orders}
    else:
        stream = request.getfixturevalue("stream")
        request.getfixturevalue("redis")
        orders, answers, url = stream("orders"), stream("answers"), REDIS
        place = {"stream": orders}
    job = ordered({**place, "replyTo": answers, "body": "=order"}, url=url)
    with consuming(f"{url}#{answers}"):
        done = performed(job)
        assert done.decision == "awaiting"
        until = waiting(job).lease_until
        assert until is not None
        assert until > timezone.now() + timedelta(seconds=200)
        # The worker is free, the row is committed; now the service answers.
        with program(tmp_path / "responder.log", RESPONDER, url, orders, ready="ready."):
            assert ended(job) == ("COMPLETED", {"answer": {"echo": {"id": 7}}})
    step = Step.objects.get(command="CompleteJob")
    assert step.by == f"reply:{answers}"
    assert step.journal["request"]["body"] == '{"id":7}'
    assert step.journal["reply"]["headers"] == {"served-by": "responder"}
    assert AwaitedReply.objects.get().ending == "answered"


def test_a_reply_that_tells_of_failure_is_an_error(rabbit: Rabbit, tmp_path: Path) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered(
        {"queue": orders, "replyTo": answers, "body": "=order", "headers": '={ask: "fail"}'},
        errorExpression='=if error.code = "LIMIT" then bpmnError("LIMIT", error.message, '
        "{most: error.variables.response.body.limit}) else null",
    )
    performed(job)
    with program(tmp_path / "responder.log", RESPONDER, AMQP, orders, ready="ready."), consuming(f"{AMQP}#{answers}"):
        assert ended(job)[0] == "COMPLETED"
    assert ProcessInstance.objects.get().variables["most"] == 5


def test_without_a_failure_handler_it_is_an_incident(rabbit: Rabbit, tmp_path: Path) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered({"queue": orders, "replyTo": answers, "body": "=order", "headers": '={ask: "fail"}'})
    performed(job)
    with program(tmp_path / "responder.log", RESPONDER, AMQP, orders, ready="ready."), consuming(f"{AMQP}#{answers}"):
        eventually(lambda: Incident.objects.exists())
    assert Incident.objects.get().message == "too much"


def test_a_reply_that_is_faster_than_the_hand_over(rabbit: Rabbit) -> None:
    """Between the message and the hand-over the reply finds the row, and the worker finds the job done."""
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered({"queue": orders, "replyTo": answers, "body": "=order"})

    class Quick(MessageConnector):
        def run(self, job: Any) -> Any:
            awaiting = CONNECTOR.run(job)
            rabbit.put(answers, "1", correlation_id=awaiting.correlation_id)  # type: ignore[union-attr]
            eventually(lambda: not Job.objects.exists())
            return awaiting

    with consuming(f"{AMQP}#{answers}"):
        (done,) = worker.perform(
            job.pk, registry=Registry({"message": Registration("message", Quick(), "test")}), worker="tester"
        )
    assert (done.decision, "already" in done.message) == ("awaiting", True)
    assert ended(job) == ("COMPLETED", {"answer": 1})


def test_a_reply_that_is_there_before_anybody_waits_is_kept(rabbit: Rabbit) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    with consuming(f"{AMQP}#{answers}"):
        rabbit.put(answers, '{"first": 1.10}', correlation_id="order-7")
        rabbit.put(answers, '{"second": 2}', correlation_id="order-7")
        eventually(lambda: EarlyReply.objects.exists() and not rabbit.count(answers))
        job = ordered({"queue": orders, "replyTo": answers, "body": "=order", "correlationId": "order-7"})
        performed(job)
    state, variables = ended(job)
    assert (state, str(variables["answer"]["first"])) == ("COMPLETED", "1.10")
    assert not EarlyReply.objects.exists()


def test_a_crash_between_the_commits_is_found_by_the_sweep(rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered({"queue": orders, "replyTo": answers, "body": "=order", "correlationId": "order-8"})
    with monkeypatch.context() as broken:
        broken.setattr(replies, "_meet", lambda correlation_id: None)
        replies.receive("order-8", Responded({"body": 1}), channel=answers)
        performed(job)
    assert waiting(job)
    sweep_once()
    assert state_of(job) == ("COMPLETED", {"answer": 1})


def test_duplicates_are_counted_and_dropped(rabbit: Rabbit, tmp_path: Path) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered({"queue": orders, "replyTo": answers, "body": "=order", "headers": '={ask: "twice"}'})
    performed(job)
    with program(tmp_path / "responder.log", RESPONDER, AMQP, orders, ready="ready."), consuming(f"{AMQP}#{answers}"):
        assert ended(job)[0] == "COMPLETED"
        eventually(lambda: AwaitedReply.objects.get().replies == 2)
    assert rabbit.count(answers) == rabbit.count(f"{answers}.dead") == 0
    assert Step.objects.filter(command="CompleteJob").count() == 1


# -- secrets and connections -------------------------------------------------------------------------------------------


@pytest.fixture
def bus(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    secrets.put("BUS", "guest", by="user:ada")
    limits = {"breaker_failures": 2, "breaker_open": 0.2, "breaker_ramp": 0}
    connections.put("bus", {"url": AMQP.replace(":guest@", ":{{secrets.BUS}}@"), **limits}, by="user:ada")


def asked(inputs: dict[str, str], **headers: str) -> Job:
    """As `ordered`, through the connection `bus`."""
    drawing = Drawing("order").start()
    given = {"mode": "reply", **inputs}
    told = {"connection": "bus", "resultExpression": "={answer: response.body}", "retryBackoff": "PT0S", **headers}
    drawing.service("ask", type="message", inputs=given, headers=told, retries=9)
    definition = definitions.deploy(drawing.end().xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(definition).instance)


@pytest.mark.parametrize("early", [False, True])
def test_a_reply_that_repeats_secrets_is_masked(early: bool, bus: None, rabbit: Rabbit) -> None:
    secrets.put("INPUT", "s3cret-of-the-input", by="user:ada")
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    inputs = {"queue": orders, "replyTo": answers, "body": '={a: "{{secrets.INPUT}}"}', "correlationId": "order-9"}
    said = '{"heard": "s3cret-of-the-input", "more": ["be our guest"]}'
    with consuming(f"{AMQP}#{answers}"):
        if early:
            rabbit.put(answers, said, correlation_id="order-9")
            kept = eventually(EarlyReply.objects.first)
            assert "s3cret" not in str(kept.outcome)
        job = asked(inputs)
        assert performed(job).decision == "awaiting"
        assert "s3cret-of-the-input" in str(rabbit.get(orders).body)
        if not early:
            rabbit.put(answers, said, correlation_id="order-9")
        assert ended(job) == ("COMPLETED", {"answer": {"heard": "***", "more": ["be our ***"]}})
    assert "s3cret" not in str(list(Step.objects.values_list("journal", flat=True)))


def test_silence_opens_the_breaker_and_a_reply_closes_it(bus: None, rabbit: Rabbit) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    inputs = {"queue": orders, "replyTo": answers, "replyTimeoutInSeconds": "=0.05"}
    first, second = asked(inputs), asked(inputs)
    for number, job in enumerate((first, second), 1):
        # That a message was sent says nothing of who is to answer.
        assert performed(job).decision == "awaiting"
        time.sleep(0.1)
        sweep_once()
        assert len(Gate.objects.get().failures) == number % 2
    gate = Gate.objects.get()
    assert (gate.breaker, "none came" in gate.last_failure) == ("OPEN", True)
    time.sleep(0.3)
    Job.objects.update(due_at=timezone.now())
    performed(first)
    assert Gate.objects.get().breaker == "HALF_OPEN"
    Job.objects.filter(pk=second.pk).update(due_at=timezone.now())
    assert list(worker.perform(second.pk, registry=REGISTRY, worker="t")) == [], "one canary is on its way"
    waiting_for = AwaitedReply.objects.get(ending="", job_id=first.pk)
    AwaitedReply.objects.filter(pk=waiting_for.pk).update(expires_at=timezone.now() + timedelta(minutes=1))
    with consuming(f"{AMQP}#{answers}"):
        rabbit.put(answers, '"here"', correlation_id=waiting_for.correlation_id)
        assert ended(first) == ("COMPLETED", {"answer": "here"})
    eventually(lambda: Gate.objects.get().breaker == "CLOSED", what="the breaker to close")


# -- silence -----------------------------------------------------------------------------------------------------------


def test_late_replies_do_not_answer_a_later_attempt(rabbit: Rabbit) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    job = ordered({"queue": orders, "replyTo": answers, "body": "=order", "replyTimeoutInSeconds": "=0.2"})
    performed(job)
    first = rabbit.get(orders).properties
    time.sleep(0.25)
    sweep_once(thorough=False)
    job.refresh_from_db()
    assert (job.state, job.retries) == ("DUE", 2)
    assert "Expected a reply on" in job.error_message
    failed = Step.objects.get(command="FailJob")
    assert failed.journal["request"]["body"] == '{"id":7}'
    Job.objects.update(due_at=timezone.now())
    performed(job)
    AwaitedReply.objects.filter(ending="").update(expires_at=timezone.now() + timedelta(minutes=1))
    second = rabbit.get(orders).properties
    assert first["message_id"] == second["message_id"]
    assert first["correlation_id"] != second["correlation_id"]
    with consuming(f"{AMQP}#{answers}"):
        rabbit.put(answers, '"too late"', correlation_id=first["correlation_id"])
        eventually(lambda: AwaitedReply.objects.get(correlation_id=first["correlation_id"]).replies == 1)
        assert waiting(job).attempt == 2
        rabbit.put(answers, '"in time"', correlation_id=second["correlation_id"])
        assert ended(job) == ("COMPLETED", {"answer": "in time"})


def test_silence_ends_as_an_incident_or_as_the_model_says(rabbit: Rabbit) -> None:
    orders, answers = rabbit.queue("orders"), rabbit.queue("answers")
    inputs = {"queue": orders, "replyTo": answers, "replyTimeoutInSeconds": "=0.05"}
    job = ordered(inputs, retries=1)
    other = ordered(
        inputs, errorExpression='=if error.code = "REPLY_TIMEOUT" then bpmnError("LIMIT") else null', retries=1
    )
    performed(job)
    performed(other)
    time.sleep(0.1)
    sweep_once()
    assert "none came" in Incident.objects.get(instance=job.instance_id).message
    assert state_of(other)[0] == "COMPLETED"


def test_who_dies_before_the_hand_over_loses_the_job_with_its_lease(rabbit: Rabbit) -> None:
    job = ordered({"queue": rabbit.queue("orders"), "replyTo": rabbit.queue("answers")})
    claimed = jobs.claim_one(job.pk, worker="dying", lease=timedelta(milliseconds=10))
    assert claimed is not None
    replies.expect(claimed, "x", channel="answers", until=timezone.now() + timedelta(hours=1))
    time.sleep(0.05)
    sweep_once()
    job.refresh_from_db()
    assert (job.state, "dying was silent" in job.error_message) == ("DUE", True)
    assert replies.receive("x", Responded({"body": 1}), channel="answers") == "late"


def test_cancelled_meanwhile(rabbit: Rabbit) -> None:
    job = ordered({"queue": rabbit.queue("orders"), "replyTo": rabbit.queue("answers")})
    performed(job)
    instances.cancel(job.instance_id)
    row = AwaitedReply.objects.get()
    assert replies.receive(row.correlation_id, Responded({"body": 1}), channel="answers") == "late"
    AwaitedReply.objects.update(closed_at=timezone.now() - timedelta(days=2))
    assert replies.forget() == 1


def test_no_reply_queue_no_message(rabbit: Rabbit) -> None:
    orders = rabbit.queue("orders")
    done = performed(ordered({"queue": orders, "replyTo": rabbit.queue("answers", make=False)}))
    assert done.decision == "retry"
    assert rabbit.count(orders) == 0
    assert not AwaitedReply.objects.exists()


def test_an_id_that_another_job_waits_under(rabbit: Rabbit) -> None:
    inputs = {"queue": rabbit.queue("orders"), "replyTo": rabbit.queue("answers"), "correlationId": "the-same"}
    assert performed(ordered(inputs)).decision == "awaiting"
    done = performed(ordered(inputs))
    assert (done.decision, "the-same" in done.message) == ("failed", True)


def test_a_message_that_could_not_be_sent_is_tried_again(rabbit: Rabbit) -> None:
    job = ordered({"queue": rabbit.queue("orders", make=False), "replyTo": rabbit.queue("answers")})
    assert performed(job).decision == "retry"
    assert Step.objects.get(command="FailJob").journal["request"]["messageId"]


# -- consumers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_a_consumer_that_is_killed_with_a_message_in_hand(
    broker: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if broker == "rabbitmq":
        rabbit: Rabbit = request.getfixturevalue("rabbit")
        answers, url = rabbit.queue("answers"), AMQP
        job = ordered({"queue": rabbit.queue("orders"), "replyTo": answers})
    else:
        redis, stream = request.getfixturevalue("redis"), request.getfixturevalue("stream")
        answers, url = stream("answers"), REDIS
        job = ordered({"stream": stream("orders"), "replyTo": answers}, url=url)
    performed(job)
    correlation_id = AwaitedReply.objects.get().correlation_id
    if broker == "redis":
        monkeypatch.setattr("tasks.listeners.CLAIM_IDLE_SECONDS", 1.0)
    command = ["manage.py", "consume_replies", "--no-inbound", "--from", f"{url}#{answers}"]
    with program(tmp_path / "first.log", *command, ready="Listening to") as first, transaction.atomic():
        # While we hold the row, the consumer hangs between the message and the commit.
        AwaitedReply.objects.select_for_update().get()
        AwaitedReply.objects.update(attempt=job.attempt + 1)
        if broker == "rabbitmq":
            rabbit.put(answers, '"done"', correlation_id=correlation_id)
            eventually(lambda: rabbit.count(answers) == 0)
        else:
            redis.xadd(answers, {"body": '"done"', "correlation_id": correlation_id})
            eventually(lambda: redis.xpending(answers, "orchestrator")["pending"] == 1)
        time.sleep(0.2)
        first.kill()
    assert waiting(job)
    with consuming(f"{url}#{answers}"):
        assert ended(job) == ("COMPLETED", {"answer": "done"})
        if broker == "rabbitmq":
            eventually(lambda: rabbit.count(answers) == 0)
        else:
            eventually(lambda: redis.xpending(answers, "orchestrator")["pending"] == 0)


@pytest.mark.parametrize("broker", ["rabbitmq", "redis"])
def test_what_nobody_can_read_is_parked(broker: str, request: pytest.FixtureRequest) -> None:
    if broker == "rabbitmq":
        rabbit: Rabbit = request.getfixturevalue("rabbit")
        answers = rabbit.queue("answers")
        rabbit.put(answers, "whose?")
        with consuming(f"{AMQP}#{answers}"):
            dead = eventually(lambda: rabbit.get(f"{answers}.dead"))
        assert "correlation id" in dead.properties["application_headers"]["x-parked-because"]
        assert dead.body in ("whose?", b"whose?")
        assert rabbit.count(answers) == 0
    else:
        redis, stream = request.getfixturevalue("redis"), request.getfixturevalue("stream")
        answers = stream("answers")
        redis.xadd(answers, {"body": "whose?"})
        with consuming(f"{REDIS}#{answers}"):
            ((_, fields),) = eventually(lambda: redis.xrange(f"{answers}.dead"))
        assert b"correlation id" in fields[b"parked_because"]
        assert redis.xlen(answers) == 0


def test_a_body_that_is_not_what_it_says_fails_the_attempt_for_good(rabbit: Rabbit) -> None:
    answers = rabbit.queue("answers")
    job = ordered({"queue": rabbit.queue("orders"), "replyTo": answers})
    performed(job)
    rabbit.put(answers, "{", correlation_id=AwaitedReply.objects.get().correlation_id)
    with consuming(f"{AMQP}#{answers}"):
        eventually(lambda: Incident.objects.exists())
    assert "not JSON" in Incident.objects.get().message


def test_a_broken_connection_is_opened_again(rabbit: Rabbit) -> None:
    answers = rabbit.queue("answers")
    job = ordered({"queue": rabbit.queue("orders"), "replyTo": answers})
    performed(job)
    correlation_id = AwaitedReply.objects.get().correlation_id
    links: list[Any] = []
    from tasks import listeners

    real: Callable[..., Any] = listeners.connect

    def remembered(*arguments: Any, **options: Any) -> Any:
        links.append(real(*arguments, **options))
        return links[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(listeners, "connect", remembered)
        with consuming(f"{AMQP}#{answers}"):
            import socket

            links[0].connection.transport.sock.shutdown(socket.SHUT_RDWR)
            rabbit.put(answers, '"still"', correlation_id=correlation_id)
            assert ended(job) == ("COMPLETED", {"answer": "still"})
    assert len(links) > 1


def test_a_database_that_is_away_is_waited_for(rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db import OperationalError

    answers = rabbit.queue("answers")
    job = ordered({"queue": rabbit.queue("orders"), "replyTo": answers})
    performed(job)
    real, tries = replies.receive, threading.Semaphore(2)

    def away(*arguments: Any, **options: Any) -> Any:
        if tries.acquire(blocking=False):
            raise OperationalError("the database is away")
        return real(*arguments, **options)

    monkeypatch.setattr(replies, "receive", away)
    rabbit.put(answers, "1", correlation_id=AwaitedReply.objects.get().correlation_id)
    with consuming(f"{AMQP}#{answers}"):
        assert ended(job) == ("COMPLETED", {"answer": 1})
    assert rabbit.count(f"{answers}.dead") == 0
    assert connection.vendor


def test_a_dead_letter_that_cannot_be_parked_is_delivered_again(
    rabbit: Rabbit, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.listeners import Listener

    answers = rabbit.queue("answers")
    real, tries = Listener._park, threading.Semaphore(1)

    def slow(*arguments: Any) -> None:
        if tries.acquire(blocking=False):
            raise TimeoutError("no confirmation")
        real(*arguments)

    monkeypatch.setattr(Listener, "_park", slow)
    with consuming(f"{AMQP}#{answers}"):
        rabbit.put(answers, "whose?")
        assert eventually(lambda: rabbit.get(f"{answers}.dead"))
    assert rabbit.count(answers) == 0
