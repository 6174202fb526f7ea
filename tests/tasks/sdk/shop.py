"""Code of an application beside us, as the `django` connector calls it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from typing import Any

from django.contrib.auth.models import Group
from django.db import DatabaseError, connection, transaction

from processes.runtime import Rejected
from tasks.connectors.base import BpmnError, JobError
from tests.tasks.shop import tell

prices = {"apple": 2}
not_callable = 5


def price(sku: str, quantity: int = 1) -> int:
    if sku == "gold":
        raise BpmnError("OUT_OF_STOCK", "no gold")
    if sku == "later":
        raise JobError("come back later", retryable=True, code="LATER")
    return prices[sku] * quantity


def odd() -> Any:
    return {1, 2}


def enrol(name: str, then: str = "") -> dict[str, Any]:
    """Writes a row, and does `then` what may go wrong."""
    group = Group.objects.create(name=name)
    match then:
        case "bpmn":
            raise BpmnError("FULL", f"no room for {name}", {"left": 0})
        case "job":
            raise JobError(f"{name} is not wanted", retryable=False, code="UNWANTED", details={"name": name})
        case "bug":
            raise KeyError(name)
        case "exit":
            raise SystemExit(name)
        case "hidden":
            with suppress(DatabaseError), connection.cursor() as cursor:
                cursor.execute("SELECT no_such_column FROM auth_group")
        case "odd":
            return {"group": {name}}
        case "twice":
            Group.objects.create(name=name)
        case "rejected":
            raise Rejected("job-not-found", name)
        case "deadlock":
            calls.append(name)
            if len(calls) == 1:
                with connection.cursor() as cursor:
                    cursor.execute("DO $$ BEGIN RAISE EXCEPTION 'a deadlock' USING ERRCODE = '40P01'; END $$")
        case "wait":
            tell("call", name=name)
        case "die":
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
    return {"name": group.name, "seen": Group.objects.filter(name=name).count()}


calls: list[str] = []
