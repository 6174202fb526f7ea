"""What a connector is given, what it gives back, and the words it may say when things go wrong.

    class Greeter:
        type = "greeter"

        def run(self, job: Job) -> Mapping[str, Any]:
            return {"greeting": f"Hello {job.variables['name']}"}

or, with a plain function:

    @connector("greeter")
    def greet(job: Job) -> Mapping[str, Any]: ...

What `run` returns is the *response* of the job: `resultVariable`, `resultExpression` and output mappings of
the model say what of it becomes process variables. `Awaiting` instead says that the response comes later. A
connector that cannot do its work raises `JobError` (the world's fault, retried by policy) or `BpmnError` (a
business outcome that the model routes on). One whose work is under way elsewhere raises `Postponed` and looks
again later. Any other exception counts as a `JobError`.

One object serves all jobs of its type in a process, from several threads at once.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, runtime_checkable

from tasks.connectors.documents import Document, Documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A named, configured destination, as a connector sees it: what it contains is resolved and secret."""

    name: str
    url: str = ""
    """Base URL, DSN or address of a WSDL; inputs of the job are relative to it."""
    authentication: Mapping[str, Any] = field(default_factory=dict, repr=False)
    tls: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """`verify` (bool), `ca`, `certificate`, `key` (PEM texts), `password`."""
    timeout: float | None = None
    """Seconds for a whole call, None: as the job says."""
    allowed_hosts: tuple[str, ...] = ()
    """The only hosts that may be called; empty: any."""
    allow_private: bool = False
    """Whether addresses of private networks may be called."""
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Whatever else its connector understands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaiting:
    """What a connector returns that has asked, and whose answer comes by itself, later, to somebody else.

    The job is neither done nor held by a worker meanwhile. It must have been announced with `Job.expect` before
    anything was sent, or an answer that is quick finds nobody.
    """

    correlation_id: str
    """What the reply will carry; of this job only, and best of this attempt only."""
    channel: str
    """Queue or stream on which the reply is expected."""
    until: datetime
    """Aware. Without a reply by then the attempt has failed, code ``REPLY_TIMEOUT``, retried by policy."""
    journal: Mapping[str, Any] = field(default_factory=dict)


def _nobody_listens(awaiting: Awaiting) -> None:
    raise JobError("Expected a worker that can wait for replies, but this one cannot", retryable=False)


class _NoDocuments:
    @property
    def limit(self) -> int:
        raise self._error()

    def store(self, content: bytes, content_type: str = "", file_name: str = "") -> Mapping[str, Any]:
        raise self._error()

    def fetch(self, reference: Mapping[str, Any]) -> Document:
        raise self._error()

    @staticmethod
    def _error() -> JobError:
        return JobError("Expected a worker that keeps documents, but this one does not", retryable=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One claimed piece of work, as its connector sees it. Immutable."""

    id: int
    type: str
    element_id: str
    process_id: str
    instance_id: int
    business_key: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Inputs: the mapped inputs of the task, or every variable that it can see where it maps none. JSON
    values; numbers are `int` or `Decimal`."""
    inputs_only: bool = False
    """Whether `variables` are mapped inputs, so that a name that nobody knows is a mistake."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Static task headers of the model."""
    attempt: int = 1
    """Number of this try, from 1: the fence against late outcomes."""
    retries: int = 1
    """Tries left, this one included."""
    deadline: datetime
    """When the lease ends (aware, UTC). An outcome after it may be refused."""
    idempotency_key: str
    """The same over all attempts of this job, and of no other job."""
    evaluate: Callable[[str, Mapping[str, Any]], Any]
    """Evaluates a FEEL expression over variables; raises ValueError with the reason where it cannot."""
    connection: Connection | None = None
    """The destination that the task names in its header `connection`."""
    allow_private: bool = True
    """Whether addresses of private networks may be called where no connection says so; see `outbound`."""
    progress: Mapping[str, Any] = field(default_factory=dict)
    """What earlier attempts of this job kept by `checkpoint` or `Postponed`, also those before an incident: the
    inputs may have been corrected since, so keep with it what it is the progress of. No secrets."""
    checkpoint: Callable[[Mapping[str, Any]], datetime | None] = lambda progress: None
    """Keeps progress (JSON) for the next attempt, should this one be cut off, in place of what was kept before; and
    extends the lease, until when it returns. Raises where the job is no longer ours: let it pass."""
    expect: Callable[[Awaiting], None] = _nobody_listens
    """Notes, durably, that this attempt will end with a reply; to be called before anything is sent. Raises
    `JobError` (not retryable, code ``CORRELATION_ID_TAKEN``) where another job waits under that id."""
    documents: Documents = field(default_factory=_NoDocuments)
    """Where bytes become references, which variables can hold, and references bytes again."""


@dataclass(eq=False)
class JobError(Exception):
    """The work could not be done, and the world is to blame: retried by policy, then an incident.

    `retry_in` overrides the policy's backoff (a service said ``Retry-After``). `retryable=False` says that
    another try cannot succeed: an incident at once. `code` and `details` (JSON) are what the model's
    `errorExpression` sees as ``error.code`` and ``error.variables``. `journal` is what was sent and answered,
    for operators.
    """

    message: str
    retry_in: timedelta | None = None
    retryable: bool = True
    code: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    journal: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # All fields by position: an exception crosses process borders (Celery's prefork pool) as its class
        # and args.
        self.args = (self.message, self.retry_in, self.retryable, self.code, self.details, self.journal)

    def __str__(self) -> str:
        return self.message


@dataclass(eq=False)
class Postponed(Exception):
    """Nothing to be done now, and nobody's fault: the job is given back, and claimed again after `delay`.

    Costs no try, and holds no worker in the meantime. `progress` is what the next attempt gets as `Job.progress`,
    `reason` is for logs. There is no journal: a job may be postponed a thousand times, so what is worth telling goes
    into the progress, and from there into the journal of the outcome.
    """

    delay: timedelta
    progress: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""

    def __post_init__(self) -> None:
        self.args = (self.delay, self.progress, self.reason)

    def __str__(self) -> str:
        return self.reason or f"postponed by {self.delay}"


@dataclass(eq=False)
class BpmnError(Exception):
    """A business outcome with a code: caught by an error boundary event of the model, never retried."""

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.args = (self.code, self.message, self.variables)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class Effect(Protocol):
    """What a connector leaves to the transaction that completes its job: both happen, or neither, exactly once."""

    @property
    def journal(self) -> Mapping[str, Any]:
        """What is attempted, for operators, where it fails."""
        ...

    @property
    def permission(self) -> str:
        """The environment variable by which an operator must have allowed it, without its prefix ``ORCHESTRATOR_``;
        empty: nobody needs to."""
        ...

    def carry_out(self, cursor: Any) -> Mapping[str, Any] | None:
        """Do it, on the database of the processes, whose `cursor` this is, and quickly, for the instance is locked.

        Returns the response of the job, None: it stays what the connector said. Whatever it raises rolls everything
        back, and is the outcome of the attempt as if the connector had raised it. It may be called again where the
        database asks for the whole transaction to be repeated.
        """
        ...

    def failed(self, problem: BaseException) -> JobError:
        """How an exception that is no `JobError` or `BpmnError` is told."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Response(Mapping[str, Any]):
    """A result with a journal: what was sent and answered. For operators, not for models."""

    body: Mapping[str, Any]
    journal: Mapping[str, Any] = field(default_factory=dict)
    silent: bool = False
    """Nothing of it becomes a variable unless a header or an output mapping of the task takes it."""
    effects: tuple[Effect, ...] = ()
    """What happens exactly once, if and when the job is completed. The last that has a response of its own gives it."""

    def __getitem__(self, key: str) -> Any:
        return self.body[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.body)

    def __len__(self) -> int:
        return len(self.body)


@runtime_checkable
class Connector(Protocol):
    """`type` names the job type served; further names may be listed in `aliases`."""

    @property
    def type(self) -> str: ...

    def run(self, job: Job) -> Mapping[str, Any] | Awaiting: ...


JobFunction = Callable[[Job], Mapping[str, Any] | None]
"""What `connector` decorates. None is an empty response."""


@dataclass(frozen=True, slots=True)
class FunctionConnector:
    """A plain function as a connector. Calling it calls the function, so that a test needs no connector.

    `run` raises `JobError` (not retryable, code ``INVALID_RESULT``) where the function returns something
    other than a mapping with text keys, or None.
    """

    type: str
    function: JobFunction
    aliases: tuple[str, ...] = ()

    def run(self, job: Job) -> Mapping[str, Any]:
        result: Any = self.function(job)
        if result is None:
            return {}
        if not isinstance(result, Mapping):
            raise self._invalid(f"returned {builtins.type(result).__name__}: {result!r:.200}")
        if stray := [key for key in result if not isinstance(key, str)]:
            raise self._invalid(f"returned a mapping with the key {stray[0]!r:.200}")
        return result

    def __call__(self, job: Job) -> Mapping[str, Any] | None:
        return self.function(job)

    @property
    def name(self) -> str:
        """Dotted name of the function, for messages."""
        return f"{self.function.__module__}.{getattr(self.function, '__qualname__', repr(self.function))}"

    def _invalid(self, found: str) -> JobError:
        return JobError(
            f"Expected {self.name} to return a mapping with text keys, or None, but it {found}",
            retryable=False,
            code="INVALID_RESULT",
        )


def connector(type: str, *, aliases: Iterable[str] = ()) -> Callable[[JobFunction], FunctionConnector]:
    """Turn a function into the connector of a job type.

    Raises TypeError where the parentheses were forgotten (``@connector`` alone).
    """
    if not isinstance(type, str):
        raise TypeError(f'Expected @connector("job-type"), but found {type!r} instead of a job type')

    def decorate(function: JobFunction) -> FunctionConnector:
        return FunctionConnector(type, function, tuple(aliases))

    return decorate
