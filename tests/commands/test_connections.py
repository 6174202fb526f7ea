"""`connections`, `set_secret` and `rotate_secrets`."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.runtime import secrets

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [OLD]}


def test_the_life_of_a_connection(run: Any, tmp_path: Any) -> None:
    made = run("connections", "set", "shop", '{"url": "https://shop.example.com", "rate": 2.5}')
    assert (made.code, made.out.count("2.5 calls/s")) == (0, 1)
    file = tmp_path / "shop.json"
    file.write_text('{"concurrency": 3}')
    assert run("connections", "set", "shop", f"@{file}", "--json").json["concurrency"] == 3
    assert "paused by command" in run("connections", "pause", "shop", "--reason", "they move").out
    shown = run("connections", "show", "shop", "--json").json
    assert (shown["rate"], shown["paused_because"], shown["state"]["breaker"]) == (2.5, "they move", "CLOSED")
    assert "breaker: CLOSED" in run("connections", "show", "shop").out
    assert "1 connections." in run("connections", "list").out
    assert [row["name"] for row in run("connections", "list", "--json").json] == ["shop"]
    assert "breaker closed" in run("connections", "resume", "shop").out
    assert run("connections", "delete", "shop").code == 0
    gone = run("connections", "show", "shop")
    assert (gone.code, "connection-not-found" in gone.err) == (1, True)


def test_literal_secrets_are_refused(run: Any) -> None:
    refused = run("connections", "set", "shop", '{"authentication": {"password": "literally"}}')
    assert (refused.code, "literally" in refused.err + refused.out) == (1, False)


def test_secrets(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, settings: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("hunter22\n"))
    made = run("set_secret", "A")
    assert (made.code, made.out.strip()) == (0, "A was created.")
    assert secrets.resolve("{{secrets.A}}", {}) == "hunter22"
    file = tmp_path / "key.pem"
    file.write_text("-----BEGIN-----\nabc\n")
    assert run("set_secret", "A", "--file", file, "--json").json == {"name": "A", "done": "replaced"}
    assert secrets.resolve("{{secrets.A}}", {}) == "-----BEGIN-----\nabc\n"
    assert run("set_secret", "B", "--file", tmp_path / "none").code == 1
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [NEW, OLD]}
    assert run("rotate_secrets", "--json").json == {"rotated": 1}
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [NEW]}
    assert secrets.resolve("{{secrets.A}}", {}).startswith("-----BEGIN")
    assert run("set_secret", "A", "--delete").out.strip() == "A was deleted."
    assert run("set_secret", "A", "--delete").code == 1
