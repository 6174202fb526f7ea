"""What operators must not read, they do not read."""

from __future__ import annotations

import base64
import time

import pytest

from tasks.connectors.redaction import EXCERPT, MASK, Redactor, is_secret_name
from tests.tasks.connectors.conftest import as_json, call, failure
from tests.tasks.connectors.server import Server

SECRET = 'hunter"22 &ü'


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "Proxy-Authorization",
        "Cookie",
        "Set-Cookie",
        "X-Api-Key",
        "apikey",
        "api_key",
        "X-Auth-Token",
        "access_token",
        "accessToken",
        "client_secret",
        "password",
        "userPassword",
        "passwd",
        "key",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "private_key",
        "sessionId",
        "pwd",
        "client_assertion",
    ],
)
def test_secret_names(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "Idempotency-Key",
        "Content-Type",
        "Accept",
        "keyboard",
        "monkey",
        "author",
        "Date",
        "assigned",
        "spinner",
    ],
)
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://ann:pw@host/a@b", f"http://{MASK}@host/a@b"),
        ("https://host/@scope/pkg?a=1", "https://host/@scope/pkg?a=1"),
        ("http://h/?token=abc&b=1#x", f"http://h/?token={MASK}&b=1#x"),
        ("http://h/?b=1&api%5Fkey=abc", f"http://h/?b=1&api%5Fkey={MASK}"),
        ("password=a&user=b", f"password={MASK}&user=b"),
        ('{"password" : "a\\"b", "user": "c"}', f'{{"password" : "{MASK}", "user": "c"}}'),
        ('{"password": "cut of', f'{{"password": "{MASK}'),
        ('{"password": "cut of\\', f'{{"password": "{MASK}\\'),
        ('{"token": ""}', '{"token": ""}'),
        ("<s:Password Type='x'>abc</s:Password>", f"<s:Password Type='x'>{MASK}</s:Password>"),
        ("<token>cut of", f"<token>{MASK}"),
        ("a\0b", "a\ufffdb"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_literals_in_every_spelling() -> None:
    redactor = Redactor([SECRET, "abc"])
    echoed = 'hunter"22 &ü hunter%2222%20%26%C3%BC hunter%2222+%26%C3%BC hunter\\"22 &\\u00fc abc'
    assert redactor.literals({"a": [echoed], SECRET: 1}) == {"a": [" ".join([MASK] * 4) + " abc"], MASK: 1}


def test_a_secret_on_the_edge_of_an_excerpt() -> None:
    secret = "s3cr3t-" * 100
    shown = Redactor([secret]).excerpt("x" * (EXCERPT - 10) + secret)
    assert "s3cr3t" not in shown
    assert len(shown) <= EXCERPT + 1


@pytest.mark.parametrize(
    "hostile",
    [
        '"' * 20_000,
        '"a":"' * 4000,
        "<a " * 7000,
        "?a=" * 7000,
        "://" * 7000,
        "\\" * 20_000,
        "=&" * 10_000,
        "<a>" * 7000,
    ],
)
def test_redaction_takes_no_time(hostile: str) -> None:
    start = time.thread_time()  # not what others take of the machine meanwhile
    Redactor([SECRET]).excerpt(hostile)
    assert time.thread_time() - start < 2


def test_headers_keep_their_scheme() -> None:
    headers = {"Authorization": "Bearer abc", "X-Mine": "abc", "Set-Cookie": ["a=b", "c=d"], "Accept": "*/*"}
    shown = {"Authorization": f"Bearer {MASK}", "X-Mine": MASK, "Set-Cookie": [MASK, MASK], "Accept": "*/*"}
    assert Redactor(secret_headers=["x-mine"]).headers(headers) == shown


@pytest.mark.parametrize(
    "inputs",
    [
        {"authentication": {"type": "basic", "username": "ann", "password": "hunter22"}},
        {"authentication": {"type": "bearer", "token": "hunter22"}},
        {
            "authentication": {
                "type": "apiKey",
                "apiKeyLocation": "headers",
                "name": "X-Mine",
                "value": "hunter22",
            }
        },
        {
            "authentication": {
                "type": "apiKey",
                "apiKeyLocation": "query",
                "name": "mine",
                "value": "hunter22",
            }
        },
        {"headers": {"Authorization": "Bearer hunter22"}},
        {"headers": {"Cookie": "a=1; session=hunter22"}},
        {"headers": {"X-Api-Key": "hunter22"}},
        {"queryParameters": {"access_token": "hunter22"}},
        {"method": "POST", "body": {"user": "ann", "password": "hunter22"}},
        {
            "method": "POST",
            "body": {"password": "hunter22"},
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
        {"method": "POST", "body": "<Password>hunter22</Password>"},
    ],
)
def test_no_secret_in_a_journal(server: Server, inputs: dict[str, object]) -> None:
    encoded = base64.b64encode(b"ann:hunter22").decode()
    journal = call(f"{server.url}/echo", **inputs).journal
    del journal["response"]["body"]  # the server echoes: what it may show of that is the next test
    error = failure(f"{server.url}/drip", deadlineInSeconds=0.05, **inputs)
    for text in (as_json(journal), as_json(error.journal), error.message):
        assert "hunter22" not in text
        assert encoded not in text


def test_what_the_server_echoes(server: Server) -> None:
    password = {"type": "basic", "username": "ann", "password": "hunter22"}
    response = call(f"{server.url}/echo", authentication=password)
    encoded = base64.b64encode(b"ann:hunter22").decode()
    assert encoded in as_json(response.body)  # data is data
    assert encoded not in as_json(response.journal)
    body = base64.b64encode(b"wrong password: hunter22").decode()
    error = failure(f"{server.url}/say?status=401&type=text/plain&body={body}", authentication=password)
    assert error.message == f"401 Unauthorized: wrong password: {MASK}"
    assert error.details["response"]["body"] == f"wrong password: {MASK}"


def test_credentials_in_a_url_are_not_told(server: Server) -> None:
    url = server.url.replace("//", "//ann:hunter22@")
    for path in ("drip", "status/500", "hang-up", "bomb", "loop"):
        error = failure(f"{url}/{path}", deadlineInSeconds=0.1)
        assert "hunter22" not in error.message + as_json(error.journal) + as_json(error.details)
