"""The HTTP connector against a server that drips, stalls, lies, hangs up and explodes."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors import deadline
from tasks.connectors.base import JobError
from tasks.connectors.http import HttpConnector
from tasks.connectors.http_session import Sessions
from tests.tasks.connectors.conftest import call, failure, make_job
from tests.tasks.connectors.server import Server, bomb, running

LONG = 15
"""Seconds. What is not cut by its deadline lasts longer, and a busy machine does not."""


class Watch:
    def __enter__(self) -> Watch:
        self.start = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.start


class Hasty:
    """A clock on which every look takes a second. What goes on and on is cut, however fast the machine is; and what was
    looked at but a few times is not, however slow."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "time", Hasty())


@pytest.mark.parametrize("path", ["drip", "slow-headers", "continue", "silent", "silent-body"])
def test_the_deadline_is_one_of_the_clock(server: Server, path: str) -> None:
    with Watch() as watch:
        error = failure(f"{server.url}/{path}", deadlineInSeconds=0.3)
    assert 0.2 < watch.seconds < LONG
    assert (error.code, error.retryable) == ("408", True)
    assert "within 0.3 s" in error.message
    assert 0 < error.journal["timings"]["total"] < watch.seconds + 0.001


@pytest.mark.usefixtures("hasty")
def test_what_has_dripped_is_in_the_journal(server: Server) -> None:
    error = failure(f"{server.url}/drip", deadlineInSeconds=20)
    assert set(error.journal["response"]["body"]) == {"x"}
    assert error.journal["response"]["bytes"] < 1000


@pytest.mark.usefixtures("hasty")
def test_a_status_survives_its_dripping_body(server: Server) -> None:
    error = failure(f"{server.url}/drip-chunks", deadlineInSeconds=20)
    assert (error.code, error.retryable) == ("503", True)
    assert error.details["response"]["body"].startswith("nono")


def test_the_lease_is_a_deadline(server: Server) -> None:
    with Watch() as watch:
        error = failure(f"{server.url}/drip", lease=0.3, deadlineInSeconds=60)
    assert watch.seconds < LONG
    assert error.code == "408"


def test_no_call_after_the_lease(server: Server) -> None:
    error = failure(f"{server.url}/echo", lease=-1)
    assert (error.code, error.retryable) == ("408", True)
    assert server.seen == []


def test_without_timeouts_the_lease_remains(server: Server) -> None:
    with Watch() as watch:
        error = failure(f"{server.url}/silent", lease=0.3, connectionTimeoutInSeconds=0, readTimeoutInSeconds=0)
    assert watch.seconds < LONG
    assert error.code == "408"


@pytest.mark.usefixtures("hasty")
def test_default_deadline_is_both_timeouts(server: Server) -> None:
    error = failure(f"{server.url}/drip", connectionTimeoutInSeconds=12, readTimeoutInSeconds="12")
    assert "within 24 s" in error.message


def test_read_timeout(server: Server) -> None:
    error = failure(f"{server.url}/silent", readTimeoutInSeconds=0.2, deadlineInSeconds=20)
    assert (error.code, error.retryable) == ("408", True)
    assert "silent too long" in error.message
    assert error.journal["response"] is None


def test_the_deadline_spans_redirects(server: Server) -> None:
    with Watch() as watch:
        error = failure(f"{server.url}/redirect?to=/drip", deadlineInSeconds=0.3)
    assert watch.seconds < LONG
    assert error.code == "408"


def test_a_server_that_never_accepts() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        queued = [socket.socket() for _ in range(4)]
        for one in queued:  # fill the queue, so that the next is not even connected
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        with Watch() as watch:
            error = failure(f"http://127.0.0.1:{port}/", connectionTimeoutInSeconds=0.2, deadlineInSeconds=20)
        assert watch.seconds < LONG
        assert (error.code, error.retryable) == ("408", True)
        assert "connected within 0.2 s" in error.message
        with Watch() as watch:
            error = failure(f"http://127.0.0.1:{port}/", deadlineInSeconds=0.2)
        assert watch.seconds < LONG
        assert error.code == "408"
        for one in queued:
            one.close()


def test_a_server_that_does_not_read(server: Server) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]
        with Watch() as watch:
            error = failure(f"http://127.0.0.1:{port}/", method="POST", body="x" * 30_000_000, deadlineInSeconds=0.4)
    assert watch.seconds < LONG
    assert error.code == "408"


def test_a_stuck_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    real = socket.getaddrinfo

    def stuck(host: str, *args: object, **kwargs: object) -> object:
        if kwargs.get("flags"):
            return real(host, *args, **kwargs)  # type: ignore[arg-type]
        released.wait(30)
        raise socket.gaierror("too late")

    monkeypatch.setattr(socket, "getaddrinfo", stuck)
    with Watch() as watch:
        error = failure("http://stuck.example/", deadlineInSeconds=0.2)
    released.set()
    assert watch.seconds < LONG
    assert error.code == "408"


def test_an_unknown_name() -> None:
    # The resolver of this machine may have to ask another one, which takes its time to say so.
    error = failure("http://no-such-host.invalid/", lease=120, connectionTimeoutInSeconds=100)
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)
    assert "no-such-host.invalid" in error.message


class Slept:
    """A clock that knows of no time but what a dead address took."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_a_dead_address_does_not_starve_the_living(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        dead.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for one in fillers:
            one.setblocking(False)
            one.connect_ex(dead.getsockname())
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        addresses = [(*kind, dead.getsockname()), (*kind, server.server_address)]
        monkeypatch.setattr(deadline, "_resolve", lambda *_: addresses)
        clock, connect = Slept(), socket.socket.connect

        def patient(one: deadline._Timed, address: Any) -> None:
            try:
                connect(one, address)
            except TimeoutError:
                clock.now += one.gettimeout() or 0.0
                raise

        monkeypatch.setattr(deadline, "time", clock)
        monkeypatch.setattr(deadline._Timed, "connect", patient, raising=False)
        assert call("http://two.example/echo", connectionTimeoutInSeconds=0.4)["status"] == 200
        for one in fillers:
            one.close()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("reset", "3 bytes of the body"),
        ("short", "IncompleteRead"),
        ("short-chunk", "9 bytes of the body"),
        ("bad-chunk", "bytes of the body"),
        ("hang-up", "closed connection"),
        ("garbage", "SSH-2.0"),
        ("many-headers", "100 headers"),
        ("long-header", "header line"),
    ],
)
def test_broken_answers(server: Server, path: str, told: str) -> None:
    error = failure(f"{server.url}/{path}")
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)
    assert told in error.message


def test_refused_connection() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failure(f"http://127.0.0.1:{unused.getsockname()[1]}/pay?token=s3cret")
    assert (error.code, error.retryable) == ("CONNECTION_FAILED", True)
    assert "refused" in error.message
    assert "s3cret" not in error.message
    assert error.journal["response"] is None
    assert error.journal["timings"]["headers"] is None


def test_gzip_bomb(server: Server) -> None:
    bomb()
    tracemalloc.start()
    try:
        error = failure(f"{server.url}/bomb")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000
    assert (error.code, error.retryable) == ("RESPONSE_TOO_LARGE", False)
    assert error.journal["response"]["bytes"] == 1_500_000


def test_the_body_of_a_redirect_is_not_read(server: Server) -> None:
    with Watch() as watch:
        assert call(f"{server.url}/redirect-drip")["body"]["path"] == "/echo"
    assert watch.seconds < LONG


@pytest.mark.parametrize("path", ["large?size=1001", "endless"])
def test_too_large(server: Server, path: str) -> None:
    error = failure(f"{server.url}/{path}", maxResponseBytes=1000)
    assert (error.code, error.retryable) == ("RESPONSE_TOO_LARGE", False)
    assert "1000" in error.message


def test_just_small_enough(server: Server) -> None:
    assert len(call(f"{server.url}/large?size=1000", maxResponseBytes="1000")["body"]) == 1000


def test_a_cut_call_leaves_the_next_one_alone(server: Server) -> None:
    failure(f"{server.url}/endless", maxResponseBytes=10)
    failure(f"{server.url}/drip", deadlineInSeconds=0.1)
    assert call(f"{server.url}/echo")["status"] == 200


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test"
    names = "subjectAltName=IP:127.0.0.1"
    files = ["-keyout", path, "-out", path.with_suffix(".crt")]
    command = ["openssl", "req", *options.split(), "-addext", names, *files]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.fixture
def secure(certificate: Path) -> Iterator[Server]:
    server = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    with running(server):
        yield server


def https(server: Server, path: str) -> str:
    return f"https://127.0.0.1:{server.server_address[1]}/{path}"


def test_an_untrusted_server(secure: Server) -> None:
    error = failure(https(secure, "echo"))
    assert (error.code, error.retryable) == ("SSL_HANDSHAKE_FAILED", True)
    assert "certificate verify failed" in error.message
    assert secure.seen == []


def test_plain_http_where_tls_is_expected(server: Server) -> None:
    assert failure(https(server, "echo")).code == "SSL_HANDSHAKE_FAILED"


def test_a_trusted_server(secure: Server, certificate: Path) -> None:
    connector = HttpConnector(Sessions(str(certificate.with_suffix(".crt"))))
    assert connector.run(make_job(variables={"url": https(secure, "echo")}))["status"] == 200
    before = secure.connections
    assert connector.run(make_job(variables={"url": https(secure, "echo")}))["status"] == 200
    assert secure.connections == before
    for path in ("drip", "slow-headers", "silent"):
        with Watch() as watch, pytest.raises(JobError) as caught:
            connector.run(make_job(variables={"url": https(secure, path), "deadlineInSeconds": 0.3}))
        assert watch.seconds < LONG
        assert caught.value.code == "408"


def test_no_redirect_from_https_to_http(secure: Server, server: Server, certificate: Path) -> None:
    connector = HttpConnector(Sessions(str(certificate.with_suffix(".crt"))))
    url = https(secure, f"redirect?to={server.url}/echo")
    with pytest.raises(JobError) as caught:
        connector.run(make_job(variables={"url": url}))
    assert (caught.value.code, caught.value.retryable) == ("INVALID_REDIRECT", False)
    assert server.seen == []


def test_a_stuck_handshake() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(5)
        with Watch() as watch:
            error = failure(f"https://127.0.0.1:{listener.getsockname()[1]}/", deadlineInSeconds=0.3)
    assert watch.seconds < LONG
    assert error.code == "408"
