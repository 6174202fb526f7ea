"""The inputs of the message connector: their names, kinds and defaults. What they mean stands where they are read."""

from __future__ import annotations

from tasks.connectors.declared import Input

DEFAULT_TIMEOUT = 20.0

MODES = {"acknowledge": False, "fireAndForget": False, "reply": True, "waitForReply": True}

PROPERTIES = {
    "contentType": "content_type",
    "contentEncoding": "content_encoding",
    "deliveryMode": "delivery_mode",
    "priority": "priority",
    "correlationId": "correlation_id",
    "replyTo": "reply_to",
    "expiration": "expiration",
    "messageId": "message_id",
    "timestamp": "timestamp",
    "type": "type",
    "userId": "user_id",
    "appId": "app_id",
}
"""AMQP's properties under Camunda's names; headers are read apart."""

INPUTS = (
    Input("url", secret=True, help="amqp, amqps, redis or rediss, where the task names no connection."),
    Input("queue", help="RabbitMQ: the default exchange with this routing key."),
    Input("exchange", help="RabbitMQ: where to, with the routing key."),
    Input("routingKey", help="RabbitMQ: see the exchange."),
    Input("stream", help="Redis: where to."),
    Input("maxLength", "integer", help="Redis: about how many entries the stream keeps."),
    Input("body", "any", help="Text as it is; anything else as JSON."),
    Input("contentType", help="Of the body: application/json, or text/plain for text."),
    Input("headers", "context", help="Text, numbers and booleans by their names."),
    Input("properties", "context", fields=(*PROPERTIES, "headers"), help="RabbitMQ: those of AMQP."),
    Input("persistent", "boolean", help="RabbitMQ: whether it outlives the broker; true unless it says otherwise."),
    Input("mandatory", "boolean", help="RabbitMQ: whether some queue must take it; true unless it says otherwise."),
    Input("messageId", help="The idempotency key of the job unless given."),
    Input("mode", choices=tuple(MODES), default="acknowledge", help="What is waited for: the broker, or a reply."),
    Input("replyTo", help="Of a reply: queue or stream that is consumed."),
    Input("correlationId", help="Of a reply: an id of this attempt unless given."),
    Input("replyTimeoutInSeconds", "number", help="Of a reply: 300 unless given, at most 30 days."),
    Input("timeoutInSeconds", "seconds", default=DEFAULT_TIMEOUT, help="For connecting, sending and confirmation."),
    Input(
        "authentication",
        "context",
        fields=("authType", "uri", "userName", "password"),
        help="Camunda's: a uri, or userName and password for what routing names.",
    ),
    Input(
        "routing",
        "context",
        fields=("exchange", "routingKey", "virtualHost", "hostName", "port"),
        help="Camunda's: the broker and where to.",
    ),
    Input("message", "context", fields=("properties", "body"), help="Camunda's: properties and body."),
)
