"""Documents over REST: stored by who holds a job, shown to who may see them, and never run by a browser."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from processes.models import Document
from tests.api.conftest import V1, problem

DATA = bytes(range(256)) * 40


@pytest.fixture
def job(one_task: Any, start: Any, claim: Any) -> dict[str, Any]:
    start()
    (found,) = claim()
    return found


def post(api: Any, job: dict[str, Any], content: bytes = DATA, kind: str = "image/png", **query: Any) -> Any:
    asked = {"job": job["id"], "attempt": job["attempt"], "file_name": "plan.png", **query}
    text = "&".join(f"{name}={value}" for name, value in asked.items())
    return api.post(f"{V1}/documents?{text}", content, content_type=kind)


def test_stored_and_taken_back(api, job):
    answer = post(api, job)
    assert answer.status_code == 201, answer.content
    shown = answer.json()
    assert answer["Location"].endswith(f"/documents/{shown['id']}")
    digest = hashlib.sha256(DATA).hexdigest()
    assert shown == {
        "id": shown["id"],
        "instance_id": job["instance_id"],
        "file_name": "plan.png",
        "content_type": "image/png",
        "size": len(DATA),
        "digest": digest,
        "created_at": shown["created_at"],
        "reference": {
            "camunda.document.type": "camunda",
            "storeId": "database",
            "documentId": str(shown["id"]),
            "contentHash": digest,
            "metadata": {"contentType": "image/png", "fileName": "plan.png", "size": len(DATA)},
        },
    }
    here = f"{V1}/documents/{shown['id']}"
    assert api.get(here).json() == shown
    listed = api.get(f"{V1}/process-instances/{job['instance_id']}/documents").json()
    assert listed["results"] == [shown]

    content = api.get(f"{here}/content")
    assert content.content == DATA
    assert content["Content-Type"] == "image/png"
    assert content["Content-Disposition"] == 'attachment; filename="plan.png"'
    assert content["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in content["Content-Security-Policy"]
    assert content["ETag"] == f'"{digest}"'
    again = api.get(f"{here}/content", HTTP_IF_NONE_MATCH=content["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    assert api.head(f"{here}/content")["Content-Length"] == str(len(DATA))


def test_the_same_again_is_the_same_document(api, job):
    first, second = post(api, job).json(), post(api, job).json()
    assert first == second
    assert post(api, job, file_name="other.png").json()["id"] != first["id"]
    assert post(api, job, DATA + b"x").json()["id"] != first["id"]
    assert post(api, job, kind="image/gif").json()["id"] != first["id"]
    assert Document.objects.count() == 4


def test_as_a_form(api, job):
    where = f"{V1}/documents?job={job['id']}&attempt={job['attempt']}"
    file = SimpleUploadedFile("größe ».pdf", DATA, "application/pdf")
    shown = api.post(where, {"file": file}, format="multipart").json()
    assert (shown["file_name"], shown["content_type"], shown["size"]) == ("größe ».pdf", "application/pdf", len(DATA))
    content = api.get(f"{V1}/documents/{shown['id']}/content")
    assert content.content == DATA
    assert content["Content-Disposition"] == "attachment; filename*=utf-8''gr%C3%B6%C3%9Fe%20%C2%BB.pdf"
    problem(api.post(where, {"files": "x"}, format="multipart"), 400, "invalid")
    file.seek(0)
    problem(api.post(f"{where}&file_name=x", {"file": file}, format="multipart"), 400, "invalid")


def test_a_page_stays_a_download_and_a_path_a_name(api, job):
    shown = post(
        api, job, b"<script>", "text/html; charset=utf-8", file_name="..%2F..%2Fetc%2Fa%0D%0AX:%22b.html"
    ).json()
    assert shown["file_name"] == 'aX:"b.html'
    content = api.get(f"{V1}/documents/{shown['id']}/content")
    assert content["Content-Type"] == "text/html; charset=utf-8"
    assert content["Content-Disposition"] == 'attachment; filename="aX:\\"b.html"'
    odd = post(api, job, b"x", "nonsense").json()
    assert odd["content_type"] == "application/octet-stream"
    empty = post(api, job, b"", file_name="").json()
    assert (empty["size"], empty["file_name"]) == (0, "document")


@pytest.mark.parametrize(
    "kind", ["application/json", "application/x-www-form-urlencoded", "application/xml", "text/plain"]
)
def test_no_content_type_is_parsed(api, job, kind):
    shown = post(api, job, b"a=1&b[", kind).json()
    assert (shown["content_type"], shown["size"]) == (kind, 6)


def test_only_who_holds_the_job_stores(api, job, claim):
    problem(post(api, job, attempt=2), 409, "job-not-claimed")
    problem(post(api, {**job, "id": 999_999}), 404, "job-not-found")
    assert "attempt" in problem(api.post(f"{V1}/documents?job=1", b"x", content_type="a/b"), 400, "invalid")["detail"]
    problem(post(api, job, stranger=1), 400, "invalid")
    api.post(f"{V1}/jobs/{job['id']}/complete", {"attempt": job["attempt"]}, format="json")
    problem(post(api, job), 404, "job-not-found")
    assert Document.objects.count() == 0


def test_a_cap_holds_while_reading(api, job, settings):
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DOCUMENT_BYTES": 1000}
    assert "at most 1000 bytes" in problem(post(api, job, b"x" * 1001), 413, "document-too-large")["detail"]
    where = f"{V1}/documents?job={job['id']}&attempt={job['attempt']}"
    for size in (1001, 200_000):
        file = SimpleUploadedFile("a.bin", b"x" * size, "a/b")
        problem(api.post(where, {"file": file}, format="multipart"), 413, "document-too-large")
    assert post(api, job, b"x" * 1000).status_code == 201
    # Larger than what any other body may have.
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "DOCUMENT_BYTES": 20_000_000}
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert post(api, job, b"x" * 8_000_000).json()["size"] == 8_000_000
    file = SimpleUploadedFile("a.bin", b"x" * 8_000_000, "a/b")
    assert api.post(where, {"file": file}, format="multipart").json()["size"] == 8_000_000


def test_a_worker_reads_what_it_was_given(api, user_with, job):
    shown = post(api, job).json()
    here, digest = f"{V1}/documents/{shown['id']}", shown["digest"]
    worker = user_with("change_job")
    assert post(worker, job).json()["id"] == shown["id"]
    problem(worker.get(here), 403, "permission-denied")
    problem(worker.get(f"{here}/content"), 403, "permission-denied")
    problem(worker.get(f"{here}/content?content_hash={'0' * 64}"), 404, "document-not-found")
    assert worker.get(f"{here}/content?content_hash={digest}").content == DATA
    stranger = user_with("view_processinstance", "add_document")
    problem(stranger.get(f"{here}/content?content_hash={digest}"), 403, "permission-denied")
    problem(post(stranger, job), 403, "permission-denied")
    assert user_with("view_document", "view_payload").get(f"{here}/content").content == DATA
    problem(api.get(f"{V1}/documents/999999/content"), 404, "document-not-found")
