"""Fingerprints: what varies is left out, what tells troubles apart stays."""

from __future__ import annotations

import time

import pytest

from processes.runtime.fingerprints import LENGTH, MOST, fingerprint, normalised


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Order 4711 was not found", "Order <number> was not found"),
        ("Expected 1.50 but found 1,234.56", "Expected <number> but found <number>"),
        ("no order 123e4567-e89b-12d3-a456-426614174000", "no order <uuid>"),
        ("since 2026-11-24T12:41:25.123+00:00", "since <date>"),
        ("since 2026-11-24 12:41:25Z, retry", "since <date>, retry"),
        ("until 2026-11-24", "until <date>"),
        ("until Tue, 24 Nov 2026 12:41:25 GMT", "until <date>"),
        ("on 24.11.2026 at 12:41:25", "on <date> at <date>"),
        ("Expected 'amount' but found \"twelve\"", "Expected <quoted> but found <quoted>"),
        ("it can't be and won't be", "it can't be and won't be"),
        ("commit 8432d36ffab1 at 0x7f3a2b1c0d", "commit <id> at <id>"),
        ("order ORD-2026-17 of customer_42", "order <id> of <id>"),
        ("mail to ada.l+1@mail.example.com", "mail to <email>"),
        ("connect to 10.0.0.7:5432 refused", "connect to <number> refused"),
        ("a  b\n\tc ", "a b c"),
        ("", ""),
        # an address: without query and fragment, without who asks, and with what varies in its path replaced
        ("GET https://pay.example/orders/17?key=a1#top failed", "GET https://pay.example/orders/<number> failed"),
        ("GET https://ada:secret@pay.example/x", "GET https://pay.example/x"),
        ("amqp://broker.example:5672/%2f is away", "amqp://broker.example:<number>/%<number>f is away"),
        # what tells troubles apart
        ("HTTP 503 Service Unavailable", "HTTP 503 Service Unavailable"),
        ("answered with status 404", "answered with status 404"),
        ("status code: 422, order 422", "status code: 422, order <number>"),
        ("HTTP/1.1 502 Bad Gateway", "HTTP/1.1 502 Bad Gateway"),
        ("Connection refused", "Connection refused"),
    ],
)  # fmt: skip
def test_what_varies_is_replaced(message: str, expected: str) -> None:
    assert normalised(message) == expected


def test_like_with_like() -> None:
    one = fingerprint("order", "charge", "JOB_NO_RETRIES", "503", "Order 1 at 12:00:01: HTTP 503")
    assert one == fingerprint("order", "charge", "JOB_NO_RETRIES", "503", "Order 22 at 13:10:59: HTTP 503")
    assert len(one) == LENGTH
    assert int(one, 16)


def test_whatever_tells_them_apart_does() -> None:
    base = ("order", "charge", "JOB_NO_RETRIES", "503", "no answer")
    others = {
        fingerprint(*base[:place], other, *base[place + 1 :])
        for place, other in enumerate(("invoice", "ship", "INTERNAL", "404", "no answer at all"))
    }
    assert len({fingerprint(*base), *others}) == 6
    assert fingerprint("a", "bc", "", "", "") != fingerprint("ab", "c", "", "", "")


@pytest.mark.parametrize(
    "text",
    [
        "1" * 500_000,
        "a-" * 250_000,
        "'" * 500_000,
        "a@" * 250_000,
        "http://" * 70_000,
        "0x" * 250_000,
        "é😀\ud800" * 1000,
    ],
)
def test_no_message_takes_long(text: str) -> None:  # fmt: skip
    begun = time.process_time()
    fingerprint("p", "e", "k", "c", text)
    assert time.process_time() - begun < 0.5
    assert normalised("x" * MOST + "1") == normalised("x" * MOST + "2")
