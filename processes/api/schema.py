"""What the OpenAPI document says of errors: every operation names the problems that it can answer.

The problems that are the same everywhere (401, 403, 404 ...) are added to all operations by `add_problems`, a
post-processing hook; those that belong to a verb (409, 422) stand at the verb, through `problems`.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from drf_spectacular.extensions import OpenApiAuthenticationExtension, OpenApiSerializerExtension
from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from processes.api.errors import CONTENT_TYPE
from processes.api.shapes import choices_of
from processes.models import Connection, FlowNodeInstance, InboundBinding, Incident, Job, ProcessInstance

INSTANCE_STATES = choices_of(ProcessInstance, "state")
NODE_STATES = choices_of(FlowNodeInstance, "state")
JOB_STATES = choices_of(Job, "state")
CONNECTION_KINDS = choices_of(Connection, "kind")
INBOUND_KINDS = choices_of(InboundBinding, "kind")
INCIDENT_KINDS = choices_of(Incident, "kind")

SUMMARIES = {
    400: "The request is malformed or does not validate: `errors` has an entry for each field.",
    401: "Nobody said who asks, or the token is not valid.",
    403: "Whoever asks may not do this.",
    404: "It does not exist.",
    405: "The address does not know this method.",
    406: "The answer exists in no format that is accepted.",
    409: "The state does not allow it, such as a job that is someone else's turn; `code` says why.",
    413: "The body is too large.",
    415: "The body has a media type that is not read here.",
    422: "The values are well-formed but cannot be; for a model, `problems` has an entry for each finding.",
    500: "Something went wrong on our side; `instance` is in the log.",
    503: "Not now: ask again after `Retry-After` seconds.",
}


class FieldError(serializers.Serializer[Any]):
    """What is wrong with one field."""

    field = serializers.CharField(help_text="Its name, nested ones joined with dots; empty: the body as a whole.")
    code = serializers.CharField(help_text="Stable, such as `required` or `unknown-field`.")
    message = serializers.CharField(help_text="For people.")


class ModelProblem(serializers.Serializer[Any]):
    """A finding about a BPMN model."""

    rule = serializers.CharField(help_text="Stable, such as `unknown-reference`.")
    severity = serializers.CharField(help_text="`error`: not deployed. `warning`: deployed, but look at it.")
    line = serializers.IntegerField(help_text="In the document, from 1; 0 where unknown.")
    element = serializers.CharField(help_text="Id of the BPMN element; empty where it has none.")
    message = serializers.CharField(help_text="What was expected and what was found.")


class ProblemDocument(serializers.Serializer[Any]):
    """RFC 9457. Programs decide by `code`."""

    type = serializers.CharField(help_text="`urn:orchestrator:problem:` and the code.")
    title = serializers.CharField(help_text="Name of the HTTP status.")
    status = serializers.IntegerField(help_text="The HTTP status.")
    detail = serializers.CharField(help_text="What went wrong this time, for people.")
    code = serializers.CharField(help_text="Stable name of what went wrong.")
    instance = serializers.CharField(required=False, help_text="Where it went wrong.")
    errors = FieldError(  # type: ignore[assignment]
        many=True, required=False, help_text="With code `invalid`: one entry for each field."
    )
    problems = ModelProblem(many=True, required=False, help_text="With code `model-invalid`: the findings.")


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Entries for ``extend_schema(responses=...)``."""
    return {
        (status, CONTENT_TYPE): OpenApiResponse(ProblemDocument, description=SUMMARIES[status]) for status in statuses
    }


def add_problems(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Post-processing hook: the problems that any operation can answer."""
    for path, operations in result["paths"].items():
        for method, operation in operations.items():
            statuses = {405, 500, 503}
            if operation.get("security") != [{}]:
                statuses |= {401, 403}
            if "{" in path:
                statuses.add(404)
            if any(parameter["in"] == "query" for parameter in operation.get("parameters", [])):
                statuses.add(400)
            if "requestBody" in operation or method in ("post", "patch", "put"):
                statuses |= {400, 413, 415}
            if any("json" in kind for reply in operation["responses"].values() for kind in reply.get("content", {})):
                statuses.add(406)
            for status in sorted(statuses):
                operation["responses"].setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
            operation["responses"] = dict(sorted(operation["responses"].items()))
    result.setdefault("components", {})["responses"] = {
        f"Problem{status}": {
            "description": summary,
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
        }
        for status, summary in SUMMARIES.items()
    }
    return result


class InputExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """A name that a body does not know is an error, and the schema says so."""

    target_class = "processes.api.shapes.Input"
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return {**schema, "additionalProperties": False}


class TokenScheme(KnoxTokenScheme):  # type: ignore[no-untyped-call]
    target_class = "processes.api.authentication.TokenAuthentication"
    name = "token"


class BasicScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "processes.api.authentication.BasicAuthentication"
    name = "password"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "basic"}
