"""Secrets are kept encrypted, resolved for who may, and rotated."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet

from processes.models import Secret
from processes.runtime import Rejected, secrets

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def keys(settings: Any, *keys: str) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": list(keys)}


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    keys(settings, OLD)


def resolved(value: Any, **options: Any) -> Any:
    return secrets.resolve(value, {}, **options)


def test_kept_and_resolved() -> None:
    assert secrets.put("API_KEY", "s3cr3t ünd länger", by="user:ada")
    row = Secret.objects.get()
    assert "s3cr3t" not in row.ciphertext
    assert row.changed_by == "user:ada"
    used: dict[str, str] = {}
    found = secrets.resolve(
        {"a": ["x {{secrets.API_KEY}} y", 7, None], "{{secrets.API_KEY}}": "{{ secrets.API_KEY }}"}, used
    )
    assert found == {"a": ["x s3cr3t ünd länger y", 7, None], "{{secrets.API_KEY}}": "s3cr3t ünd länger"}
    assert used == {"API_KEY": "s3cr3t ünd länger"}


def test_replaced() -> None:
    secrets.put("A", "one", by="user:ada")
    before = Secret.objects.get()
    assert not secrets.put("A", "two", by="user:bob")
    after = Secret.objects.get()
    assert (after.changed_by, after.created_at) == ("user:bob", before.created_at)
    assert after.changed_at > before.changed_at
    assert resolved("{{secrets.A}}") == "two"


def test_in_a_url_it_is_encoded_unless_it_is_the_url() -> None:
    secrets.put("P", "a/b@c:d")
    assert resolved("postgres://u:{{secrets.P}}@h/d", in_url=True) == "postgres://u:a%2Fb%40c%3Ad@h/d"
    assert resolved("{{secrets.P}}", in_url=True) == "a/b@c:d"


def test_what_a_secret_says_is_not_looked_at_again() -> None:
    secrets.put("A", "{{secrets.B}}")
    secrets.put("B", "never")
    assert resolved("{{secrets.A}}") == "{{secrets.B}}"


def test_unknown_and_dropped() -> None:
    with pytest.raises(secrets.Missing, match="Expected a secret named 'NOPE' but found none"):
        resolved("{{secrets.NOPE}}")
    secrets.put("A", "one")
    secrets.drop("A")
    with pytest.raises(secrets.Missing):
        resolved("{{secrets.A}}")
    with pytest.raises(Rejected) as caught:
        secrets.drop("A")
    assert caught.value.code == "secret-not-found"


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("1a", "x"), ("a}}", "x"), ("a", ""), ("a", "\0"), ("a", "x" * 70_000)]
)
def test_refused(name: str, value: str) -> None:
    with pytest.raises(Rejected) as caught:
        secrets.put(name, value)
    assert caught.value.code == "value-invalid"
    assert not value or value not in str(caught.value) or value == "x"


def test_rotation(settings: Any) -> None:
    secrets.put("A", "one")
    secrets.put("B", "two")
    keys(settings, NEW, OLD)
    before = set(Secret.objects.values_list("ciphertext", flat=True))
    assert secrets.rotate() == 2
    assert not before & set(Secret.objects.values_list("ciphertext", flat=True))
    keys(settings, NEW)
    assert resolved("{{secrets.A}}{{secrets.B}}") == "onetwo"
    keys(settings, OLD)
    with pytest.raises(secrets.Missing, match="a key that opens secret 'A'"):
        resolved("{{secrets.A}}")
    with pytest.raises(Rejected) as caught:
        secrets.rotate()
    assert caught.value.code == "secret-unreadable"


def test_keys_are_checked_at_the_start(settings: Any) -> None:
    settings.DEBUG = False
    assert secrets.check_keys() == []
    keys(settings, OLD, "too short")
    (found,) = secrets.check_keys()
    assert found.id == "processes.E001"
    assert "key 2" in found.msg
    assert "too short" not in str(found)
    keys(settings)
    assert [found.id for found in secrets.check_keys()] == ["processes.W001"]
    with pytest.raises(Rejected) as caught:
        secrets.put("A", "one")
    assert caught.value.code == "secrets-without-key"
    settings.DEBUG = True
    assert secrets.check_keys() == []
    secrets.put("A", "one")
    assert resolved("{{secrets.A}}") == "one"


def test_where_placeholders_are() -> None:
    assert secrets.mentions({"a": [{"b": "x{{secrets.A}}"}]})
    assert not secrets.mentions({"a": ["{{other.A}}", "{{secrets.}}", 7, None], "{{secrets.A}}": 1})
