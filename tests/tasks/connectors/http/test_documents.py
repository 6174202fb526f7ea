"""Bodies that are no text: stored when they arrive, sent as they were stored."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tasks.connectors import kit
from tasks.connectors.http import HttpConnector
from tests.tasks.connectors.conftest import make_job
from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.http.service import Service
from tests.tasks.connectors.server import Server

Made = Callable[..., Desk]
DATA = bytes(range(256)) * 20


def says(body: bytes, type: str = "image/png", **headers: str) -> str:
    coded = quote(base64.b64encode(body).decode(), safe="")
    more = "".join(f"&{name}={quote(value, safe='')}" for name, value in headers.items())
    return f"/say/plan.png?type={quote(type, safe='')}&body={coded}{more}"


@pytest.fixture
def shelf() -> kit.Shelf:
    return kit.Shelf()


@pytest.mark.parametrize("asked", [{"storeResponse": True}, {"documentReturnFormat": {"choice": "DOCUMENT"}}])
def test_a_response_becomes_a_document(server: Server, shelf: kit.Shelf, asked: dict[str, Any]) -> None:
    http = HttpConnector()

    def run(path: str, **more: Any) -> Any:
        return http.run(make_job(variables={"url": server.url + path, **asked, **more}, documents=shelf))

    response = run(says(DATA))
    assert response["body"] is None
    assert response["status"] == 200
    assert response["document"]["metadata"] == {"contentType": "image/png", "fileName": "plan.png", "size": len(DATA)}
    assert shelf.fetch(response["document"]).content == DATA
    assert response.journal["response"]["body"] == f"({len(DATA)} bytes of image/png)"
    # Also what would else be text or data, byte for byte, and whatever its charset is said to be.
    for body, kind in ((b'{"a": 1.10}', "application/json"), (b"\xff", "text/plain"), (b"{", "application/json")):
        found = shelf.fetch(run(says(body, kind))["document"])
        assert (found.content, found.content_type) == (body, kind)
    assert run("/gzip")["document"]["metadata"]["size"] == len(b'{"packed": true}')
    # Twice the same is the same document: so is what a repeated attempt stores.
    assert run(says(DATA))["document"] == response["document"]
    for empty in (says(b""), "/say?status=204"):
        assert run(empty)["document"] is None
    assert run(says(DATA), method="HEAD")["document"] is None


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ('attachment; filename="a b.pdf"', "a b.pdf"),
        ("attachment; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf; filename=x", "größe.pdf"),
        ("attachment", "plan.png"),
        ("nonsense; =;; filename", "plan.png"),
        ("attachment; filename*=klingon''%ff", None),
    ],
)
def test_its_name(server: Server, shelf: kit.Shelf, disposition: str, name: str | None) -> None:
    variables = {"url": server.url + says(DATA, Content_Disposition=disposition), "storeResponse": True}
    found = HttpConnector().run(make_job(variables=variables, documents=shelf))["document"]["metadata"]["fileName"]
    assert found
    assert name in (None, found)


def test_errors_are_told_as_always(desk: Made, server: Server, shelf: kit.Shelf) -> None:
    answer = Desk({"url": f"{server.url}/declined", "storeResponse": "true"}).fails(documents=shelf)
    assert answer.code == "402"
    assert answer.details["response"]["body"]["code"] == "card-declined"
    # A worker that keeps no documents calls nobody.
    before = len(server.seen)
    assert "keeps documents" in Desk({"url": f"{server.url}/echo", "storeResponse": True}).fails().message
    assert len(server.seen) == before


def test_redirects_are_followed_to_the_document(server: Server, other: Server, shelf: kit.Shelf) -> None:
    to = quote(other.url + says(DATA), safe="")
    found = Desk({"url": f"{server.url}/redirect?to={to}", "storeResponse": True}).run(documents=shelf)
    assert shelf.fetch(found["document"]).content == DATA
    assert found["document"]["metadata"]["fileName"] == "plan.png"
    assert found.journal["redirects"][0]["status"] == 302


def test_caps(server: Server) -> None:
    small = kit.Shelf(limit=1000)
    for path in ("/large?size=1001", "/endless", "/bomb"):
        error = Desk({"url": server.url + path, "storeResponse": True}).fails(documents=small)
        assert (error.code, error.retryable) == ("RESPONSE_TOO_LARGE", False)
        assert "1000" in error.message
    assert Desk({"url": f"{server.url}/large?size=1000", "storeResponse": True}).run(documents=small)["document"]
    # More than what a variable may have, unless the task asks for less.
    large = {"url": f"{server.url}/large?size=3000000", "storeResponse": True}
    assert Desk(large).run(documents=kit.Shelf())["document"]["metadata"]["size"] == 3_000_000
    assert Desk({**large, "maxResponseBytes": 5000}).fails(documents=kit.Shelf()).code == "RESPONSE_TOO_LARGE"


def test_a_response_that_cannot_be_kept(server: Server) -> None:
    class Full(kit.Shelf):
        def store(self, content: bytes, content_type: str = "", file_name: str = "") -> Any:
            return kit.Shelf(limit=1).store(content)

    error = Desk({"url": server.url + says(DATA), "storeResponse": True}).fails(documents=Full())
    assert (error.code, error.retryable) == ("DOCUMENT_TOO_LARGE", False)
    assert error.journal["response"]["status"] == 200, "operators see that the call was made"


def test_a_document_as_body(service: Service, desk: Made, shelf: kit.Shelf) -> None:
    reference = shelf.store(DATA, "image/png", "plan.png")
    response = desk("/echo", method="POST", body=reference).run(documents=shelf)
    seen = response["body"]
    assert seen["headers"]["content-type"] == "image/png"
    assert seen["body"].encode("latin-1") == DATA
    assert response.journal["request"]["body"] == "(a document)"
    seen = desk("/echo", method="PUT", body=reference, contentType="image/x").run(documents=shelf)["body"]
    assert seen["headers"]["content-type"] == "image/x"
    # Inside of JSON, a reference is data.
    seen = desk("/echo", method="POST", body={"file": reference}).run(documents=shelf)["body"]
    assert json.loads(seen["body"]) == {"file": reference}


def test_documents_as_parts(service: Service, desk: Made, shelf: kit.Shelf) -> None:
    reference = shelf.store(DATA, "image/png", "plan.png")
    parts = [
        {"name": "a", "document": reference},
        {"name": "b", "value": reference, "fileName": "b.bin", "contentType": "a/b"},
        {"name": "c", "content": reference},
    ]
    told = desk("/upload", method="POST", multipart=parts).run(documents=shelf)["body"]
    assert [(part["name"], part["file"], part["type"]) for part in told] == [
        ("a", "plan.png", "image/png"),
        ("b", "b.bin", "a/b"),
        ("c", "plan.png", "image/png"),
    ]
    assert {base64.b64decode(part["content"]) for part in told} == {DATA}
    # A context under that content type, as Camunda has it.
    fields = {"note": "two", "scan": [reference, reference], "none": None}
    told = desk("/upload", method="POST", body=fields, contentType="multipart/form-data").run(documents=shelf)["body"]
    assert [(part["name"], part["file"], part["type"]) for part in told] == [
        ("note", None, None),
        ("scan", "plan.png", "image/png"),
        ("scan", "plan.png", "image/png"),
    ]
    odd = desk("/upload", method="POST", body={"a": {"b": 1}}, contentType="multipart/form-data").fails(documents=shelf)
    assert "`body[0].value`" in odd.message


@pytest.mark.parametrize("place", ["body", "part"])
def test_a_document_that_is_gone_calls_nobody(service: Service, desk: Made, shelf: kit.Shelf, place: str) -> None:
    gone = {**shelf.store(DATA), "contentHash": "0" * 64}
    for reference, code in ((gone, "DOCUMENT_NOT_FOUND"), ({"camunda.document.type": "x"}, "INVALID_INPUT")):
        given = {"body": reference} if place == "body" else {"multipart": [{"name": "a", "document": reference}]}
        error = desk("/echo", method="POST", **given).fails(documents=shelf)
        assert (error.code, error.retryable) == (code, False)
    assert service.seen == []
