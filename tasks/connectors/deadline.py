"""A wall-clock deadline under a whole HTTP call: name lookup, connecting, TLS, headers and body.

The timeouts of `requests` hold for one socket operation each, so a server that sends one byte a second holds
a worker for ever. Here every operation of a socket first asks how much of the call is left:

    with within(10.0):
        session.send(...)  # over connections of this module

Who opens the connection decides where it goes: everything that a call resolves and connects passes
`open_socket`.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from tasks.connectors import outbound

_ends: ContextVar[float | None] = ContextVar("_ends", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All that sockets of this module do in this block, in this thread, ends after so many seconds."""
    token = _ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        _ends.reset(token)


def left() -> float | None:
    """Seconds until the deadline, negative after it; None where no deadline is set."""
    ends = _ends.get()
    return None if ends is None else ends - time.monotonic()


def passed(slack: float = 0.0) -> bool:
    """Whether there is a deadline, and it is over, or will be in `slack` seconds."""
    seconds = left()
    return seconds is not None and seconds <= slack


class _Timed(socket.socket):
    """A socket whose operations wait for their own timeout or for the deadline, whichever comes first."""

    _own: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._own = value
        super().settimeout(value)

    def _arm(self) -> None:
        seconds = left()
        if seconds is None:
            return
        if seconds <= 0:
            raise TimeoutError("the deadline has passed")
        # Not through our own settimeout: what the caller asked for must survive until the next operation.
        socket.socket.settimeout(self, seconds if self._own is None else min(seconds, self._own))

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._arm()
        return super().recv_into(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._arm()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._arm()
        super().sendall(*args, **kwargs)


class _TimedTLS(_Timed, ssl.SSLSocket):
    """The same under TLS. OpenSSL's own loops (handshake, records) obey the timeout as a whole."""

    def do_handshake(self, block: bool = False) -> None:
        own = self._own
        self._arm()
        try:
            super().do_handshake(block)
        finally:
            self._own = own  # SSLSocket puts back "the timeout", which is the armed one


def tls_context(ca_bundle: str, authorities: str = "") -> ssl.SSLContext:
    """A verifying client context over this file or folder of certificates, with timed sockets. `authorities` (PEM) are
    trusted instead. Raises OSError where the certificates cannot be read."""
    context = ssl.create_default_context(cadata=authorities or None)
    if not authorities:
        context.load_verify_locations(ca_bundle)
    context.sslsocket_class = _TimedTLS
    return context


def open_socket(host: str, port: int, timeout: float | None, options: Sequence[Any] = ()) -> socket.socket:
    """Connect to the first address of a host that answers.

    `timeout` (seconds, or None) covers the name lookup and all addresses together, so that a name with ten
    dead addresses is no slower to give up than a name with one. Raises OSError: `socket.gaierror` where the
    name is unknown, TimeoutError where the time was up, `AddressRefused` where the host may not be called.
    """
    outbound.check_host(host)
    limits = [seconds for seconds in (timeout, left()) if seconds is not None]
    until = time.monotonic() + min(limits) if limits else None
    addresses = _resolve(host, port, until)
    # All of them, and before the first: which one a client ends at is for the network to decide, not for us.
    outbound.check(host, [str(address[0]) for *_, address in addresses])
    error: OSError = OSError(f"{host} has no address")
    for number, (family, kind, protocol, _, address) in enumerate(addresses):
        connection = _Timed(family, kind, protocol)
        try:
            for option in options:
                connection.setsockopt(*option)
            # A fair share for each address: one that swallows packets must not starve the one that works.
            connection.settimeout(_remaining(until, len(addresses) - number))
            connection.connect(address)
        except OSError as problem:
            connection.close()
            error = problem
        else:
            return connection
    raise error


def _remaining(until: float | None, shares: int = 1) -> float | None:
    if until is None:
        return None
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("timed out")
    return seconds / shares


def _resolve(host: str, port: int, until: float | None) -> list[Any]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass  # a name, not an address
    except UnicodeError as problem:
        raise socket.gaierror(f"{host:.80} is not a host name") from problem
    # The system's resolver cannot be interrupted, only left behind: its own timeouts end the thread.
    answers: queue.SimpleQueue[list[Any] | OSError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as problem:
            answers.put(problem)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=_remaining(until))
    except queue.Empty:
        raise TimeoutError(f"the name lookup of {host} timed out") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


class _Opens(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        try:
            timeout = self.timeout if isinstance(self.timeout, int | float) else None
            return open_socket(self._dns_host, self.port or self.default_port, timeout, self.socket_options or ())
        except socket.gaierror as problem:
            raise NameResolutionError(self.host, self, problem) from problem
        except TimeoutError as problem:
            raise ConnectTimeoutError(self, str(problem)) from problem
        except OSError as problem:
            raise NewConnectionError(self, str(problem)) from problem


class _OpensTLS(_Opens, HTTPSConnection):
    pass


class HTTPPool(HTTPConnectionPool):
    ConnectionCls = _Opens


class HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _OpensTLS

    def _validate_conn(self, conn: Any) -> None:
        # Without the parent's warning about unverified servers: an operator has asked for that, once, by name.
        if conn.is_closed:
            conn.connect()
