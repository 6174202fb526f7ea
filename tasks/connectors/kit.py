"""Is it a good connector? A kit that anybody runs against theirs, with pytest or without.

    from tasks.connectors.kit import check

    def test_conformance():
        check(Greeter(), inputs={"name": "Ada"}, bad_inputs=[{}, {"name": {"first": "Ada"}}])

It looks for what goes wrong in production and seldom in a test of one's own: results and journals that cannot be
stored, inputs that are changed under way, bad inputs that reach the service, mistyped inputs that nobody notices,
declared inputs that are not what they are declared to be, deadlines that do not hold, answers without an end, secrets
that are told, retries that the service cannot recognize, errors that no model can route, state that threads share,
errors that do not survive a process border.

Raises AssertionError with what was expected and what was found. A check costs a handful of calls of the service.
"""

from __future__ import annotations

import copy
import hashlib
import pickle
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.connectors import exact_json
from tasks.connectors.base import Awaiting, BpmnError, Connection, Connector, Job, JobError, Response
from tasks.connectors.declared import Input
from tasks.connectors.documents import TYPE, Document

THREADS = 4
SLACK = 1.5
"""Seconds after its deadline within which a connector must be back, on a machine that has time for it."""
STRANGER = "surelyNoSuchInput"
MISTAKE = "surelyNoSuchValue"
_WRONG: Mapping[str, Any] = {
    "text": {"text": MISTAKE},
    "number": MISTAKE,
    "integer": MISTAKE,
    "seconds": MISTAKE,
    "boolean": MISTAKE,
    "context": [MISTAKE],
    "list": {"list": MISTAKE},
}
"""By kind, what is of another kind. "any" is whatever it is."""


def check(
    connector: Connector,
    *,
    inputs: Mapping[str, Any],
    bad_inputs: Iterable[Mapping[str, Any]] = (),
    slow_inputs: Mapping[str, Any] | None = None,
    large_inputs: Mapping[str, Any] | None = None,
    failing_inputs: Mapping[str, Any] | None = None,
    secrets: Iterable[str] = (),
    keys: Callable[[], Iterable[str]] | None = None,
    headers: Mapping[str, str] | None = None,
    connection: Connection | None = None,
    calls: Callable[[], int] | None = None,
    refuses_unknown: bool = True,
    concurrent: bool = True,
    slack: float = SLACK,
) -> None:
    """Check a connector.

    `inputs` are some that it performs, as often as it is asked; `bad_inputs` some that it must refuse; with
    `slow_inputs` it must run into its deadline, with `large_inputs` into the limit of what it takes, and with
    `failing_inputs` its work must fail. `secrets` are texts of its inputs or connection that nobody may be told.
    `keys` gives the idempotency keys that the service has seen so far, where its protocol has a place for them.
    `calls`, where given, says how often the service was called so far, so that it shows whether a refused job called
    it. `refuses_unknown` is false for connectors that take any name; `concurrent` for those whose inputs cannot be used
    several times at once. `slack` is how many seconds after its deadline it must be back: a machine that is busy with
    other things, as those of CI are, needs more, and slow inputs have to be slower than that.
    """
    bench = _Bench(connector, headers or {}, connection, tuple(secrets), slack)
    _declares(connector, inputs if refuses_unknown else {})
    bench.performs(inputs)
    if keys is not None:
        bench.sends_its_key(inputs, keys)
    before = calls() if calls else 0
    for bad in bad_inputs:
        bench.refuses(bad)
    for declared, bad in _mistaken(connector, inputs, missing=connection is None):
        bench.refuses(bad, naming=declared.name, hiding=MISTAKE if declared.secret else "")
    if refuses_unknown:
        bench.refuses({**inputs, STRANGER: "x"}, naming=STRANGER)
    if calls:
        assert calls() == before, f"Expected refused inputs to call nobody, but found {calls() - before} calls"
    bench.keeps_the_deadline(inputs, lease=-1.0)
    if slow_inputs is not None:
        bench.keeps_the_deadline(slow_inputs, lease=1.0, fails=True)
    for wrong in (large_inputs, failing_inputs):
        if wrong is not None:
            bench.fails(wrong)
    if concurrent:
        bench.serves_many(inputs)


class Shelf:
    """Keeps documents in memory, with the references and refusals of a worker."""

    def __init__(self, limit: int = 25_000_000) -> None:
        self.limit = limit
        self._kept: dict[tuple[str, str], Document] = {}
        self._lock = threading.Lock()

    def store(self, content: bytes, content_type: str = "", file_name: str = "") -> Mapping[str, Any]:
        if len(content) > self.limit:
            raise JobError(f"Expected at most {self.limit} bytes", retryable=False, code="DOCUMENT_TOO_LARGE")
        document = Document(bytes(content), content_type or "application/octet-stream", file_name or "document")
        digest = hashlib.sha256(content).hexdigest()
        with self._lock:
            number = next((key[0] for key, kept in self._kept.items() if kept == document), str(len(self._kept) + 1))
            self._kept[number, digest] = document
        return {
            TYPE: "camunda",
            "storeId": "memory",
            "documentId": number,
            "contentHash": digest,
            "metadata": {
                "contentType": document.content_type,
                "fileName": document.file_name,
                "size": len(content),
            },
        }

    def fetch(self, reference: Mapping[str, Any]) -> Document:
        key = reference.get("documentId"), reference.get("contentHash")
        if not all(isinstance(part, str) for part in key):
            raise JobError("Expected a reference to a document", retryable=False, code="INVALID_INPUT")
        try:
            return self._kept[key]  # type: ignore[index]
        except KeyError:
            raise JobError("Expected a document that is here", retryable=False, code="DOCUMENT_NOT_FOUND") from None


def job(connector: Connector, inputs: Mapping[str, Any], *, lease: float = 30.0, number: int = 1, **more: Any) -> Job:
    """A job as a worker would hand it over, with a shelf for documents. `lease` is seconds from now."""
    given: dict[str, Any] = {
        "id": number,
        "type": connector.type,
        "element_id": "ServiceTask_1",
        "process_id": "process",
        "instance_id": number,
        "variables": inputs,
        "inputs_only": True,
        "retries": 3,
        "deadline": datetime.now(UTC) + timedelta(seconds=lease),
        "idempotency_key": f"00000000-0000-4000-8000-{number:012d}",
        "evaluate": _no_expressions,
        "documents": Shelf(),
    }
    return Job(**given | more)


def storable(value: Any, what: str) -> None:
    """Fails where a value is not JSON, exact numbers included."""
    try:
        exact_json.dumps(value)
    except (ValueError, RecursionError) as problem:
        raise AssertionError(f"Expected {what} to be JSON, but {problem}") from problem


def _no_expressions(expression: str, variables: Mapping[str, Any]) -> Any:
    raise ValueError("no expressions are evaluated here")


def _declares(connector: Connector, inputs: Mapping[str, Any]) -> None:
    assert isinstance(connector, Connector), f"Expected `type` and `run(job)`, but found {connector!r:.200}"
    aliases = getattr(connector, "aliases", ())
    assert not isinstance(aliases, str), f"Expected `aliases` to be several job types, but found {aliases!r}"
    for type_ in (connector.type, *aliases):
        assert isinstance(type_, str) and type_.strip() == type_ != "", f"Expected a job type, but found {type_!r}"
    declared = getattr(connector, "inputs", None)
    if declared is None:
        return
    for each in declared:
        assert isinstance(each, Input), f"Expected `inputs` to be `Input`s, but found {each!r:.200}"
        storable(each.describe(), f"the description of `{each.name}`")
        assert each.help, f"Expected the input `{each.name}` to say what it is, but found no help"
        assert not (each.required and each.default is not None), f"Expected `{each.name}` required or with a default"
    names = [each.name for each in declared]
    assert len(names) == len(set(names)), f"Expected every input once, but found {names}"
    assert set(inputs) <= set(names), f"Expected declared inputs, but found {sorted(set(inputs) - set(names))}"


def _mistaken(
    connector: Connector, inputs: Mapping[str, Any], *, missing: bool
) -> Iterator[tuple[Input, Mapping[str, Any]]]:
    """What the declarations of a connector say that it must refuse, one mistake each, and the input that is wrong."""
    for declared in getattr(connector, "inputs", None) or ():
        wrong = _WRONG.get(declared.kind)
        if wrong is not None:
            yield declared, {**inputs, declared.name: wrong}
        if declared.choices:
            yield declared, {**inputs, declared.name: STRANGER}
        if declared.fields:
            yield declared, {**inputs, declared.name: {STRANGER: "x"}}
        if declared.required and missing:
            yield declared, {**inputs, declared.name: ""}


class _Bench:
    def __init__(
        self,
        connector: Connector,
        headers: Mapping[str, str],
        connection: Connection | None,
        secrets: tuple[str, ...] = (),
        slack: float = SLACK,
    ) -> None:
        self._connector = connector
        self._slack = slack
        self._more: dict[str, Any] = {"headers": headers, "connection": connection}
        self._secrets = secrets

    def _run(
        self, inputs: Mapping[str, Any], *, lease: float = 30.0, number: int = 1, **more: Any
    ) -> Mapping[str, Any]:
        """What it returns; whatever happens, the inputs must be what they were, and secrets secret."""
        given = copy.deepcopy(dict(inputs))
        before = copy.deepcopy(given)
        asked = job(self._connector, given, lease=lease, number=number, **self._more, **more)
        try:
            found = self._connector.run(asked)
            if isinstance(found, Awaiting):
                # The reply comes to somebody else; what was asked is all that there is to check.
                found = Response({}, found.journal)
            if isinstance(found, Response):
                self._keeps_secrets(found.journal, "the journal")
            return found
        except JobError as error:
            self._keeps_secrets(error.message, "the text of an error")
            self._keeps_secrets(error.journal, "the journal of an error")
            _crosses(error)
            assert error.message.strip(), "Expected a text for operators, but found an empty one"
            storable(error.details, "the details of an error")
            storable(error.journal, "the journal of an error")
            raise
        except BpmnError as error:
            _crosses(error)
            storable(error.variables, "the variables of a business error")
            raise
        finally:
            assert given == before, f"Expected the inputs to stay as they are, but found {given!r:.500}"

    def _keeps_secrets(self, told: Any, what: str) -> None:
        text = repr(told)
        for number, secret in enumerate(self._secrets, 1):
            assert secret not in text, f"Expected {what} to tell no secret, but found number {number} of them"

    def sends_its_key(self, inputs: Mapping[str, Any], keys: Callable[[], Iterable[str]]) -> None:
        """The same for every attempt of a job, another for another job."""
        for number, attempt in ((50, 1), (50, 2), (51, 1)):
            asked = job(self._connector, inputs, number=number)
            before = list(keys()).count(asked.idempotency_key)
            self._run(inputs, number=number, attempt=attempt)
            found = list(keys()).count(asked.idempotency_key)
            assert found > before, f"Expected attempt {attempt} to send {asked.idempotency_key}, but it did not"

    def fails(self, inputs: Mapping[str, Any]) -> None:
        """With what a model needs to route it: a code, a text, details."""
        try:
            self._run(inputs)
        except JobError as error:
            assert isinstance(error.code, str), f"Expected a code that is text, but found {error.code!r}"
            assert error.code.strip() not in ("", "INVALID_INPUT"), (
                f"Expected a code that tells what failed, but found {error.code!r}: {error}"
            )
            assert isinstance(error.details, Mapping), (
                f"Expected details that are a mapping, but found {error.details!r}"
            )
        except BpmnError as error:
            assert error.code.strip(), "Expected a business error with a code, but found an empty one"
        else:
            raise AssertionError(f"Expected the work to fail with {dict(inputs)!r:.300}, but it was done")

    def performs(self, inputs: Mapping[str, Any], number: int = 1) -> None:
        response = self._run(inputs, number=number)
        assert isinstance(response, Mapping), f"Expected a mapping, but it returned {type(response).__name__}"
        storable(dict(response), "the response")
        if isinstance(response, Response):
            storable(response.journal, "the journal")

    def refuses(self, bad: Mapping[str, Any], naming: str = "", hiding: str = "") -> None:
        shown = f"{dict(bad)!r:.300}"
        try:
            self._run(bad)
        except JobError as error:
            assert error.code == "INVALID_INPUT", (
                f"Expected INVALID_INPUT for {shown}, but found {error.code!r}: {error}"
            )
            assert not error.retryable, f"Expected {shown} not to be tried again: it stays wrong"
            assert naming in error.message, f"Expected the text to name {naming}, but found: {error}"
            assert not hiding or hiding not in error.message, f"Expected the value of {naming} not to be told"
        except Exception as error:
            raise AssertionError(f"Expected INVALID_INPUT for {shown}, but it raised {error!r:.300}") from error
        else:
            raise AssertionError(f"Expected {shown} to be refused, but it was performed")

    def keeps_the_deadline(self, inputs: Mapping[str, Any], *, lease: float, fails: bool = False) -> None:
        """Back in time; late jobs may be done or failed."""
        began = time.monotonic()
        try:
            self._run(inputs, lease=lease)
        except (JobError, BpmnError):
            pass
        else:
            assert not fails, "Expected the deadline to end it, but it returned as if nothing had happened"
        took = time.monotonic() - began
        most = max(0.0, lease) + self._slack
        assert took <= most, f"Expected it to be back within {most:.1f} s, but it took {took:.1f} s"

    def serves_many(self, inputs: Mapping[str, Any]) -> None:
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(self.performs, inputs, 100 + number) for number in range(THREADS * 2)]:
                done.result()


def _crosses(error: Exception) -> None:
    """Exceptions go from a child of a worker to its parent."""
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception as problem:
        raise AssertionError(f"Expected {type(error).__name__} to survive pickling, but {problem!r}") from problem
    assert str(again) == str(error), f"Expected {error!s:.200} after pickling, but found {again!s:.200}"
