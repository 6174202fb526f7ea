"""Objects that go and come, services that say no, and services that are none."""

from __future__ import annotations

import base64
import ssl
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tasks.connectors import kit, outbound
from tasks.connectors.base import Connection, JobError
from tests.tasks.connectors.s3.conftest import S3, SECRET, Store
from tests.tasks.connectors.server import Server, running

pytest.importorskip("minio", reason="minio, an extra, is not installed")

DATA = bytes(range(256)) * 300


def test_conformance(store: Store, server: Server) -> None:
    good = store.inputs("upload", key="kit/a.txt", content="x")
    kit.check(
        S3,
        inputs=good,
        bad_inputs=[
            {**good, "operation": "burn"},
            {**good, "operation": "download"},
            {**good, "operation": "list"},
            {**good, "operation": "list", "content": ""},
            {**good, "bucket": ""},
            {**good, "bucket": "a/b"},
            {**good, "bucket": "a..b"},
            {**good, "key": ""},
            {**good, "key": "a/../b"},
            {**good, "key": "k" * 1025},
            {**good, "key": "a\nb"},
            {**good, "secretKey": ""},
            {**good, "endpoint": "ftp://127.0.0.1"},
            {**good, "endpoint": "http://ada:secret@127.0.0.1"},
            {**good, "endpoint": "http://127.0.0.1/path"},
            {**good, "region": "the moon"},
            {**good, "encoding": "base64", "content": "?"},
            {**good, "encoding": "document"},
            {**good, "document": {"camunda.document.type": "x"}},
            {**good, "contentType": "nonsense"},
            {**good, "metadata": {"a": "ü"}},
            {**good, "metadata": {"a b": "c"}},
            {**good, "maxBytes": 0},
            {**good, "maxKeys": 10_001},
        ],
        slow_inputs={**good, "endpoint": server.url, "bucket": "drip", "operation": "download", "content": ""},
        slack=20.0,
    )


def test_there_and_back(store: Store) -> None:
    text = "Grüße\n" * 20_000
    done = store.ask("upload", key="in/Grüße & more.txt", content=text, contentType="text/plain; charset=utf-8")
    assert done["size"] == len(text.encode())
    assert (done["bucket"], done["key"]) == ("shop", "in/Grüße & more.txt")
    got = store.ask("download", key="in/Grüße & more.txt")
    assert got["content"] == text
    assert (got["etag"], got["contentType"]) == (done["etag"], "text/plain; charset=utf-8")
    coded = base64.b64encode(DATA).decode()
    store.ask("upload", key="in/b.bin", content=coded, encoding="base64", metadata={"Order-Id": 4711})
    got = store.ask("download", key="in/b.bin", encoding="base64")
    assert (got["content"], got["metadata"]) == (coded, {"order-id": "4711"})
    assert store.raw.get_object(Bucket="shop", Key="in/b.bin")["Body"].read() == DATA
    assert store.failure("download", key="in/b.bin").code == "INVALID_CONTENT"
    head = store.ask("head", key="in/b.bin")
    assert (head["size"], head["contentType"]) == (len(DATA), "application/octet-stream")
    assert head["modified"].startswith("20")
    assert "content" not in head
    response = store.ask("delete", key="in/b.bin")
    assert dict(response) == {"bucket": "shop", "key": "in/b.bin"}
    assert dict(store.ask("delete", key="in/b.bin")) == dict(response), "a repeated attempt finds it done"
    journal = response.journal
    assert journal["request"]["key"] == "in/b.bin"
    assert journal["response"]["status"] == 204


def test_documents_there_and_back(store: Store) -> None:
    shelf = kit.Shelf()
    reference = shelf.store(DATA, "image/png", "plan.png")
    done = store.ask("upload", document=reference, documents=shelf)
    assert done["key"] == "plan.png", "unless told, the name of the document"
    again = store.ask("upload", document=reference, documents=shelf, key="plan.png")
    assert again["etag"] == done["etag"], "every attempt puts the same"
    assert store.raw.head_object(Bucket="shop", Key="plan.png")["ContentType"] == "image/png"
    got = store.ask("download", key="plan.png", encoding="document", documents=shelf)
    assert "content" not in got
    assert got["document"] == reference
    # A document may be larger than a variable, and has its own limit.
    large = shelf.store(b"x" * 6_000_000, "text/plain", "large")
    store.ask("upload", document=large, documents=shelf)
    assert store.ask("download", key="large", encoding="document", documents=shelf)["size"] == 6_000_000
    for more in ({}, {"encoding": "document", "documents": kit.Shelf(limit=1000)}, {"maxBytes": 5_999_999}):
        error = store.failure("download", key="large", **more)
        assert (error.code, error.retryable) == ("OBJECT_TOO_LARGE", False)
    gone = {**reference, "contentHash": "0" * 64}
    assert store.failure("upload", document=gone, documents=shelf).code == "DOCUMENT_NOT_FOUND"


def test_listing(store: Store) -> None:
    for number in range(5):
        store.ask("upload", key=f"many/{number}.txt", content="x" * number)
    found = store.ask("list", prefix="many/")
    assert [(each["key"], each["size"]) for each in found["objects"]] == [(f"many/{n}.txt", n) for n in range(5)]
    assert found["complete"] is True
    assert store.ask("list", prefix="many/", maxKeys=5)["complete"] is True
    cut = store.ask("list", prefix="many/", maxKeys=4)
    assert (len(cut["objects"]), cut["complete"]) == (4, False)
    assert store.ask("list", prefix="none/")["objects"] == []


def test_what_the_service_says(store: Store) -> None:
    for operation in ("download", "head"):
        error = store.failure(operation, key="nope")
        assert (error.code, error.retryable) == ("NoSuchKey", False)
        assert error.details["response"]["status"] == 404
    error = store.failure("download", bucket="elsewhere", key="a")
    assert (error.code, error.retryable) == ("NoSuchBucket", False)
    assert store.failure("list", bucket="elsewhere").code == "NoSuchBucket"


def test_camundas_inputs_and_responses(store: Store) -> None:
    assert S3.aliases == ("io.camunda:aws-s3:1",)
    shelf = kit.Shelf()
    reference = shelf.store(b'{"a": 1}', "application/json", "order.json")

    def run(kind: str, **action: Any) -> Any:
        inputs = {
            "actionDiscriminator": kind,
            "action": {"bucket": "shop", **action},
            "authentication": {"type": "credentials", "accessKey": "ada", "secretKey": SECRET},
            "configuration": {"region": "eu-central-1", "endpoint": store.url},
        }
        return S3.run(kit.job(S3, inputs, documents=shelf, type="io.camunda:aws-s3:1"))

    up = run("uploadObject", document=reference)
    assert up == {"bucket": "shop", "key": "order.json", "link": "https://shop.s3.amazonaws.com/order.json"}
    down = run("downloadObject", key="order.json", asFile=True)
    assert down == {"bucket": "shop", "key": "order.json", "element": {"document": reference}}
    assert run("downloadObject", key="order.json", asFile="false")["element"] == {"content": {"a": 1}}
    assert run("deleteObject", key="order.json") == {"bucket": "shop", "key": "order.json"}
    for kind, wrong, told in (("burn", {}, "`actionDiscriminator`"), ("deleteObject", {"version": 1}, "version")):
        with pytest.raises(JobError, match=told) as caught:
            run(kind, key="a", **wrong)
        assert caught.value.code == "INVALID_INPUT"


# -- connections -------------------------------------------------------------------------------------------------------


def test_a_connection_says_where_and_who(store: Store) -> None:
    keys = {"accessKey": "ada", "secretKey": SECRET}
    options = {"bucket": "shop", "region": "eu-central-1"}
    connection = Connection(name="depot", url=store.url, authentication=keys, options=options, allow_private=True)
    inputs = {"operation": "upload", "key": "c.txt", "content": "x"}
    response = S3.run(kit.job(S3, inputs, connection=connection))
    assert response["bucket"] == "shop"
    assert response.journal["request"]["region"] == "eu-central-1"
    assert store.raw.get_object(Bucket="shop", Key="c.txt")["Body"].read() == b"x"


def test_its_keys_go_nowhere_else(server: Server) -> None:
    connection = Connection(
        name="depot", url="https://s3.example", authentication={"accessKey": "ada", "secretKey": SECRET}
    )
    inputs = {"operation": "download", "endpoint": server.url, "bucket": "status", "key": "404"}
    with pytest.raises(JobError):
        S3.run(kit.job(S3, inputs, connection=connection))
    assert len(server.seen) == 1
    assert "authorization" not in server.seen[0]["headers"]


def test_the_guard(store: Store, server: Server) -> None:
    def refused(policy: outbound.Policy, **more: Any) -> JobError:
        with outbound.guarding(policy):
            return store.failure("head", key="a", **more)

    before = server.connections
    for policy in (outbound.Policy(allow_private=False), outbound.Policy(allowed_hosts=("s3.example",))):
        error = refused(policy, endpoint=server.url)
        assert (error.code, error.retryable) == ("ADDRESS_REFUSED", False)
    # Where buckets are hosts, it is these that are looked at.
    aws = refused(outbound.Policy(allowed_hosts=("s3.eu-central-1.amazonaws.com",)), endpoint="", region="eu-central-1")
    assert aws.code == "ADDRESS_REFUSED"
    assert "shop.s3.eu-central-1.amazonaws.com" in aws.message
    assert server.connections == before


# -- the network -------------------------------------------------------------------------------------------------------


def test_services_that_are_none(store: Store, server: Server) -> None:
    def fails(bucket: str, operation: str = "download", key: str = "x", **more: Any) -> tuple[str, bool]:
        more = {"key": key, **more} if operation != "list" else more
        error = store.failure(operation, endpoint=server.url, bucket=bucket, **more)
        return error.code, error.retryable

    assert fails("status", key="503") == ("INVALID_RESPONSE", True)
    assert fails("status", key="418") == ("INVALID_RESPONSE", False)
    assert fails("declined") == ("INVALID_RESPONSE", False)
    assert fails("loop") == ("INVALID_RESPONSE", False), "no redirect is followed"
    assert fails("endless") == ("OBJECT_TOO_LARGE", False)
    assert fails("endless", "list") == ("INVALID_RESPONSE", False)
    assert fails("garbage") == ("CONNECTION_FAILED", True)
    assert fails("hang-up") == ("CONNECTION_FAILED", True)
    assert fails("short") == ("CONNECTION_FAILED", True)
    assert fails("reset") == ("CONNECTION_FAILED", True)
    assert fails("echo", "list") == ("INVALID_RESPONSE", False)
    calls = len(server.seen)
    fails("status", "upload", key="503", content="x")
    assert len(server.seen) == calls + 1, "tries belong to the engine"


@pytest.mark.parametrize("bucket", ["silent", "drip", "silent-body", "slow-headers"])
def test_it_is_on_time(store: Store, server: Server, bucket: str) -> None:
    began = time.monotonic()
    error = store.failure("download", endpoint=server.url, bucket=bucket, key="x", deadlineInSeconds=0.6)
    assert (error.code, error.retryable) == ("TIMEOUT", True)
    assert time.monotonic() - began < 15, "what goes on and on goes on for longer"


def test_nobody_there(store: Store) -> None:
    assert store.failure("head", key="a", endpoint="http://127.0.0.1:1").code == "CONNECTION_FAILED"
    assert store.failure("head", key="a", endpoint="http://nobody.invalid").code == "CONNECTION_FAILED"
    assert store.failure("head", key="a", endpoint=store.url.replace("http", "https")).code == "SSL_HANDSHAKE_FAILED"
    assert store.failure("head", key="a", lease=-1).code == "TIMEOUT"


def test_tls_as_the_connection_says(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    told = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "identity.pem").write_bytes(told + certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "identity.pem")
    server = Server()
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    inputs = {"operation": "download", "bucket": "chunks", "key": "x"}
    with running(server):
        url = server.url.replace("http", "https")

        def ask(**tls: Any) -> Any:
            return S3.run(
                kit.job(S3, inputs, connection=Connection(name="depot", url=url, tls=tls, allow_private=True))
            )

        assert ask(ca=certificate.decode())["content"] == "abcde"
        assert ask(verify=False)["content"] == "abcde"
        with pytest.raises(JobError) as caught:
            ask()
        assert (caught.value.code, caught.value.retryable) == ("SSL_HANDSHAKE_FAILED", True)
        with pytest.raises(JobError) as caught:
            ask(ca="nonsense")
        assert caught.value.code == "INVALID_INPUT"
