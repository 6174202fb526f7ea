"""Documents: the only hand that stores them, and what hands them out.

A process variable holds a *reference*, a plain JSON value of the shape that Camunda 8 gives it, so that expressions can
hand it on, to another instance too. Whoever shows a reference proves with its `contentHash` that it was given one: the
numbers of documents can be guessed. A document belongs to the instance whose job stored it and is purged with it;
nothing else deletes one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from processes.engine.errors import Rejected
from processes.engine.parts import JobState
from processes.models import Document, Job
from processes.runtime import values
from processes.runtime.claims import not_claimed

TYPE = "camunda.document.type"
STORE = "database"
UNKNOWN_TYPE = "application/octet-stream"
LONGEST_NAME = 255

_CONTENT_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}(\s*;[\x20-\x7e]{0,50})?", re.ASCII)
_UNFIT = re.compile(r"[\x00-\x1f\x7f]")


def limit() -> int:
    """The most bytes that a document may have."""
    return int(settings.ORCHESTRATOR["DOCUMENT_BYTES"])


def store(job_id: int, attempt: int, content: bytes, content_type: str = "", file_name: str = "") -> Document:
    """Keep a document for the instance of a job that this attempt holds; the same twice is kept once.

    A content type that is none becomes that of unknown bytes; of a path, the last part is the name. Raises `Rejected`:
    ``job-not-found``, ``job-not-claimed``, ``document-too-large``.
    """
    if len(content) > limit():
        raise too_large()
    name = _name(file_name)
    found = Job.objects.filter(pk=job_id).values_list("instance_id", "state", "attempt", "worker").first()
    if found is None:
        raise not_claimed(job_id, attempt, None)
    instance_id, state, now, worker = found
    if state != JobState.CLAIMED.value or now != attempt:
        raise not_claimed(job_id, attempt, (state, now, worker))
    same = {
        "instance_id": instance_id,
        "digest": hashlib.sha256(content).hexdigest(),
        "content_type": content_type if _CONTENT_TYPE.fullmatch(content_type) else UNKNOWN_TYPE,
        "file_name": name,
    }
    row = Document(**same, size=len(content), content=content, created_at=timezone.now())
    try:
        # One statement, so that two who store the same at once meet in the constraint.
        Document.objects.bulk_create([row], ignore_conflicts=True)
    except IntegrityError:
        raise not_claimed(job_id, attempt, None) from None  # its instance was deleted meanwhile
    return Document.objects.defer("content").get(**same)


def fetch(reference: Mapping[str, Any]) -> Document:
    """The document that a reference means, with its content.

    Raises `Rejected`: ``document-not-found``, ``document-invalid`` where it is no reference of this store.
    """
    number, digest = reference.get("documentId"), reference.get("contentHash")
    if reference.get(TYPE) != "camunda" or not isinstance(number, str) or not isinstance(digest, str):
        wanted = f"`{TYPE}` camunda, `documentId` and `contentHash`"
        raise Rejected(
            "document-invalid", f"Expected a reference to a document, with {wanted}, but found another value"
        )
    if reference.get("storeId") != STORE:
        raise Rejected("document-invalid", f"Expected a document of the store {STORE}, but found one of another store")
    found = None
    if re.fullmatch(r"[0-9]{1,18}", number, re.ASCII):
        found = Document.objects.filter(pk=int(number), digest=digest).first()
    if found is None:
        told = values.told(number, 40)
        raise Rejected("document-not-found", f"Expected document {told} but it is gone, or has another content")
    return found


def reference(document: Document) -> dict[str, Any]:
    """What a variable holds of it."""
    return {
        TYPE: "camunda",
        "storeId": STORE,
        "documentId": str(document.pk),
        "contentHash": document.digest,
        "metadata": {
            "contentType": document.content_type,
            "fileName": document.file_name,
            "size": document.size,
        },
    }


def too_large() -> Rejected:
    return Rejected("document-too-large", f"Expected a document of at most {limit()} bytes but it has more")


def _name(given: str) -> str:
    """A name, not a path; whatever was given becomes one."""
    name = _UNFIT.sub("", values.told(given)).replace("\\", "/").rstrip("/").rpartition("/")[2].strip()
    if name in ("", ".", ".."):
        return "document"
    if len(name) <= LONGEST_NAME:
        return name
    # The ending says what it is.
    stem, dot, ending = name.rpartition(".")
    return stem[: LONGEST_NAME - 1 - len(ending)] + dot + ending if dot and len(ending) < 20 else name[:LONGEST_NAME]
