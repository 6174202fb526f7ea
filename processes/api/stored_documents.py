"""Documents over REST: the binary results of jobs, with their content; and how an external worker stores one.

A worker who holds a job stores documents for its instance, and reads those whose references it was given: the hash in
a reference proves that, so neither takes more than the permission to work.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from django.http import HttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins, parsers, serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ParseError, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

from processes.api.documents import document
from processes.api.parts import Part, documented
from processes.api.permissions import ModelPermissions
from processes.api.rendering import Fixed
from processes.api.rows import Door
from processes.api.schema import problems
from processes.api.shapes import Id, Input, Shown, Text, Variables
from processes.models import Document
from processes.runtime import documents, payload

FORM_EXTRA = 64 * 1024
"""Bytes that a form may have beside its file."""
WORK = "processes.change_job"


class Reference(Variables):
    def to_representation(self, value: Any) -> Any:
        return documents.reference(value)


class DocumentRow(Shown):
    """A document, without its content."""

    instance_id = serializers.IntegerField(read_only=True, help_text="Of the process instance that it belongs to.")
    digest = serializers.CharField(read_only=True, help_text="SHA-256 of the content, in hex.")
    reference = Reference(source="*", read_only=True, help_text="What a variable holds of it.")

    class Meta:
        model = Document
        fields = ["id", "instance_id", "file_name", "content_type", "size", "digest", "created_at", "reference"]
        read_only_fields = fields


class Query(Input):
    job = Id(help_text="Id of the job that the caller holds.")
    attempt = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="As claimed.")
    file_name = Text(required=False, allow_blank=True, help_text="Of a document that is sent as the body.")


class DocumentForm(Input):
    """A document as a form."""

    file = serializers.FileField(allow_empty_file=True, help_text="With its name and content type.")


class AnyBody(parsers.BaseParser):
    """The body as it is."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        _check_length(parser_context, documents.limit())
        body = stream.read(documents.limit() + 1)
        if len(body) > documents.limit():
            raise documents.too_large()
        return body


class Form(parsers.MultiPartParser):
    media_type = "multipart/form-data"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        # Nobody reads beyond the length that a request states; large files go to the disk meanwhile.
        _check_length(parser_context, documents.limit() + FORM_EXTRA)
        return super().parse(stream, media_type, parser_context)


class WorkersToo(ModelPermissions):
    """As always; but storing is work, and so is reading what one was given a reference to. Who has neither the work nor
    the right to payload sees that there are documents, and not what is in them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        doing = getattr(view, "action", None)
        if doing == "create":
            return bool(request.user and request.user.is_authenticated and request.user.has_perm(WORK))
        if doing == "content" and "content_hash" in request.query_params and request.user.has_perm(WORK):
            return True
        if doing == "content" and not (request.user and request.user.has_perm(payload.RIGHT)):
            return False
        return super().has_permission(request, view)


@extend_schema(tags=["documents"])
@extend_schema_view(retrieve=extend_schema(summary="Show a document", description="Without its content."))
class Documents(mixins.RetrieveModelMixin, Door):
    queryset = Document.objects.defer("content")
    serializer_class = DocumentRow
    permission_classes = [WorkersToo]
    parser_classes = [Form, AnyBody]
    word = "document"

    @extend_schema(
        summary="Store a document",
        description=(
            "For the instance of a job that the caller holds. The document is the form field `file`, with its name and "
            "content type, or the body as it is, with those of the request. Result variables may hold the `reference` "
            "of the answer. A body in chunks, without a Content-Length, is refused. Who stores the same for an "
            "instance again gets the document that is there."
        ),
        parameters=[
            OpenApiParameter("job", int, required=True, description="Id of the job that the caller holds."),
            OpenApiParameter("attempt", int, required=True, description="As claimed."),
            OpenApiParameter("file_name", str, description="Of a document that is sent as the body."),
        ],
        request={"multipart/form-data": DocumentForm, "application/octet-stream": OpenApiTypes.BINARY},
        responses={201: OpenApiResponse(DocumentRow, description="It is stored."), **problems(404, 409, 413)},
        examples=[
            OpenApiExample(
                "A drawing",
                response_only=True,
                status_codes=["201"],
                value={
                    "id": 5,
                    "instance_id": 12,
                    "file_name": "plan.png",
                    "content_type": "image/png",
                    "size": 48211,
                    "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "created_at": "2030-01-31T12:00:00Z",
                    "reference": {
                        "camunda.document.type": "camunda",
                        "storeId": "database",
                        "documentId": "5",
                        "contentHash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                        "metadata": {"contentType": "image/png", "fileName": "plan.png", "size": 48211},
                    },
                },
            )
        ],
    )
    def create(self, request: Request) -> Response:
        asked = self.ask(Query, dict(request.query_params.items()))
        content, content_type, file_name = self._sent(request, asked)
        stored = documents.store(asked["job"], asked["attempt"], content, content_type, file_name)
        here = reverse("document-detail", [stored.pk], request=request)
        return Response(DocumentRow(stored).data, status.HTTP_201_CREATED, headers={"Location": here})

    def _sent(self, request: Request, asked: dict[str, Any]) -> tuple[bytes, str, str]:
        if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("CONTENT_LENGTH"):
            # Nobody reads such a body here: it would be stored as an empty one.
            raise ParseError("Expected a body with a Content-Length but found one in chunks.")
        if isinstance(request.data, bytes):
            return request.data, request.content_type or "", asked.get("file_name", "")
        if not request.data and not request.FILES:
            return b"", request.content_type or "", asked.get("file_name", "")  # REST framework parses no empty body
        file = self.ask(DocumentForm)["file"]
        if file.size > documents.limit():
            raise documents.too_large()
        if "file_name" in asked:
            raise ValidationError({"file_name": ["Expected none beside a form, which names its file."]})
        return file.read(), file.content_type or "", file.name

    @extend_schema(
        summary="Take the content of a document",
        description="Always as an attachment, byte for byte as it was stored. `ETag` is its SHA-256.",
        parameters=[
            OpenApiParameter(
                "content_hash",
                str,
                description=(
                    "The `contentHash` of a reference. Where it is not that of the document: 404. Workers, who may not "
                    "see documents in general, show with it that they were given this one."
                ),
            )
        ],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 304: OpenApiResponse(description="Known.")},
    )
    @action(detail=True, content_negotiation_class=Fixed)
    def content(self, request: Request, pk: str) -> HttpResponse:
        row: Document = self.get_object()
        if request.query_params.get("content_hash", row.digest) != row.digest:
            raise NotFound(f"There is no document {pk} with this content.", code="document-not-found")
        etag = f'"{row.digest}"'
        known = get_conditional_response(request._request, etag=etag)
        if known is not None:
            return known
        answer = document(bytes(row.content), row.content_type, row.file_name, download=True)
        answer["Content-Disposition"] = content_disposition_header(True, row.file_name) or "attachment"
        answer["ETag"] = etag
        return answer


@documented("List the documents of an instance", "Oldest first, without their content.")
class InstanceDocuments(Part):
    queryset = Document.objects.defer("content")
    serializer_class = DocumentRow


def _check_length(parser_context: Mapping[str, Any] | None, limit: int) -> None:
    request = (parser_context or {}).get("request")
    if request is not None and int(request.META.get("CONTENT_LENGTH") or 0) > limit:
        raise documents.too_large()
