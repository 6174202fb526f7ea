"""The connector of your own application: calls a function, or a method of a model, that lives beside us in the process.

Only what the setting `ORCHESTRATOR_DJANGO_CALLABLES` names can be called, dotted path by dotted path:

    ORCHESTRATOR_DJANGO_CALLABLES=shop.orders.reserve,shop.models.Order.mark_paid

| Input | |
|---|---|
| `callable` | required, one of these paths |
| `arguments` | a context; passed as keyword arguments |
| `pk` | of a method: primary key of the object, which is fetched by the model's default manager |
| `transaction` | completing (default) or own |

Response: ``{"result": value}``, which must be JSON.

**completing**: it is called in the transaction that completes the job, on the database of the processes: what it writes
there and the completion happen both or not at all, exactly once, whoever dies when. Whatever it raises, and an
`errorExpression` that makes an error of its result, rolls back both. The instance is locked meanwhile (on SQLite, all
writers are), so it must be quick, must leave the outside world alone, whose deeds nobody can roll back, and must not
change other running instances: those it may send messages. What it registers with ``transaction.on_commit`` runs.

**own**: it is called by the worker before that, in no transaction but those that it opens. It has committed when the
job completes, and may run again where the worker dies in between, so make it idempotent.

A function that raises `BpmnError` or `JobError` of `tasks.connectors.base` says what that means; anything else is tried
again.

| Code | When | Tried again |
|---|---|---|
| the exception's class | it raised something | yes |
| "NO_SUCH_OBJECT" | there is none with that `pk` | no |
| "INVALID_RESULT" | what it returned is not JSON | no |
| "NOT_FOUND" | the path names nothing that can be called | no |
| "INVALID_INPUT" | nothing was called | no |
"""

from __future__ import annotations

import importlib
import inspect
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from tasks.connectors import exact_json
from tasks.connectors.base import BpmnError, Job, JobError, Response
from tasks.connectors.declared import Input, read
from tasks.connectors.inputs import invalid


@dataclass(frozen=True, slots=True)
class Call:
    """A call that is ready to be made; as an effect it is made in the completing transaction."""

    path: str
    owner: Any = field(repr=False)
    name: str
    pk: Any
    arguments: Mapping[str, Any] = field(repr=False)
    permission: str = ""

    @property
    def journal(self) -> Mapping[str, Any]:
        pk = None if self.pk is None else str(self.pk)
        return {"request": {"callable": self.path, "arguments": sorted(self.arguments), "pk": pk}}

    def make(self) -> dict[str, Any]:
        """Call it; the response."""
        result = self._function()(**self.arguments)
        try:
            exact_json.dumps(result)
        except (ValueError, RecursionError) as problem:
            told = f"Expected {self.path} to return JSON, but {problem}"
            raise JobError(told, retryable=False, code="INVALID_RESULT", journal=self.journal) from None
        return {"result": result}

    def carry_out(self, cursor: Any) -> dict[str, Any]:
        # A savepoint, which a transaction that is broken cannot release: no function hides that from us.
        with transaction.atomic():
            return self.make()

    def failed(self, problem: BaseException) -> JobError:
        code = type(problem).__name__
        return JobError(f"{self.path} raised {code}: {problem}", code=code, journal=self.journal)

    def _function(self) -> Callable[..., Any]:
        """The function, or the method bound to its object, which is fetched."""
        owner = self.owner
        if self.pk is not None:
            does_not_exist: Any = getattr(owner, "DoesNotExist")  # noqa: B009 - of every model, and we know none
            try:
                owner = owner._default_manager.get(pk=self.pk)
            except does_not_exist:
                raise JobError(
                    f"There is no object of {self.path.rpartition('.')[0]} with the pk {self.pk}",
                    retryable=False,
                    code="NO_SUCH_OBJECT",
                ) from None
            except (ValueError, TypeError, ValidationError) as problem:
                raise invalid(f"Expected `pk` to be a primary key, but {problem}") from None
        function: Callable[..., Any] = getattr(owner, self.name)
        return function


class DjangoConnector:
    """Job type ``django``. `allowed` are the dotted paths that may be called."""

    type = "django"
    inputs = (
        Input("callable", required=True, help="Dotted path of a function or model method that the operator allows."),
        Input("arguments", "context", help="Keyword arguments."),
        Input("pk", "any", help="Primary key of the object whose method is called."),
        Input(
            "transaction",
            choices=("completing", "own"),
            default="completing",
            help="Whether it is called in the transaction that completes the job, or before it.",
        ),
    )

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self._allowed = tuple(allowed)

    def run(self, job: Job) -> Response:
        """Call it, or have it called as the job completes. Raises `JobError` as the table of the module says, and
        whatever `BpmnError` the function raises."""
        given = read(job.variables, self.inputs)
        path = given["callable"]
        if path not in self._allowed:
            known = ", ".join(self._allowed) or "nothing"
            raise invalid(
                f"Expected `callable` to be one of ORCHESTRATOR_DJANGO_CALLABLES ({known}), but found {path!r:.100}"
            )
        call = _found(path, given["pk"], dict(given["arguments"] or {}))
        if given["transaction"] == "completing":
            return Response({}, {**call.journal, "transaction": "completing"}, effects=(call,))
        began = time.monotonic()
        try:
            response = call.make()
        except (JobError, BpmnError):
            raise
        except Exception as problem:
            raise call.failed(problem) from problem
        return Response(response, {**call.journal, "timings": {"total": round(time.monotonic() - began, 4)}})


def _found(path: str, pk: Any, arguments: Mapping[str, Any]) -> Call:
    """What is to be called, as far as that is known without looking at the database."""
    owner, name = _owner(path)
    found = getattr(owner, name, None)
    if not callable(found):
        raise _nothing(path)
    is_model = getattr(owner, "_default_manager", None) is not None
    is_method = is_model and inspect.isfunction(inspect.getattr_static(owner, name, None))
    if is_method and pk in (None, ""):
        raise invalid(f"Expected the input `pk`, for {path} is a method of a model, but found none")
    if not is_method and pk not in (None, ""):
        raise invalid(f"Expected no input `pk`, for {path} is not a method of a model's objects, but found one")
    try:
        inspect.signature(found).bind(*([owner] if is_method else []), **arguments)
    except TypeError as problem:
        raise invalid(f"Expected `arguments` that {path} takes, but {problem}") from None
    return Call(path, owner, name, pk if is_method else None, arguments)


def _owner(path: str) -> tuple[Any, str]:
    """The module or class that has it, and its name there."""
    parts = path.split(".")
    for length in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:length])
        try:
            found: Any = importlib.import_module(module)
        except ModuleNotFoundError as problem:
            if problem.name is not None and (module == problem.name or module.startswith(f"{problem.name}.")):
                continue
            raise
        for part in parts[length:-1]:
            found = getattr(found, part, None)
            if found is None:
                raise _nothing(path)
        return found, parts[-1]
    raise _nothing(path)


def _nothing(path: str) -> JobError:
    return JobError(f"Expected {path} to be something that can be called, but there is none", None, False, "NOT_FOUND")
