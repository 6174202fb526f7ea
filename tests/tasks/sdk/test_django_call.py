"""The connector of one's own application: functions and methods that are allowed, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from tasks.connectors import kit
from tasks.connectors.base import BpmnError, JobError
from tasks.connectors.django_call import DjangoConnector

HERE = "tests.tasks.sdk.shop"
DJANGO = DjangoConnector(
    [
        f"{HERE}.price",
        f"{HERE}.odd",
        f"{HERE}.not_callable",
        f"{HERE}.nothing",
        "no.such.module.function",
        "django.contrib.auth.models.User.get_full_name",
        "django.contrib.auth.models.User.normalize_username",
    ]
)


def call(path: str, **more: Any) -> Any:
    given = {"callable": path, "transaction": "own", **more}
    return DJANGO.run(kit.job(DJANGO, given))["result"]


def failure(path: str, **more: Any) -> JobError:
    with pytest.raises(JobError) as caught:
        call(path, **more)
    return caught.value


def test_what_a_function_says() -> None:
    assert call(f"{HERE}.price", arguments={"sku": "apple", "quantity": 3}) == 6
    with pytest.raises(BpmnError, match="OUT_OF_STOCK"):
        call(f"{HERE}.price", arguments={"sku": "gold"})
    assert failure(f"{HERE}.price", arguments={"sku": "later"}).code == "LATER"
    error = failure(f"{HERE}.price", arguments={"sku": "pear"})
    assert (error.code, error.retryable) == ("KeyError", True)
    error = failure(f"{HERE}.odd")
    assert (error.code, error.retryable) == ("INVALID_RESULT", False)
    for path in (f"{HERE}.not_callable", f"{HERE}.nothing", "no.such.module.function"):
        assert failure(path).code == "NOT_FOUND"


@pytest.mark.django_db
def test_a_method_of_a_model() -> None:
    user = User.objects.create_user("ada", first_name="Ada", last_name="Lovelace")
    path = "django.contrib.auth.models.User"
    assert call(f"{path}.get_full_name", pk=user.pk) == "Ada Lovelace"
    assert call(f"{path}.normalize_username", arguments={"username": "x"}) == "x"
    assert failure(f"{path}.get_full_name", pk=0).code == "NO_SUCH_OBJECT"
    assert failure(f"{path}.get_full_name", pk="one").code == "INVALID_INPUT"
