"""Descriptions of services (WSDL 1.1 with its XML Schemas): fetched, read by zeep, kept for a while.

Reading a WSDL takes longer than most calls, so each process keeps what it has read. After `KEPT` seconds the documents
are fetched again, and read again only where they changed; so they are when an operation is asked for that the
description does not have. One job fetches, and others go on with what is known. A description that cannot be fetched
again is used until it can: the service may well be up while whoever serves its WSDL is not.

Where the documents come from is not decided here: `fetch` is the guarded door of the connector, so nothing but http
and https is read, and imports pass the same door.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from zeep.settings import Settings
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap11Binding, Soap12Binding

from tasks.connectors import deadline
from tasks.connectors.base import JobError
from tasks.connectors.redaction import Redactor

KEPT = 300.0
"""Seconds until a description is looked at again."""
FRESH = 10.0
"""Seconds in which nothing is fetched twice, whatever is asked for."""
LONGEST_WAIT = 60.0
"""Seconds that a job without a deadline waits for another one's fetch."""
MOST_DESCRIPTIONS = 64
MOST_DOCUMENTS = 200
MOST_BYTES = 16_000_000
"""Of one description with its imports."""

SETTINGS = Settings(strict=True, xml_huge_tree=False, forbid_dtd=True, forbid_entities=True)

Fetch = Callable[[str], bytes]
"""Gets a document by its address. Raises `JobError`."""


class UnknownOperationError(Exception):
    """The description has no such operation, service or port. The text names those that it has."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation as a port offers it. `operation` is zeep's."""

    operation: Any
    version: str
    """Of SOAP: "1.1" or "1.2"."""
    address: str
    action: str
    """For ``SOAPAction`` and ``wsa:Action``."""


@dataclass(slots=True)
class Description:
    """One WSDL with its schemas. `digests` are those of the documents, by their addresses."""

    document: Any
    digests: dict[str, str]
    looked_at: float = field(default_factory=time.monotonic)

    @property
    def schema(self) -> Any:
        return self.document.types

    def find(self, operation: str, *, service: str = "", port: str = "", version: str = "") -> Endpoint:
        """An operation, in the first SOAP port that has it. `port` may also be the name of a port type.

        Raises `UnknownOperationError`.
        """
        found: list[tuple[str, Any, str]] = []
        offered: list[str] = []
        for service_name, one in self.document.services.items():
            for port_name, candidate in one.ports.items():
                spoken = _version(candidate.binding)
                if not spoken:
                    continue
                offered.append(f"{service_name}/{port_name} (SOAP {spoken})")
                kind = getattr(candidate.binding.port_name, "localname", "")
                if service in ("", service_name) and port in ("", port_name, kind) and version in ("", spoken):
                    found.append((port_name, candidate, spoken))
        if not found:
            wanted = "/".join(part for part in (service, port) if part) + (f" (SOAP {version})" if version else "")
            raise UnknownOperationError(
                f"Expected the service to have the port {wanted}, but it has {_listed(offered)}"
                if wanted
                else "Expected the service to have a SOAP port, but it has none"
            )
        for _, candidate, spoken in found:
            known = candidate.binding.all().get(operation)
            if known is not None:
                address = (candidate.binding_options or {}).get("address") or ""
                return Endpoint(known, spoken, address, _action(known, candidate.binding))
        names = {name for _, candidate, _ in found for name in candidate.binding.all()}
        raise UnknownOperationError(
            f"Expected the service to have the operation '{operation:.80}', but it has {_listed(sorted(names))}"
        )


@dataclass(slots=True)
class _Entry:
    lock: threading.Lock = field(default_factory=threading.Lock)
    description: Description | None = None


class Descriptions:
    """The descriptions that this process knows. Safe to share between threads, and over a fork."""

    def __init__(self, *, kept: float = KEPT, fresh: float = FRESH) -> None:
        self._kept = kept
        self._fresh = fresh
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def get(self, url: str, fetch: Fetch, *, owner: str = "", renew: bool = False) -> Description:
        """The description at an address, fetched where it is not known or not fresh enough.

        `owner` keeps apart what was fetched with different credentials. `renew` asks for another look, for it lacks
        something. Raises `JobError`: ``WSDL_UNAVAILABLE`` or ``INVALID_WSDL``, or ``408`` where somebody else fetches
        it for too long.
        """
        entry = self._entry((url, owner))
        known = entry.description
        if known is not None and not self._is_due(known, renew):
            return known
        if known is None or renew:
            left = deadline.left()
            mine = entry.lock.acquire(timeout=LONGEST_WAIT if left is None else max(0.0, left))
        else:
            mine = entry.lock.acquire(blocking=False)  # nobody waits for a second look at what is good enough
        if not mine:
            if known is not None:
                return known
            raise JobError(f"Expected the WSDL at {_shown(url)} to be read in time, but it was not", code="408")
        try:
            known = entry.description
            if known is None:
                entry.description = _read(url, _Documents(fetch))
            elif self._is_due(known, renew):
                entry.description = self._renewed(url, known, fetch)
            assert entry.description is not None
            return entry.description
        finally:
            entry.lock.release()

    def _is_due(self, known: Description, renew: bool) -> bool:
        return time.monotonic() - known.looked_at >= (self._fresh if renew else self._kept)

    def _renewed(self, url: str, known: Description, fetch: Fetch) -> Description:
        documents = _Documents(fetch)
        try:
            if {address: _digest(documents.load(address)) for address in known.digests} != known.digests:
                return _read(url, documents)
            known.looked_at = time.monotonic()
        except JobError:
            # Not before a while: or every job would wait for a server that is away.
            known.looked_at = time.monotonic() - max(0.0, self._kept - self._fresh)
        return known

    def _entry(self, key: tuple[str, str]) -> _Entry:
        if self._pid != os.getpid():
            # A lock that a thread of our parent held is never released here.
            self._pid, self._lock, self._entries = os.getpid(), threading.Lock(), {}
        with self._lock:
            entry = self._entries.pop(key, None) or _Entry()
            self._entries[key] = entry  # the last one asked for stands last
            while len(self._entries) > MOST_DESCRIPTIONS:
                del self._entries[next(iter(self._entries))]
            return entry


class _Documents:
    """What zeep calls a transport, for loading only: one description's documents, within their limits."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._contents: dict[str, bytes] = {}

    def load(self, url: str) -> bytes:
        address = str(url).partition("#")[0]
        if address not in self._contents:
            if not address.lower().startswith(("http://", "https://")):
                raise _invalid(f"Expected a WSDL to import by http or https, but it imports '{address:.100}'")
            if len(self._contents) >= MOST_DOCUMENTS:
                raise _invalid(f"Expected a WSDL of at most {MOST_DOCUMENTS} documents, but it has more")
            content = self._fetch(address)
            if sum(map(len, self._contents.values())) + len(content) > MOST_BYTES:
                raise _invalid(f"Expected a WSDL of at most {MOST_BYTES} bytes, but it has more")
            self._contents[address] = content
        return self._contents[address]

    def close(self) -> dict[str, str]:
        """The digests of what was loaded. From here on nothing is: zeep keeps its transport, and must not come back by
        the door of a job that is done."""
        digests = {address: _digest(content) for address, content in self._contents.items()}
        self._contents, self._fetch = {}, _closed
        return digests


def _closed(url: str) -> bytes:
    raise _invalid(f"Expected everything of the WSDL to be loaded, but '{url:.100}' was asked for later")


def _read(url: str, documents: _Documents) -> Description:
    transport: Any = documents
    try:
        document: Any = Document(url, transport, settings=SETTINGS)
    except JobError:
        raise
    except Exception as problem:  # whatever a stranger's document makes of zeep, it is the document's fault
        reason = f"{type(problem).__name__}: {problem}"[:300]
        raise _invalid(f"Expected a WSDL at {_shown(url)}, but it cannot be read: {reason}") from problem
    if not document.services:
        raise _invalid(f"Expected a WSDL at {_shown(url)}, but what is there describes no service")
    return Description(document, documents.close())


def _invalid(message: str) -> JobError:
    return JobError(message, retryable=False, code="INVALID_WSDL")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _version(binding: Any) -> str:
    return "1.2" if isinstance(binding, Soap12Binding) else "1.1" if isinstance(binding, Soap11Binding) else ""


def _action(operation: Any, binding: Any) -> str:
    """WS-Addressing 1.0 Metadata 4.4: said in so many words, else the SOAP action, else made of names."""
    said = operation.abstract.wsa_action or operation.soapaction
    if said:
        return str(said)
    kind = binding.port_name
    return f"{(kind.namespace or '').rstrip('/')}/{kind.localname}/{operation.name}Request"


def _shown(url: str) -> str:
    return Redactor().text(url)[:200]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:30])
    return (shown + (f" and {len(names) - 30} more" if len(names) > 30 else "")) or "none"
