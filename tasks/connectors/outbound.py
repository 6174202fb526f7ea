"""Where calls may go: hosts by name, addresses after their resolution.

A model, or a variable of one, names the address of a call, so without a guard whoever starts a process could reach
what only our own network should: a metadata service, a database, a router. So a name is resolved once, *every* address
that it has is looked at, and the connection is made to the address that was looked at. Redirects are new connections
and pass here too. What is looked at is what the packet would reach: addresses that carry another one (IPv4-mapped,
6to4, Teredo, NAT64) are unwrapped, and a host written as a number is whatever the resolver makes of it.

The worker says `guarding(policy)` around each run of a connector. Connections of `deadline` ask `check` themselves; a
connector whose library connects by itself calls `resolve` or `check_host` first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from tasks.connectors.base import Job

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")
_SITE_LOCAL = ipaddress.IPv6Network("fec0::/10")
_RELAY_6TO4 = ipaddress.IPv4Network("192.88.99.0/24")


class AddressRefused(OSError):
    """A host or address that may not be called. Trying again does not help."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Where calls may go. No host is named: any."""

    allow_private: bool = True
    allowed_hosts: tuple[str, ...] = ()


OPEN = Policy()
_policy: ContextVar[Policy] = ContextVar("_policy", default=OPEN)


def policy_of(job: Job) -> Policy:
    """What the connection of a job says, or else the settings of the worker."""
    if job.connection is None:
        return Policy(allow_private=job.allow_private)
    return Policy(job.connection.allow_private, job.connection.allowed_hosts)


@contextmanager
def guarding(policy: Policy) -> Iterator[None]:
    """All connections of this block, in this thread, obey the policy."""
    token = _policy.set(policy)
    try:
        yield
    finally:
        _policy.reset(token)


def current() -> Policy:
    """The policy of this thread."""
    return _policy.get()


def check_host(host: str, policy: Policy | None = None) -> None:
    """Raises `AddressRefused` where only other hosts may be called."""
    policy = policy or current()
    if not policy.allowed_hosts:
        return
    name = _plain(host)
    for allowed in policy.allowed_hosts:
        wanted = _plain(allowed.removeprefix("*"))
        if name == wanted or (wanted.startswith(".") and name.endswith(wanted)):
            return
    raise AddressRefused(f"Expected one of the allowed hosts of the connection, but found {host:.255}")


def check(host: str, addresses: Iterable[str], policy: Policy | None = None) -> None:
    """Look at every address that a host has. Raises `AddressRefused` where one of them may not be called.

    The text names the host and what is wrong with it, but no address: whoever reads it need not learn our network.
    """
    policy = policy or current()
    check_host(host, policy)
    if policy.allow_private:
        return
    for address in addresses:
        reason = reason_to_refuse(address)
        if reason:
            raise AddressRefused(
                f"Expected a public address of {host:.255}, but found {reason}; a connection may allow it"
            )


def reason_to_refuse(text: str) -> str:
    """What is wrong with an address: "a loopback address"; empty for one that is public."""
    try:
        address: Address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return "something that is not an address"
    reasons = [_reason(one) for one in _reached(address)]
    return next((reason for reason in reasons if reason), "")


def _reached(address: Address) -> Iterator[Address]:
    """The address and those that it carries: packets to it end there."""
    yield address
    if isinstance(address, ipaddress.IPv4Address):
        return
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or (address in _COMPATIBLE and int(address) > 0xFFFF):
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    yield from (one for one in inner if one is not None)


def _reason(address: Address) -> str:
    if isinstance(address, ipaddress.IPv6Address) and (address.ipv4_mapped is not None or address in _NAT64):
        return ""  # nothing but a wrapping: what is in it counts
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified:
        return "the unspecified address"
    if address.is_multicast:
        return "a multicast address"
    if address in _LOCAL_NAT64 or address in _SITE_LOCAL or address in _COMPATIBLE or address in _RELAY_6TO4:
        return "an address of local use"
    if not address.is_global:
        return "a private address" if address.is_private else "an address that is not public"
    return ""


def _plain(host: str) -> str:
    name = host.strip().strip("[]").rstrip(".").lower()
    if not name.isascii():
        try:
            return name.encode("idna").decode()
        except UnicodeError:
            return name
    return name
