"""The HTTP and SOAP connectors of Camunda 7, so that its models run here: job types ``http-connector`` and
``soap-http-connector``, which are what a ``camunda:connector`` becomes.

| Input | |
|---|---|
| `url` | required |
| `method` | required by ``http-connector``; ``soap-http-connector`` always posts |
| `headers` | a map |
| `payload` | text; of a SOAP connector the envelope, which the model writes itself |
| `config` | a map; `connection-timeout`, `socket-timeout` (milliseconds) and `throw-http-error` are read |

Response: ``{"statusCode": 200, "headers": {...}, "response": "..."}``; the response is text, whatever it is. A
status of 4xx or 5xx is a response too, unless the option `throw-http-error` says that it is an error. What else can go
wrong is what can go wrong with the HTTP connector, by which the call is made: see `http`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from tasks.connectors.base import Job, JobError, Response
from tasks.connectors.declared import Input, read
from tasks.connectors.http import HttpConnector
from tasks.connectors.inputs import invalid

OPTIONS = ("connection-timeout", "connection-request-timeout", "socket-timeout", "throw-http-error")
URL = Input("url", required=True, help="http or https; relative to that of the connection, where there is one.")
REST = (
    Input("headers", "context", help="Text, numbers and booleans by their names."),
    Input("payload", "any", help="The body: text as it is; anything else as JSON."),
    Input("config", "context", fields=OPTIONS, help="Options of the call: timeouts in milliseconds, throw-http-error."),
)


class Camunda7HttpConnector:
    """Job type ``http-connector``."""

    type = "http-connector"
    method = ""
    inputs: tuple[Input, ...] = (URL, Input("method", required=True, help="GET, POST, ..."), *REST)

    def __init__(self) -> None:
        self._http = HttpConnector()

    def run(self, job: Job) -> Response:
        """Make the call. Raises `JobError` where there was no answer, or an error that the options want raised."""
        # What the activity maps for itself is local too, so names that nobody knows are no mistake.
        given = read(job.variables, self.inputs, closed=False)
        options: Mapping[str, Any] = given["config"] or {}
        call = {
            "url": given["url"],
            "method": self.method or str(given["method"]).upper(),
            "headers": given["headers"],
            "body": given["payload"],
            "documentReturnFormat": {"choice": "TEXT"},
            "connectionTimeoutInSeconds": _seconds(options, "connection-timeout"),
            "readTimeoutInSeconds": _seconds(options, "socket-timeout"),
        }
        called = dataclasses.replace(job, variables={name: value for name, value in call.items() if value is not None})
        try:
            answer = self._http.run(called)
        except JobError as error:
            response = error.details.get("response")
            if str(options.get("throw-http-error", "")).lower() == "true" or not isinstance(response, Mapping):
                raise
            return _response(response, error.journal)
        return _response(answer.body, answer.journal)


class Camunda7SoapConnector(Camunda7HttpConnector):
    """Job type ``soap-http-connector``."""

    type = "soap-http-connector"
    method = "POST"
    inputs = (URL, *REST)


def _seconds(options: Mapping[str, Any], name: str) -> float | None:
    value = options.get(name)
    if value in (None, ""):
        return None
    try:
        return float(value) / 1000
    except (TypeError, ValueError):
        raise invalid(f"Expected milliseconds for `{name}` in `config`, but found {value!r:.60}") from None


def _response(answer: Mapping[str, Any], journal: Mapping[str, Any]) -> Response:
    body = {"statusCode": answer["status"], "headers": answer["headers"], "response": answer.get("body")}
    return Response(body, journal)
