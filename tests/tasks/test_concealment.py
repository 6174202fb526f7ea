"""Secrets are masked in whatever spelling they come back, at whatever place, and in logs while they are about."""

from __future__ import annotations

import base64
import json
import logging
import threading
from decimal import Decimal
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tasks.concealment import Concealment, concealing

SECRET = 'p4ss wörd/"+&%<x>'
HIDING = Concealment([SECRET])


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        f"before {SECRET} after {SECRET}",
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        repr(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        SECRET.encode().hex(),
        SECRET.upper(),
        quote(SECRET, safe="").lower(),
        "p4ss wörd/&quot;+&amp;%&lt;x&gt;",
        *["Basic " + base64.b64encode(f"{user}:{SECRET}".encode()).decode() for user in ("a", "ab", "abc", "abcd")],
        *["x" + base64.b64encode(f"{'u' * n}{SECRET}{'v' * n}".encode()).decode() for n in range(6)],
    ],
)
def test_spellings(spelled: str) -> None:
    shown = HIDING.text(spelled)
    assert "***" in shown
    assert SECRET not in shown
    inner = base64.b64encode(SECRET.encode()).decode()[4:-4]
    assert inner not in shown


def test_at_every_level_and_in_names() -> None:
    hiding = Concealment(["12345678", "hunter22"])
    found = hiding.value(
        {"a": [{"hunter22": ("x hunter22", b"hunter22")}], "n": 12345678, "d": Decimal("12345678.5"), "k": 1, "t": True}
    )
    assert found == {"a": [{"***": ["x ***", "***"]}], "n": "***", "d": "***", "k": 1, "t": True}


@pytest.mark.parametrize("tail", ["", "…", "..."])
def test_what_was_cut_off(tail: str) -> None:
    hiding = Concealment(["a-rather-long-secret"])
    assert hiding.text(f"it said a-rather-long-s{tail}") == f"it said ***{tail}"
    assert hiding.text(f"it said a-rat{tail}") == f"it said a-rat{tail}"


def test_lines_of_a_key() -> None:
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        "MIGHAgEAMBMGByqGSM49AgEG",
        "CCqGSM49AwEHBG0wawIBAQQg",
        "-----END PRIVATE KEY-----",
    ]
    hiding = Concealment(["\n".join(lines)])
    assert hiding.text(f"bad line {lines[2]}!") == "bad line ***!"


def test_short_ones_are_left() -> None:
    assert not Concealment(["abc", ""])
    assert Concealment(["abc"]).text("abcabc") == "abcabc"


def test_the_longest_first() -> None:
    assert Concealment(["secret", "secret-and-more"]).text("secret-and-more") == "***"


def test_logs(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("somebody.elses.library")
    with caplog.at_level(logging.DEBUG), concealing(Concealment(["hunter22"])):
        log.info("with %s as argument", "hunter22")
        log.info("GET /?key=hunter22")
        log.info("does not fit: %d hunter22", "hunter22")
        try:
            raise ValueError("hunter22")
        except ValueError:
            log.exception("it broke")
        thread = threading.Thread(target=lambda: log.warning("from a thread: hunter22"))
        thread.start()
        thread.join()
        log.info("%s stays %d", "this", 7)
    assert "hunter22" not in caplog.text
    assert "from a thread: ***" in caplog.text
    assert "ValueError: ***" in caplog.text
    assert "this stays 7" in caplog.text
    log.info("hunter22")
    assert "hunter22" in caplog.text


def test_many_at_once(caplog: pytest.LogCaptureFixture) -> None:
    one, two = Concealment(["hunter22"]), Concealment(["correct-horse"])
    log: Any = logging.getLogger("x")
    with caplog.at_level(logging.INFO), concealing(one):
        with concealing(two):
            log.info("hunter22 correct-horse")
        log.info("hunter22")
    assert "hunter22" not in caplog.text
    assert "correct-horse" not in caplog.text
