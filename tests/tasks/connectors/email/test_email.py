"""Messages that arrive, and all the ways in which they do not."""

from __future__ import annotations

import base64
import socket
import time
from typing import Any

import pytest

from tasks.connectors import kit, outbound
from tasks.connectors.base import Connection, JobError
from tasks.connectors.email import EmailConnector
from tests.tasks.connectors.email.conftest import Post

EMAIL = EmailConnector()


def plain(post: Post, **more: Any) -> dict[str, Any]:
    """Inputs that send without TLS."""
    port = post.ports["plain"]
    given = {"host": "127.0.0.1", "port": port, "tls": "none", "from": "shop@example.org", "to": "bob@example.org"}
    return {**given, "subject": "Hello", "text": "Hello Bob", **more}


def send(inputs: dict[str, Any], *, lease: float = 30.0, **more: Any) -> Any:
    return EMAIL.run(kit.job(EMAIL, inputs, lease=lease, **more))


def failure(inputs: dict[str, Any], **more: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        send(inputs, **more)
    kit.storable([caught.value.details, caught.value.journal], "what it tells")
    return caught.value


def test_a_whole_message(post: Post) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
    inputs = plain(
        post,
        **{"from": "Der Läden <shop@example.org>"},
        to=["Bob <bob@example.org>", "carol@bücher.example"],
        cc="dora@example.org, eve@example.org",
        bcc="hidden@example.org",
        replyTo="help@example.org",
        subject="Größe 42 — bestellt",
        text="Hallo\n.\nein Punkt\n" + "ö" * 500,
        html="<p>Hallo ö</p>",
        attachments=[{"name": "bild.png", "content": base64.b64encode(png).decode()}],
        headers={"X-Order": 4711},
    )
    found = send(inputs)
    note, message = post.last()
    assert found["accepted"] == note["to"]
    assert note["to"] == [
        "bob@example.org", "carol@xn--bcher-kva.example", "dora@example.org", "eve@example.org", "hidden@example.org",
    ]  # fmt: skip
    assert "hidden" not in note["body"]
    assert message["From"] == "Der Läden <shop@example.org>"
    assert message["Subject"] == "Größe 42 — bestellt"
    assert (message["Reply-To"], message["X-Order"]) == ("help@example.org", "4711")
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == "Hallo\n.\nein Punkt\n" + "ö" * 500 + "\n"
    assert html.get_content().strip() == "<p>Hallo ö</p>"
    (attachment,) = message.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content_type()) == ("bild.png", "image/png")
    assert attachment.get_content() == png  # type: ignore[attr-defined]
    assert "Hallo" not in repr(found.journal)


def test_every_attempt_is_the_same_message(post: Post) -> None:
    ids = [send(plain(post), number=5, attempt=attempt)["messageId"] for attempt in (1, 2)]
    assert ids[0] == ids[1] == post.last()[1]["Message-ID"] == "<00000000-0000-4000-8000-000000000005@example.org>"
    assert send(plain(post), number=6)["messageId"] != ids[0]


def test_starttls_and_authentication(post: Post) -> None:
    inputs = {"from": "a@example.org", "to": "b@example.org", "text": "t"}
    send(inputs, connection=post.connection)
    assert (post.last()[0]["tls"], post.last()[0]["user"]) == (True, "ada")
    wrong = {**inputs, "username": "ada", "password": "battery staple"}
    error = failure(wrong, connection=post.connection)
    assert (error.code, error.retryable) == ("535", False)
    assert "battery" not in repr(error) + repr(error.journal) + repr(error.details), "the server gave it away"


def test_implicit_tls_by_url(post: Post) -> None:
    url = f"smtps://ada:correct%20horse@localhost:{post.ports['implicit']}"
    trusted = Connection(name="post", tls=post.connection.tls)
    send({"url": url, "from": "a@example.org", "to": "b@example.org", "text": "t"}, connection=trusted)
    assert (post.last()[0]["tls"], post.last()[0]["user"]) == (True, "ada")


def test_who_cannot_prove_who_it_is_gets_nothing(post: Post) -> None:
    before = len(post.taken())
    inputs = plain(post, tls="starttls", username="ada", password="correct horse")
    assert failure(inputs).code == "TLS_FAILED"
    assert failure({**inputs, "tls": "implicit", "port": post.ports["implicit"]}).code == "TLS_FAILED"
    # It is not logged in to in the clear either: the server offers it over TLS only.
    assert failure({**inputs, "tls": "none"}).code == "NOT_SUPPORTED"
    assert len(post.taken()) == before


def test_refusals(post: Post) -> None:
    for who, code, retryable in (("no", "550", False), ("grey", "451", True), ("full", "552", False)):
        error = failure(plain(post, to=f"{who}@example.org"))
        assert (error.code, error.retryable) == (code, retryable)
        assert error.details["response"]["status"] == int(code)
    both = failure(plain(post, to="no@example.org, grey@example.org"))
    assert (both.code, both.retryable) == ("451", True), "one of them may take it later"
    some = send(plain(post, to="no@example.org, bob@example.org"))
    assert some["accepted"] == ["bob@example.org"]
    assert some["refused"] == {"no@example.org": {"status": 550, "message": "no such user"}}
    busy = failure(plain(post, port=post.ports["busy"]))
    assert (busy.code, busy.retryable) == ("421", True)


def test_faults(post: Post) -> None:
    assert failure(plain(post, to="drop@example.org")).code == "CONNECTION_FAILED"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert failure(plain(post, port=nobody.getsockname()[1])).code == "CONNECTION_FAILED"
    assert failure(plain(post, host="no.such.host.invalid")).code == "CONNECTION_FAILED"
    began = time.monotonic()
    error = failure(plain(post, to="drip@example.org", deadlineInSeconds=1.5))
    assert (error.code, error.retryable) == ("TIMEOUT", True)
    assert time.monotonic() - began < 15, "the whole answer takes half a minute"


def test_the_hosts_of_a_connection(post: Post) -> None:
    only = Connection(name="post", allowed_hosts=("mail.example.org",))
    assert "allows" in failure(plain(post), connection=only).message


def test_where_it_may_not_go(post: Post) -> None:
    with outbound.guarding(outbound.Policy(allow_private=False)):
        error = failure(plain(post))
    assert (error.code, error.retryable) == ("ADDRESS_REFUSED", False)
