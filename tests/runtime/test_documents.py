"""Documents belong to their instance: stored once, found by who was given the reference, purged with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processes.models import Document, ProcessInstance
from processes.runtime import Rejected, documents, instances, jobs, retention
from tests.drawing import Drawing
from tests.runtime.conftest import started, together

ONE = Drawing().start().service("work", type="work").end()


def held() -> jobs.ClaimedJob:
    started(ONE)
    (job,) = jobs.claim(["work"], worker="w", limit=1)
    return job


def refused(code: str, verb: Any, *arguments: Any) -> str:
    with pytest.raises(Rejected) as caught:
        verb(*arguments)
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.django_db
def test_a_reference_leads_back() -> None:
    job = held()
    stored = documents.store(job.id, job.attempt, b"\0\xff", "image/png", "a/b\\c.png")
    assert (stored.file_name, stored.size) == ("c.png", 2)
    reference = documents.reference(stored)
    found = documents.fetch(reference)
    assert (bytes(found.content), found.content_type) == (b"\0\xff", "image/png")
    jobs.complete(job.id, job.attempt, {"file": reference}, by="test")
    kept = ProcessInstance.objects.get().variables["file"]
    assert documents.fetch(kept).pk == stored.pk
    # A number can be guessed, a hash cannot.
    other = {**reference, "contentHash": "0" * 64}
    assert "gone" in refused("document-not-found", documents.fetch, other)
    for wrong in ({"documentId": "9" * 30}, {"documentId": "x"}, {"documentId": "\u0661"}):
        refused("document-not-found", documents.fetch, {**reference, **wrong})
    for wrong in ({"documentId": 1}, {"storeId": "s3"}, {"contentHash": None}, {"camunda.document.type": "x"}):
        refused("document-invalid", documents.fetch, {**reference, **wrong})


@pytest.mark.django_db
def test_only_the_attempt_that_holds_the_job_stores() -> None:
    job = held()
    refused("job-not-claimed", documents.store, job.id, job.attempt + 1, b"x")
    refused("job-not-found", documents.store, job.id + 999, 1, b"x")
    instances.cancel(job.instance_id, by="test")
    refused("job-not-found", documents.store, job.id, job.attempt, b"x")
    assert not Document.objects.exists()


@pytest.mark.django_db
def test_what_is_too_large_or_has_an_odd_name(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DOCUMENT_BYTES": 10}
    job = held()
    assert "at most 10 bytes" in refused("document-too-large", documents.store, job.id, 1, b"x" * 11)
    for given, kept in (
        ("", "document"),
        ("../", "document"),
        ("a\0\r\nb", "a\N{REPLACEMENT CHARACTER}b"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("y" * 70_000, "y" * 255),
        ("\ud800.txt", "?.txt"),
    ):
        assert documents.store(job.id, 1, b"x", "no type", given).file_name == kept
    assert set(Document.objects.values_list("content_type", flat=True)) == {"application/octet-stream"}


@pytest.mark.django_db(transaction=True)
def test_many_who_store_the_same_at_once_get_one() -> None:
    job = held()
    found = together(*[lambda: documents.store(job.id, 1, b"x" * 10_000, "a/b", "c").pk] * 6)
    assert len(set(found)) == 1, found
    assert Document.objects.count() == 1


@pytest.mark.django_db
def test_it_outlives_a_failed_job_and_goes_with_its_instance() -> None:
    job, other = held(), held()
    stored = documents.store(job.id, 1, b"x" * 1000, "a/b", "c")
    kept = documents.store(other.id, 1, b"x" * 1000, "a/b", "c")
    assert stored.pk != kept.pk, "each instance has its own"
    jobs.fail(job.id, 1, "no", retries=0, by="test")
    assert Document.objects.filter(pk=stored.pk).exists()
    instances.cancel(job.instance_id, by="test")
    with CaptureQueriesContext(connection) as queries:
        assert list(retention.purge(timedelta(days=-1))) == [1]
    told = [query["sql"] for query in queries if Document._meta.db_table in query["sql"]]
    assert [sql.split()[0] for sql in told] == ["DELETE"], "no content is loaded to be deleted"
    assert list(Document.objects.values_list("pk", flat=True)) == [kept.pk]
    refused("document-not-found", documents.fetch, documents.reference(stored))
