"""Binary values that are sent beside their envelope, to a receiver that is strict about it."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from lxml import etree

from tasks.connectors import soap_mtom
from tests.tasks.connectors.soap import BINARY
from tests.tasks.connectors.soap.conftest import Service
from tests.tasks.connectors.soap.test_signatures import RSA, check, pair

BOTH = pytest.mark.parametrize("shop", ["archive11", "archive12"])
PAGES = [BINARY, b"", bytes(range(256)), b"\r\n--mtom-\r\n\r\n"]


def scan(*pages: bytes) -> dict[str, Any]:
    return {"scan": {"title": "t", "pages": [base64.b64encode(page).decode() for page in pages]}}


@BOTH
def test_binary_values_are_parts(service: Service, shop: str) -> None:
    response = service.call("store", shop=shop, parameters=scan(*PAGES), mtom=True)
    assert response["body"]["storeResult"] == "t: " + " ".join(page.hex()[:64] for page in PAGES)
    (seen,) = [each for each in service.told() if each["method"] == "POST"]
    assert seen["parts"] == ["application/octet-stream"] * len(PAGES)
    assert seen["headers"]["content_type"].startswith('multipart/related; boundary="mtom-')
    request = response.journal["request"]
    assert request["bytes"] > sum(map(len, PAGES))
    assert "\0" not in request["body"]


@BOTH
def test_without_the_switch_they_are_not(service: Service, shop: str) -> None:
    response = service.call("store", shop=shop, parameters=scan(BINARY))
    assert response["body"]["storeResult"] == f"t: {BINARY.hex()[:64]}"
    (seen,) = [each for each in service.told() if each["method"] == "POST"]
    assert "parts" not in seen
    assert base64.b64encode(BINARY).decode() in seen["body"]


@BOTH
def test_a_message_with_nothing_binary_is_sent_likewise(service: Service, shop: str) -> None:
    response = service.call("store", shop=shop, parameters={"scan": {"title": "t"}}, mtom="true")
    assert response["body"]["storeResult"] == "t: "
    (seen,) = [each for each in service.told() if each["method"] == "POST"]
    assert seen["parts"] == []


@BOTH
def test_what_is_signed_is_what_is_put_together(service: Service, shop: str) -> None:
    certificate, key = pair(RSA)
    login = {"type": "signature", "certificate": certificate, "privateKey": key}
    # Not in its canonical form: lines, and bits that stand for nothing.
    given = {"scan": {"title": "t", "pages": ["AAEC\nAwQ=", "AB=="]}}
    found = service.call("store", shop=shop, parameters=given, mtom=True, authentication=login)
    assert found["body"]["storeResult"] == "t: 0001020304 00"
    (seen,) = [each for each in service.told() if each["method"] == "POST"]
    assert check(seen["body"]) == ["Body"]


def test_an_element_says_what_its_part_is() -> None:
    template = '<a xmlns:x="http://www.w3.org/2005/05/xmlmime"><b x:contentType="{}">AAEC</b></a>'
    root = etree.fromstring(template.format("image/png"))
    media, body = soap_mtom.package(root, [root[0]], "1.2", 'say "x"')
    assert b"Content-Type: image/png\r\n" in body
    assert r'start-info="application/soap+xml; action=\"say \\\"x\\\"\""' in media
    root = etree.fromstring(
        '<a xmlns:x="http://www.w3.org/2005/05/xmlmime"><b x:contentType="a&#13;&#10;b">AAEC</b></a>'
    )
    assert b"application/octet-stream" in soap_mtom.package(root, [root[0]], "1.1", "")[1]


def test_what_is_no_base64_is_not_sent(service: Service) -> None:
    error = service.failure("store", shop="archive11", parameters={"scan": {"title": "t", "pages": ["?"]}}, mtom=True)
    assert (error.code, error.retryable) == ("INVALID_INPUT", False)
    assert "`parameters.scan.pages[1]` to be xsd:base64Binary" in error.message
    assert not [seen for seen in service.told() if seen["method"] == "POST"]
