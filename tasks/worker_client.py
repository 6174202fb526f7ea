"""A worker in Python, on its own: one file, `requests` and nothing else. Copy it into your program.

    client = WorkerClient("https://orchestrator.example", token, name="payments-1")

    @client.worker("charge-card", max_jobs=8, lease=60, fields=["card", "amount"])
    def charge(job: Job) -> dict | None:
        if job.variables["amount"] > 1000:
            raise BpmnError("DECLINED", "too much")
        return {"receipt": bank.charge(job.variables["card"], key=job.idempotency_key)}

    client.run()  # until SIGTERM or SIGINT

What a function returns becomes the result of the job; `BpmnError` is a business outcome that the model routes on,
`JobError` a failure that is tried again as it says, anything else a failure that is tried again as the model says.

- Jobs are waited for with long polls, one connection for each job type, and worked on by `max_jobs` threads a type.
- A job that takes longer than its lease keeps it: one thread extends the leases of whatever runs. Where the answer is
  that the job is gone or somebody else's, `job.cancelled` is set; a long function should look at it.
- `job.report({...})` tells how far the work is; after a crash the next attempt finds it in `job.progress`.
- Outcomes carry the attempt they belong to, so one that comes too late is refused and cannot do harm.
- While the server is away or busy (503 with ``Retry-After``), questions are repeated with growing, random pauses, and
  outcomes until the lease is over.
- On SIGTERM or SIGINT nothing more is claimed; what runs is finished, within `grace` seconds, and what was claimed but
  not begun is given back at once, at no cost to its tries. The last question is waited for, up to `poll` seconds: its
  answer may bring a job, which would else be nobody's until its lease is over.
- `job.store(...)` turns bytes into a reference that a result can hold, `job.fetch(reference)` the other way.
- Numbers keep every digit: fractions are read and written as `Decimal`.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import requests

__all__ = ["BpmnError", "Job", "JobError", "Refused", "WorkerClient", "dumps", "loads"]

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
"""Seconds between two tries while the server is away; doubled each time, less up to half of it at random."""
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers that may be another one a moment later."""


class BpmnError(Exception):
    """A business outcome with a code: an error boundary event of the model catches it. Costs no try."""

    def __init__(self, code: str, message: str = "", variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, message, variables)
        self.code, self.message, self.variables = code, message, dict(variables or {})

    def __str__(self) -> str:
        return f"{self.code}: {self.message}" if self.message else self.code


class JobError(Exception):
    """The work could not be done. `retry_in` is seconds, `retries` the tries that are left; unless given, as the model
    says. ``retries=0``: nobody need try again, an operator decides."""

    def __init__(self, message: str, retry_in: float | None = None, retries: int | None = None) -> None:
        super().__init__(message, retry_in, retries)
        self.message, self.retry_in, self.retries = message, retry_in, retries

    def __str__(self) -> str:
        return self.message


class Refused(Exception):
    """The server understood, and said no. `status` and `code` say why: 404 and 409, the job is not ours any more."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(status, code, message)
        self.status, self.code, self.message = status, code, message

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    @property
    def lost(self) -> bool:
        return self.status in (404, 409)


@dataclass(eq=False)
class Job:
    """A claimed job. `variables` are its inputs, `idempotency_key` is the same over all attempts."""

    id: int
    type: str
    process_id: str
    instance_id: int
    element_id: str
    business_key: str
    variables: dict[str, Any]
    headers: dict[str, str]
    attempt: int
    retries: int
    idempotency_key: str
    progress: dict[str, Any] = field(default_factory=dict)
    """What an earlier attempt reported."""
    cancelled: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set once the server says that the job is gone, or somebody else's: whatever comes of it will be refused."""
    _lease: float = field(default=60.0, repr=False)
    _until: float = field(default=0.0, repr=False)
    """Of the lease, by the monotonic clock; counted from before the question, so never too late."""
    _client: WorkerClient | None = field(default=None, repr=False)

    def extend(self, seconds: float | None = None) -> bool:
        """Hold the job for so many seconds from now (its lease, unless said). False: it is not ours any more."""
        assert self._client is not None
        return self._client._extend(self, self._lease if seconds is None else seconds)

    def report(self, progress: Mapping[str, Any]) -> bool:
        """Tell how far the work is: operators see it, and the next attempt finds it in `progress`, should this one be
        cut off. Also holds the job for another lease. False: it is not ours any more."""
        assert self._client is not None
        return self._client._extend(self, self._lease, progress)

    def store(
        self, content: bytes, content_type: str = "application/octet-stream", file_name: str = ""
    ) -> dict[str, Any]:
        """Store a document with the instance of the job; the reference to it, for the result. The same again is the
        same document. Raises `Refused` (too large, 413; not ours any more) or `requests.RequestException`."""
        assert self._client is not None
        return self._client._store(self, content, content_type, file_name)

    def fetch(self, reference: Mapping[str, Any]) -> bytes:
        """The content of a document that a variable refers to. Raises `Refused` or `requests.RequestException`."""
        assert self._client is not None
        return self._client._fetch(reference)


@dataclass(eq=False)
class _Worker:
    """A function and what it asks for."""

    type: str
    function: Callable[[Job], Mapping[str, Any] | None]
    max_jobs: int
    lease: float
    fields: Sequence[str] | None
    todo: queue.SimpleQueue[Job | None] = field(default_factory=queue.SimpleQueue)
    free: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.free = threading.Semaphore(self.max_jobs)


class WorkerClient:
    """Serves jobs over REST.

    `url` is that of the server, `token` one of a user with the permission to change jobs, `name` what operators see
    (host and process, unless given). `poll` is how many seconds a question may wait for a job, `grace` how many seconds
    running jobs get once the client is told to stop; None: as long as they need.
    """

    def __init__(
        self,
        url: str,
        token: str,
        name: str = "",
        *,
        poll: float = 10.0,
        grace: float | None = None,
        verify: bool | str = True,
    ) -> None:
        self._base = url.rstrip("/") + "/api/v1"
        self._token = token
        self._verify = verify
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self.poll, self.grace = poll, grace
        self._workers: dict[str, _Worker] = {}
        self._held: set[Job] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._done = threading.Event()
        self._local = threading.local()

    def worker(
        self, type: str, *, max_jobs: int = 1, lease: float = 60.0, fields: Sequence[str] | None = None
    ) -> Callable[[Callable[[Job], Any]], Callable[[Job], Any]]:
        """Have a function serve a job type, up to `max_jobs` (1 to 100) at once. `lease` is seconds; it is extended
        while the function works. `fields` are the variables wanted, all unless given. Leaves the function as it is."""
        if type in self._workers:
            raise ValueError(f"Expected one function for the job type {type!r}, but found two")
        if not 1 <= max_jobs <= 100:
            raise ValueError(f"Expected max_jobs between 1 and 100, but found {max_jobs}")

        def decorate(function: Callable[[Job], Any]) -> Callable[[Job], Any]:
            self._workers[type] = _Worker(type, function, max_jobs, lease, fields)
            return function

        return decorate

    def once(self, type: str) -> str | None:
        """Claim one job of the type that is due now, if any, and work on it here, in this thread.

        What was told of it: ``complete``, ``fail``, ``error``, or ``lost`` where nobody would hear it; None where no
        job was due. Raises `Refused` or `requests.RequestException` where jobs cannot be asked for.
        """
        worker = self._workers[type]
        asked = time.monotonic()
        job = next(iter(self._claim(worker, 1, wait=0)), None)
        if job is None:
            return None
        job._lease, job._until, job._client = worker.lease, asked + worker.lease, self
        over = threading.Event()
        heart = self._thread(self._keep_leases, over, [job])
        try:
            return self._serve(worker, job)
        finally:
            over.set()
            heart.join(1)

    # -- running ---------------------------------------------------------------------------------------------------

    def run(self, *, signals: bool = True) -> None:
        """Serve until `stop` is called or, with `signals`, SIGTERM or SIGINT arrives (in the main thread only)."""
        if not self._workers:
            raise ValueError("Expected at least one function under @client.worker")
        if signals and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: self.stop())
        pollers = [self._thread(self._poll, worker) for worker in self._workers.values()]
        hands = [self._thread(self._work, worker) for worker in self._workers.values() for _ in range(worker.max_jobs)]
        heart = self._thread(self._keep_leases, self._done)
        logger.info("%s serves %s", self.name, ", ".join(sorted(self._workers)))
        while not self._stopping.wait(1.0):  # in slices, so that signals are handled on every platform
            pass
        logger.info("%s is told to stop, and begins nothing more", self.name)
        for worker in self._workers.values():
            self._give_back(worker)
            for _ in range(worker.max_jobs):
                worker.todo.put(None)
        until = None if self.grace is None else time.monotonic() + self.grace
        for hand in hands:
            hand.join(None if until is None else max(0.0, until - time.monotonic()))
        for poller in pollers:
            poller.join(None if until is None else max(0.0, until - time.monotonic()))
        left = [hand for hand in hands if hand.is_alive()]
        self._done.set()
        heart.join(5)
        if left:
            logger.warning("%s stops with %d jobs unfinished; their leases lapse", self.name, len(left))

    def stop(self) -> None:
        """Claim nothing more, and have `run` return once what runs is finished. From any thread or signal handler."""
        self._stopping.set()

    def _thread(self, work: Callable[..., None], *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name=f"{self.name} {work.__name__}", daemon=True)
        thread.start()
        return thread

    def _poll(self, worker: _Worker) -> None:
        pauses = _pauses()
        while not self._stopping.is_set():
            free = self._seats(worker)
            if not free:
                continue
            asked = time.monotonic()
            try:
                jobs = self._claim(worker, free)
                pauses = _pauses()
            except Exception as problem:  # noqa: BLE001 - whatever it is, a worker goes on asking
                for _ in range(free):
                    worker.free.release()
                pause = getattr(problem, "retry_after", None) or next(pauses)
                logger.warning("Cannot ask for jobs of %s, again in %.1f s: %s", worker.type, pause, problem)
                self._stopping.wait(pause)
                continue
            for _ in range(free - len(jobs)):
                worker.free.release()
            for job in jobs:
                job._lease, job._until, job._client = worker.lease, asked + worker.lease, self
                with self._lock:
                    self._held.add(job)
                worker.todo.put(job)
        self._give_back(worker)

    def _seats(self, worker: _Worker) -> int:
        """How many threads are free, taken for what will be claimed; waits a moment for the first."""
        if not worker.free.acquire(timeout=0.5):
            return 0
        free = 1
        while free < worker.max_jobs and worker.free.acquire(blocking=False):
            free += 1
        return free

    def _claim(self, worker: _Worker, most: int, wait: float | None = None) -> list[Job]:
        wait = self.poll if wait is None else wait
        asked: dict[str, Any] = {
            "type": worker.type,
            "worker": self.name,
            "max_jobs": most,
            "lease_seconds": worker.lease,
            "wait_seconds": wait,
        }
        if worker.fields is not None:
            asked["fields"] = list(worker.fields)
        answer = self._ask("/jobs/claim", asked, timeout=wait + 15)
        known = [name for name in Job.__dataclass_fields__ if not name.startswith("_") and name != "cancelled"]
        return [Job(**{name: job[name] for name in known if name in job}) for job in answer["jobs"]]

    def _work(self, worker: _Worker) -> None:
        while (job := worker.todo.get()) is not None:
            try:
                if self._stopping.is_set():
                    self._hand_back(job)
                else:
                    self._serve(worker, job)
            finally:
                with self._lock:
                    self._held.discard(job)
                worker.free.release()

    def _serve(self, worker: _Worker, job: Job) -> str:
        """Work, and tell what came of it; returns what was told."""
        verb = "complete"
        body: dict[str, Any]
        try:
            result = worker.function(job)
            if result is not None and not isinstance(result, Mapping):
                raise JobError(
                    f"Expected {worker.type} to return a dict or None, but it returned {result!r:.200}", None, 0
                )
            body = {"variables": dict(result or {})}
            try:
                dumps(body)
            except (TypeError, ValueError, RecursionError) as problem:
                raise JobError(f"Expected {worker.type} to return JSON, but {problem}", None, 0) from problem
        except BpmnError as error:
            verb, body = "error", {"code": error.code, "message": error.message, "variables": error.variables}
        except JobError as error:
            verb, body = "fail", {"message": error.message}
            if error.retries is not None:
                body["retries"] = error.retries
            if error.retry_in is not None:
                body["retry_in_seconds"] = error.retry_in
        except BaseException as error:
            logger.exception("Job %d (%s) failed", job.id, job.type)
            verb, body = "fail", {"message": f"{type(error).__name__}: {error}"[:10_000]}
        if job.cancelled.is_set():
            logger.info("Job %d (%s) was taken away meanwhile; its outcome is dropped", job.id, job.type)
            return "lost"
        return self._tell(job, verb, body)

    def _tell(self, job: Job, verb: str, body: dict[str, Any]) -> str:
        """Deliver an outcome, again and again until the lease is over."""
        pauses = _pauses()
        while True:
            try:
                self._ask(f"/jobs/{job.id}/{verb}", {"attempt": job.attempt, **body})
                return verb
            except Refused as refused:
                if refused.lost:
                    job.cancelled.set()
                    logger.warning("The outcome of job %d (%s) came too late: %s", job.id, job.type, refused)
                elif verb == "fail":
                    logger.error("Job %d (%s) cannot be failed, its lease lapses: %s", job.id, job.type, refused)
                else:
                    # What the function said cannot be taken over, and would not be next time.
                    told = f"Expected the outcome to be accepted, but {refused}"[:10_000]
                    return self._tell(job, "fail", {"message": told, "retries": 0})
                return "lost"
            except Exception as problem:  # noqa: BLE001 - the server is away
                pause = getattr(problem, "retry_after", None) or next(pauses)
                if time.monotonic() + pause >= job._until:
                    logger.error("The outcome of job %d (%s) could not be told: %s", job.id, job.type, problem)
                    return "lost"
                logger.warning("The outcome of job %d (%s), again in %.1f s: %s", job.id, job.type, pause, problem)
                time.sleep(pause)

    def _give_back(self, worker: _Worker) -> None:
        """Jobs that nobody has begun."""
        while True:
            try:
                job = worker.todo.get_nowait()
            except queue.Empty:
                return
            if job is None:
                worker.todo.put(None)
                return
            self._hand_back(job)
            with self._lock:
                self._held.discard(job)

    def _hand_back(self, job: Job) -> None:
        told = {"message": f"Worker {self.name} stopped before it began", "retries": job.retries, "retry_in_seconds": 0}
        try:
            self._ask(f"/jobs/{job.id}/fail", {"attempt": job.attempt, **told}, timeout=5)
        except Exception as problem:  # noqa: BLE001 - then its lease lapses
            logger.warning("Job %d (%s) could not be handed back: %s", job.id, job.type, problem)

    # -- leases ----------------------------------------------------------------------------------------------------

    def _keep_leases(self, over: threading.Event, only: Sequence[Job] | None = None) -> None:
        while not over.wait(0.2):
            with self._lock:
                held = list(self._held) if only is None else only
            now = time.monotonic()
            for job in held:
                # Twice a lease at least, so that one lost question does not cost it.
                if not job.cancelled.is_set() and job._until - now < job._lease * 0.6:
                    try:
                        self._extend(job, job._lease)
                    except Exception as problem:  # noqa: BLE001 - asked again in a moment
                        logger.warning("The lease of job %d (%s) cannot be extended: %s", job.id, job.type, problem)

    def _extend(self, job: Job, seconds: float, progress: Mapping[str, Any] | None = None) -> bool:
        asked = time.monotonic()
        body: dict[str, Any] = {"attempt": job.attempt, "lease_seconds": seconds}
        if progress is not None:
            body["progress"] = progress
        try:
            self._ask(f"/jobs/{job.id}/extend", body, timeout=10)
        except Refused as refused:
            if not refused.lost:
                raise
            logger.warning("Job %d (%s) was taken away: %s", job.id, job.type, refused)
            job.cancelled.set()
            return False
        job._until = asked + seconds
        return True

    def _store(self, job: Job, content: bytes, content_type: str, file_name: str) -> dict[str, Any]:
        asked = {"job": job.id, "attempt": job.attempt, "file_name": file_name}
        kind = {"Content-Type": content_type}
        answer = self._transfer("POST", "/documents", params=asked, data=content, headers=kind)
        reference: dict[str, Any] = loads(answer.text)["reference"]
        return reference

    def _fetch(self, reference: Mapping[str, Any]) -> bytes:
        number, digest = (str(reference.get(name, "")) for name in ("documentId", "contentHash"))
        if not number.isdecimal():
            raise ValueError(f"Expected a reference to a document, but found {reference!r:.200}")
        where = f"/documents/{number}/content"
        return self._transfer("GET", where, params={"content_hash": digest}).content

    def _transfer(self, method: str, path: str, **given: Any) -> requests.Response:
        """What may be asked twice: a kept connection may turn out to be closed."""
        try:
            return self._send(method, path, timeout=120, **given)
        except requests.ConnectionError:
            return self._send(method, path, timeout=120, **given)

    # -- asking ----------------------------------------------------------------------------------------------------

    @contextmanager
    def _session(self) -> Iterator[requests.Session]:
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = True
        try:
            yield session
        except requests.RequestException:
            session.close()
            self._local.session = None
            raise

    def _ask(self, path: str, body: Mapping[str, Any], *, timeout: float = 30.0) -> Any:
        """The answer. Raises `Refused` for a no, `requests.RequestException` where asking again may help."""
        kind = {"Content-Type": "application/json"}
        answer = self._send("POST", path, data=dumps(body).encode(), headers=kind, timeout=timeout)
        return None if answer.status_code == 204 else loads(answer.text)

    def _send(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, timeout: float, **given: Any
    ) -> requests.Response:
        """A 200, 201 or 204."""
        with self._session() as session:
            answer = session.request(
                method,
                self._base + path,
                headers={"Authorization": f"Token {self._token}", **(headers or {})},
                timeout=(10, timeout),
                verify=self._verify,
                allow_redirects=False,
                **given,
            )
        if answer.status_code in BUSY:
            problem = requests.HTTPError(f"{answer.status_code} {answer.reason}", response=answer)
            problem.retry_after = _retry_after(answer)  # type: ignore[attr-defined]
            raise problem
        if answer.status_code in (200, 201, 204):
            return answer
        try:
            said = loads(answer.text)
        except ValueError:
            said = {}
        said = said if isinstance(said, dict) else {}
        raise Refused(answer.status_code, str(said.get("code", "")), _why(said) or answer.reason or answer.text[:200])


def _why(said: Mapping[str, Any]) -> str:
    errors = said.get("errors")
    return f"{said.get('detail') or said.get('title') or ''}{f' {errors}' if errors else ''}"


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause * random.uniform(0.5, 1.0)
        pause = min(pause * 2, LONGEST_PAUSE)


def _retry_after(answer: requests.Response) -> float | None:
    """Seconds, at most `LONGEST_PAUSE`, with some chance added lest all come back at once."""
    value = answer.headers.get("Retry-After", "")
    return min(float(value), LONGEST_PAUSE) + random.uniform(0, 0.5) if value.isdecimal() else None


# -- exact JSON --------------------------------------------------------------------------------------------------------


def loads(text: str) -> Any:
    """JSON with fractions as `Decimal`."""
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any) -> str:
    """JSON with every `Decimal` digit for digit. Raises TypeError or ValueError for what JSON lacks."""
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"Expected text as the key of an object, but found {key!r:.80}")
        return "{" + ",".join(f"{json.dumps(key)}:{dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(dumps(item) for item in value) + "]"
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"Expected a finite number, but found {value}")
        return str(value)
    return json.dumps(value, allow_nan=False)
