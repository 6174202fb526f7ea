"""Documents, as connectors see them: bytes with a name and a type, kept by whoever runs the connector.

A variable holds a *reference*, a JSON object as Camunda 8 has it; `Job.documents` turns bytes into one and one into
bytes. Where connectors take content as text or base64, they take a reference too.

    reference = job.documents.store(pdf, "application/pdf", "invoice.pdf")
    found = job.documents.fetch(job.variables["invoice"])
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

TYPE = "camunda.document.type"
"""The member by which a reference is known."""


@dataclass(frozen=True, slots=True)
class Document:
    content: bytes = field(repr=False)
    content_type: str
    file_name: str


class Documents(Protocol):
    """Where a job keeps its documents, and finds those that references mean."""

    @property
    def limit(self) -> int:
        """The most bytes of one document."""

    def store(self, content: bytes, content_type: str = "", file_name: str = "") -> Mapping[str, Any]:
        """Keep it with the instance of the job; the reference to it. The same again is the same document.

        Raises `JobError`, code ``DOCUMENT_TOO_LARGE`` and not retryable, beyond the limit.
        """

    def fetch(self, reference: Mapping[str, Any]) -> Document:
        """Raises `JobError`, not retryable, code ``DOCUMENT_NOT_FOUND``, or ``INVALID_INPUT`` for what is none."""


def is_reference(value: Any) -> bool:
    """Whether a value is a reference to a document, or pretends to be one."""
    return isinstance(value, Mapping) and TYPE in value
