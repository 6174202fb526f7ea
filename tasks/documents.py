"""The documents of one attempt: what connectors call `job.documents`, over the store of the runtime.

Names and types are masked like all else that comes back from an attempt. The content is data and stays as it is, or it
would be another document than the one that was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from processes.runtime import Rejected, documents
from processes.runtime.jobs import ClaimedJob
from tasks.concealment import Concealment
from tasks.connectors.base import JobError
from tasks.connectors.documents import Document

T = TypeVar("T")

CODES = {
    "document-too-large": "DOCUMENT_TOO_LARGE",
    "document-not-found": "DOCUMENT_NOT_FOUND",
    "document-invalid": "INVALID_INPUT",
}
"""What the model sees of a refusal. Any other is about whose turn it is, and ends the attempt."""


@dataclass(frozen=True, slots=True)
class KeptDocuments:
    """`ask` asks the database, patiently: a service must not be called again because an answer could not be kept."""

    job: ClaimedJob
    concealment: Concealment
    ask: Callable[[Callable[[], Any]], Any]

    @property
    def limit(self) -> int:
        return documents.limit()

    def store(self, content: bytes, content_type: str = "", file_name: str = "") -> Mapping[str, Any]:
        hide = self.concealment.text
        names = hide(content_type), hide(file_name)
        return self._asked(
            lambda: documents.reference(documents.store(self.job.id, self.job.attempt, bytes(content), *names))
        )

    def fetch(self, reference: Mapping[str, Any]) -> Document:
        row = self._asked(lambda: documents.fetch(reference))
        return Document(bytes(row.content), row.content_type, row.file_name)

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            found: T = self.ask(ask)
        except Rejected as rejected:
            if rejected.code not in CODES:
                raise
            raise JobError(str(rejected), retryable=False, code=CODES[rejected.code]) from rejected
        return found
