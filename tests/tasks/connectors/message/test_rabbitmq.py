"""Publishing to RabbitMQ: what arrives is what was asked for, and what does not arrive is an error."""

from __future__ import annotations

import json
import os
import threading
from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.base import Connection
from tasks.connectors.outbound import AddressRefused
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.message.conftest import AMQP, CONNECTOR, Rabbit, failure, send


def test_a_message_arrives_as_it_was_asked_for(rabbit: Rabbit) -> None:
    queue = rabbit.queue()
    response = send(
        queue=queue,
        body={"amount": Decimal("1.10"), "name": "Žofie"},
        headers={"tenant": "north", "number": 7, "price": Decimal("1.5"), "yes": True},
        properties={"priority": "3", "type": "order", "expiration": 60000, "appId": "shop", "timestamp": 1700000000},
    )
    assert response["messageId"] == "job-7-key"
    assert response["statusResult"] == "success"
    message = rabbit.get(queue)
    assert message.body in ('{"amount":1.10,"name":"Žofie"}', '{"amount":1.10,"name":"Žofie"}'.encode())
    told = message.properties
    assert told["application_headers"] == {"tenant": "north", "number": 7, "price": "1.5", "yes": True}
    assert told["message_id"] == "job-7-key"
    assert told["content_type"] == "application/json"
    assert (told["delivery_mode"], told["priority"], told["type"], told["app_id"]) == (2, 3, "order", "shop")
    assert told["expiration"] == "60000"
    assert response.silent
    assert response.journal["request"]["body"] == '{"amount":1.10,"name":"Žofie"}'
    assert "guest:" not in str(response.journal)


def test_by_exchange_and_routing_key_not_persistent(rabbit: Rabbit) -> None:
    exchange, queue = rabbit.exchange(), rabbit.queue()
    rabbit.channel.queue_bind(queue, exchange, "orders.#")
    send(exchange=exchange, routingKey="orders.new", body="hello", persistent=False, correlationId="c", replyTo="r")
    message = rabbit.get(queue)
    assert message.body == "hello"
    told = message.properties
    assert (told["delivery_mode"], told["content_type"], told["correlation_id"], told["reply_to"]) == (
        1, "text/plain", "c", "r",
    )  # fmt: skip


@pytest.mark.parametrize("how", ["uri", "credentials"])
def test_the_inputs_of_camundas_connector(rabbit: Rabbit, how: str) -> None:
    exchange, queue = rabbit.exchange(), rabbit.queue()
    rabbit.channel.queue_bind(queue, exchange, "key")
    routing: dict[str, Any] = {"exchange": exchange, "routingKey": "key"}
    if how == "uri":
        authentication = {"authType": "uri", "uri": AMQP}
    else:
        authentication = {"authType": "credentials", "userName": "guest", "password": "guest"}
        routing |= {"hostName": "127.0.0.1", "port": "5672", "virtualHost": "/"}
    variables = {
        "authentication": authentication,
        "routing": routing,
        "message": {"properties": {"headers": {"a": "b"}, "contentType": "text/plain"}, "body": {"x": 1}},
    }
    CONNECTOR.run(make_job(type="io.camunda:connector-rabbitmq:1", variables=variables))
    message = rabbit.get(queue)
    assert json.loads(message.body) == {"x": 1}
    assert message.properties["application_headers"] == {"a": "b"}
    assert message.properties["content_type"] == "text/plain"


def test_what_no_queue_takes_is_an_error(rabbit: Rabbit) -> None:
    error = failure(queue=rabbit.queue("nowhere", make=False), body="x")
    assert (error.code, error.retryable) == ("UNROUTABLE", True)
    assert error.journal["request"]["body"] == "x"
    exchange = rabbit.exchange()
    assert failure(exchange=exchange, routingKey="nobody").code == "UNROUTABLE"
    send(exchange=exchange, routingKey="nobody", mandatory=False)
    # The same connection still serves.
    queue = rabbit.queue()
    send(queue=queue, body="y")
    assert rabbit.count(queue) == 1


def test_an_exchange_that_is_not_there(rabbit: Rabbit, prefix: str) -> None:
    error = failure(exchange=f"{prefix}.none", routingKey="x")
    assert (error.code, error.retryable) == ("NOT_FOUND", True)
    send(queue=rabbit.queue())


def test_a_queue_that_is_full_refuses(rabbit: Rabbit) -> None:
    queue = rabbit.queue(**{"x-max-length": 1, "x-overflow": "reject-publish"})
    send(queue=queue, body="first")
    error = failure(queue=queue, body="second")
    assert (error.code, error.retryable) == ("NACKED", True)
    assert rabbit.count(queue) == 1


def test_a_wrong_password_is_told_without_it(amqp: Any) -> None:
    url = AMQP.replace("guest:guest", "guest:hunter2hunter2")
    error = failure(url, queue="q")
    assert (error.code, error.retryable) == ("ACCESS_REFUSED", False)
    assert "hunter2" not in error.message + str(error.journal)


def test_nobody_listens() -> None:
    error = failure("amqp://127.0.0.1:1//", queue="q", timeoutInSeconds=2)
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)


def test_a_broker_that_says_nothing_costs_no_longer_than_was_said() -> None:
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as server:
        began = time.monotonic()
        error = failure(f"amqp://127.0.0.1:{server.getsockname()[1]}//", queue="q", timeoutInSeconds="0.5")
        assert time.monotonic() - began < 15, "the lease is longer"
    assert error.retryable


def test_a_kept_connection_that_died_is_replaced(rabbit: Rabbit) -> None:
    queue = rabbit.queue()
    send(queue=queue, body="1")
    (kept,) = [each for broker, each in CONNECTOR._rabbitmq._mine.shelf.kept.items() if not broker.tls][-1:]
    kept.connection.connection.transport.sock.close()
    send(queue=queue, body="2")
    assert rabbit.count(queue) == 2


def test_threads_have_connections_of_their_own(rabbit: Rabbit) -> None:
    queue = rabbit.queue()
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                send(queue=queue, body="x")
        except BaseException as problem:  # noqa: BLE001 - shown below
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert rabbit.count(queue) == 40


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_forked_process_leaves_the_connection_of_its_parent_alone(rabbit: Rabbit) -> None:
    queue = rabbit.queue()
    send(queue=queue, body="before")
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child
        try:
            send(queue=queue, body="child")
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    send(queue=queue, body="after")
    assert [rabbit.get(queue).body for _ in range(3)] == ["before", "child", "after"]


def test_the_broker_of_a_connection(rabbit: Rabbit) -> None:
    queue = rabbit.queue()
    host = AMQP.rsplit("@", 1)[-1]
    given: dict[str, Any] = {"name": "mq", "url": f"amqp://{host}"}
    guest = {"username": "guest", "password": "guest"}
    allowed = Connection(**given, authentication=guest, allow_private=True)
    CONNECTOR.run(make_job(variables={"queue": queue, "body": "x"}, connection=allowed))
    assert rabbit.count(queue) == 1
    for refused in (
        Connection(**given, authentication=guest),
        Connection(**given, authentication=guest, allow_private=True, allowed_hosts=("mq.example",)),
    ):
        with pytest.raises(AddressRefused):
            CONNECTOR.run(make_job(variables={"queue": queue}, connection=refused))
    with pytest.raises(AddressRefused):
        CONNECTOR.run(make_job(variables={"queue": queue, "url": AMQP}, allow_private=False))
    with pytest.raises(Exception, match="beside the connection"):
        CONNECTOR.run(make_job(variables={"queue": queue, "url": AMQP}, connection=allowed))
