"""Forms, uploads, XML; URLs as they are written; answers as text."""

from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tasks.connectors.kit import Shelf
from tests.tasks.connectors.http.conftest import Desk
from tests.tasks.connectors.http.service import Service

Made = Callable[..., Desk]


def sent(desk: Made, **variables: Any) -> tuple[str | None, str]:
    """Content type and body that arrived."""
    seen = desk("/echo", method="POST", **variables).run()["body"]
    return seen["headers"].get("content-type"), seen["body"]


FORM = "application/x-www-form-urlencoded"


def test_forms(service: Service, desk: Made) -> None:
    fields = {"name": "Ann & Bob", "amount": Decimal("1.10"), "tag": ["a", "b"], "none": None, "ok": True}
    coded = "name=Ann%20%26%20Bob&amount=1.10&tag=a&tag=b&ok=true"
    assert sent(desk, form=fields) == (FORM, coded)
    assert sent(desk, body=fields, contentType=FORM) == (FORM, coded)
    assert sent(desk, body=fields, headers={"Content-Type": FORM}) == (FORM, coded)
    assert sent(desk, form=fields, contentType=FORM) == (FORM, coded)


def test_texts(service: Service, desk: Made) -> None:
    xml = '<?xml version="1.0"?><order id="7">ü</order>'
    assert sent(desk, body=xml, contentType="application/xml") == (
        "application/xml",
        xml.encode().decode("latin-1"),
    )
    assert sent(desk, body=xml, contentType="text/xml; charset=iso-8859-1") == ("text/xml; charset=iso-8859-1", xml)
    assert sent(desk, body="a;b", contentType="text/csv") == ("text/csv", "a;b")
    assert sent(desk, body={"a": 1}, contentType="application/merge-patch+json") == (
        "application/merge-patch+json",
        '{"a":1}',
    )


def test_uploads(service: Service, desk: Made) -> None:
    binary = bytes(range(256)) + b"\r\n--boundary\r\n"
    parts = [
        {"name": "note", "value": "ü & more"},
        {"name": "amount", "value": Decimal("1.10")},
        {"name": "order", "value": {"id": 7}, "contentType": "application/json"},
        {"name": "scan", "fileName": 'a"b.pdf', "contentBase64": base64.b64encode(binary).decode()},
        {"name": "list", "fileName": "list.csv", "content": "a;b\r\n", "contentType": "text/csv"},
    ]
    told = desk("/upload", method="POST", multipart=parts).run()["body"]
    assert [(part["name"], part["file"], part["type"]) for part in told] == [
        ("note", None, None),
        ("amount", None, None),
        ("order", None, "application/json"),
        ("scan", "a%22b.pdf", "application/octet-stream"),
        ("list", "list.csv", "text/csv"),
    ]
    contents = [base64.b64decode(part["content"]) for part in told]
    assert contents == ["ü & more".encode(), b"1.10", b'{"id":7}', binary, b"a;b\r\n"]
    assert service.seen[0]["headers"]["content-type"].startswith("multipart/form-data; boundary=")


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"body": "a", "form": {"a": 1}}, "body and form"),
        ({"form": {"a": 1}, "multipart": [{"name": "a", "value": "b"}]}, "form and multipart"),
        ({"form": [1]}, "`form` to be a context"),
        ({"form": {"a": {"b": 1}}}, "`form.a`"),
        ({"form": {"a": 1}, "contentType": "text/xml"}, "text/xml"),
        ({"body": "a", "contentType": "xml"}, "`contentType`"),
        ({"body": "a", "contentType": "text/xml\r\nX-Evil: 1"}, "`contentType`"),
        ({"body": "a", "contentType": "text/xml", "headers": {"content-type": "text/csv"}}, "differ"),
        ({"body": {"a": 1}, "contentType": "application/xml"}, "application/xml"),
        ({"multipart": []}, "an empty list"),
        ({"multipart": {"name": "a"}}, "`multipart` to be a list"),
        ({"multipart": ["a"]}, "`multipart[0]`"),
        ({"multipart": [{"value": "b"}]}, "`multipart[0].name`"),
        ({"multipart": [{"name": "a"}]}, "found 0"),
        ({"multipart": [{"name": "a", "value": "b", "content": "c"}]}, "found 2"),
        ({"multipart": [{"name": "a", "value": "b", "filename": "c"}]}, "filename"),
        ({"multipart": [{"name": "a", "value": {"b": 1}}]}, "`multipart[0].value`"),
        ({"multipart": [{"name": "a", "contentBase64": "%%"}]}, "base64"),
        ({"multipart": [{"name": "a\0", "value": "b"}]}, "control characters"),
        ({"multipart": [{"name": "a", "value": "b", "contentType": "text/x\r\nEvil: 1"}]}, "one line"),
        ({"multipart": [{"name": "a", "value": "b"}], "contentType": "text/plain"}, "multipart content type"),
        ({"multipart": [{"name": "a", "value": "b"}], "contentType": "multipart/mixed; boundary=x"}, "boundary"),
        ({"skipEncoding": "perhaps"}, "`skipEncoding`"),
        ({"documentReturnFormat": {"choice": "STREAM"}}, "`documentReturnFormat`"),
        ({"storeResponse": "perhaps"}, "`storeResponse`"),
        ({"storeResponse": True, "documentReturnFormat": {"choice": "TEXT"}}, "`storeResponse`"),
        ({"storeResponse": True, "poll": {"until": "=true"}}, "`storeResponse` without"),
        ({"storeResponse": True, "pagination": {"type": "link", "items": "=response.body"}}, "`storeResponse` without"),
        ({"documentReturnFormat": {"choice": "TEXT", "charset": "x"}}, "charset"),
    ],
)
def test_inputs(service: Service, desk: Made, variables: dict[str, Any], told: str) -> None:
    error = desk("/echo", method="POST", **variables).fails(documents=Shelf())
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert told in error.message
    assert service.seen == []


def test_urls_as_they_are_written(service: Service, desk: Made) -> None:
    path = "/target/a/%7Euser/../x;y=1?q=%7B%22a%22%7D&when=10:30&sig=a%2Bb"
    plain = desk(path).run()["body"]["target"]
    assert plain != path  # cleaned up: the same by RFC 3986, but not for who has signed it
    assert desk(path, skipEncoding="true").run()["body"]["target"] == path
    more = desk("/target?a=%7E", skipEncoding=True, queryParameters={"b": "c d"}).run()["body"]["target"]
    assert more == "/target?a=%7E&b=c%20d"
    for bad in ("/a b", "/ü"):
        assert "`skipEncoding`" in desk(bad, skipEncoding=True).fails().message


def test_answers_as_text(service: Service, desk: Made) -> None:
    choice = {"choice": "TEXT", "encoding": "UTF-8"}
    assert desk("/target", documentReturnFormat=choice).run()["body"].startswith('{"target"')
    assert desk("/target", documentReturnFormat={"choice": "JSON"}).run()["body"]["target"] == "/target"
    assert desk("/target", documentReturnFormat={"choice": "TEXT", "encoding": "klingon"}).fails().code == (
        "INVALID_RESPONSE"
    )
