"""Where calls may go: real lookups, real sockets, real redirects; the addresses are the guard's own matter."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tasks.connectors import outbound
from tasks.connectors.base import Connection, JobError
from tasks.connectors.deadline import open_socket
from tasks.connectors.outbound import AddressRefused, Policy, check_host, guarding, reason_to_refuse
from tests.tasks.connectors.conftest import CONNECTOR, make_job
from tests.tasks.connectors.server import Server

PUBLIC = Policy(allow_private=False)

REFUSED = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.88.99.1",
    "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::10.0.0.1",
    "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808",
    "2001:0:7f00:1::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "not an address", "",
]  # fmt: skip
ALLOWED = [
    "8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.255.255", "100.63.255.255", "100.128.0.1", "169.253.0.1", "11.0.0.1",
    "2606:4700:4700::1111", "2a00:1450:4001:82a::200e", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED)
def test_addresses_that_are_refused(address: str) -> None:
    assert reason_to_refuse(address)
    with pytest.raises(AddressRefused):
        outbound.check("somewhere", ["8.8.8.8", address], PUBLIC)
    outbound.check("somewhere", [address], Policy(allow_private=True))


@pytest.mark.parametrize("address", ALLOWED)
def test_addresses_that_are_public(address: str) -> None:
    assert reason_to_refuse(address) == ""
    outbound.check("somewhere", [address], PUBLIC)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "127.1", "0", "[::1]", "::1"],
)
def test_loopback_in_any_spelling(host: str) -> None:
    with guarding(PUBLIC), pytest.raises(OSError) as caught:  # noqa: PT011 - refused, or no address at all
        open_socket(host, 9, 60.0)
    assert isinstance(caught.value, AddressRefused | socket.gaierror)
    if host not in ("[::1]",):
        assert isinstance(caught.value, AddressRefused)
    assert "127.0.0.1" not in str(caught.value).replace(host, "")


@pytest.mark.parametrize(
    ("allowed", "host", "passes"),
    [
        ("api.example.com", "api.example.com", True),
        ("api.example.com", "API.example.com.", True),
        ("api.example.com", "xapi.example.com", False),
        ("api.example.com", "api.example.com.evil.com", False),
        (".example.com", "a.b.example.com", True),
        (".example.com", "example.com", False),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "evilexample.com", False),
        ("bücher.example", "xn--bcher-kva.example", True),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.10", False),
        ("::1", "[::1]", True),
    ],
)
def test_allowed_hosts(allowed: str, host: str, passes: bool) -> None:
    policy = Policy(allowed_hosts=("other.example", allowed))
    if passes:
        check_host(host, policy)
    else:
        with pytest.raises(AddressRefused, match="Expected one of the allowed hosts"):
            check_host(host, policy)


def refusal(call: Callable[[], Any]) -> JobError:
    with pytest.raises(JobError) as caught:
        call()
    assert (caught.value.code, caught.value.retryable) == ("ADDRESS_REFUSED", False)
    return caught.value


def test_http_refuses_what_the_job_may_not_call(server: Server) -> None:
    url = f"{server.url}/echo"
    error = refusal(lambda: CONNECTOR.run(make_job(variables={"url": url}, allow_private=False)))
    assert "loopback" in error.message
    assert not server.seen
    assert CONNECTOR.run(make_job(variables={"url": url}))["status"] == 200


def test_a_kept_connection_is_nobody_elses(server: Server) -> None:
    """What was opened for who may call here is not used for who may not."""
    url = f"{server.url}/echo"
    assert CONNECTOR.run(make_job(variables={"url": url}))["status"] == 200
    refusal(lambda: CONNECTOR.run(make_job(variables={"url": url}, allow_private=False)))
    assert len(server.seen) == 1


def test_a_connection_overrides(server: Server) -> None:
    given = {"variables": {"url": "/echo"}, "allow_private": False}
    inside = Connection(name="inside", url=server.url, allow_private=True)
    assert CONNECTOR.run(make_job(connection=inside, **given))["status"] == 200
    outside = Connection(name="outside", url=server.url, allow_private=False)
    refusal(lambda: CONNECTOR.run(make_job(connection=outside, variables={"url": "/echo"})))


def test_redirects_pass_the_guard(server: Server, other: Server) -> None:
    """Each hop: here by host, as both servers are on loopback."""
    by_name = other.url.replace("127.0.0.1", "localhost")
    only = Connection(name="shop", url=server.url, allow_private=True, allowed_hosts=("127.0.0.1",))
    error = refusal(lambda: CONNECTOR.run(make_job(connection=only, variables={"url": f"/redirect?to={by_name}/echo"})))
    assert "allowed hosts" in error.message
    assert not other.seen
    assert error.journal["redirects"]
    both = Connection(name="shop", url=server.url, allow_private=True, allowed_hosts=("127.0.0.1", "localhost"))
    assert CONNECTOR.run(make_job(connection=both, variables={"url": f"/redirect?to={by_name}/echo"}))["status"] == 200
