"""A function of the application in the transaction that completes its job: both happen, or neither, exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import Group, User
from django.db import connection
from django.utils import timezone

from processes.models import FlowNodeInstance, Incident, Job, ProcessInstance, Step
from processes.runtime import definitions, instances, secrets
from processes.runtime.groups import ADMINISTRATOR, GROUPS
from tasks import worker
from tasks.connectors.base import Job as Work
from tasks.connectors.django_call import DjangoConnector
from tasks.registry import Registration, Registry
from tests.drawing import Drawing
from tests.tasks.fleet import Desk, Fleet, eventually
from tests.tasks.sdk import shop

pytestmark = pytest.mark.django_db(transaction=True)

ENROL = "tests.tasks.sdk.shop.enrol"
FULL_NAME = "django.contrib.auth.models.User.get_full_name"
RESULT = {"resultExpression": "={enrolled: result.name, seen: result.seen}"}


class _Spied(DjangoConnector):
    """The connector, and something that happens right after its work."""

    def __init__(self, then: Any = None) -> None:
        super().__init__([ENROL, FULL_NAME])
        self._then = then

    def run(self, job: Work) -> Any:
        response = super().run(job)
        if self._then is not None:
            self._then(job)
        return response


@pytest.fixture(autouse=True)
def _keys(settings: Any) -> None:
    settings.ORCHESTRATOR = {**settings.ORCHESTRATOR, "FIELD_KEYS": [Fernet.generate_key().decode()]}
    shop.calls.clear()


def begun(then: str = "", *, name: str = "chess", headers: dict[str, str] | None = None, **inputs: str) -> Job:
    given = {"callable": ENROL, "arguments.name": name, **({"arguments.then": then} if then else {}), **inputs}
    drawing = Drawing("club").start()
    drawing.service("enrol", type="django", inputs=given, headers=RESULT if headers is None else headers, retries=3)
    drawing.end().on_error("enrol", "full", code="FULL").end("again")
    deployed = definitions.deploy(drawing.xml()).definitions[0].definition
    return Job.objects.get(instance=instances.start(deployed).instance)


def performed(job: Job, then: Any = None) -> worker.Done:
    served = Registry({"django": Registration("django", _Spied(then), "test")})
    (done,) = worker.perform(job.pk, registry=served, worker="tester")
    return done


def groups() -> list[str]:
    ours = (*GROUPS, ADMINISTRATOR)
    return list(Group.objects.exclude(name__in=ours).values_list("name", flat=True))


def ended_at() -> set[str]:
    return set(FlowNodeInstance.objects.filter(state="COMPLETED").values_list("element_id", flat=True))


def test_both_happen_and_the_result_is_the_response() -> None:
    assert performed(begun()).decision == "completed"
    instance = ProcessInstance.objects.get()
    assert (instance.state, instance.variables) == ("COMPLETED", {"enrolled": "chess", "seen": 1})
    assert groups() == ["chess"]
    journal = Step.objects.get(command="CompleteJob").journal
    assert (journal["request"]["callable"], journal["transaction"]) == (ENROL, "completing")


def test_nothing_happens_before_the_completion() -> None:
    seen: list[Any] = []
    performed(begun(), lambda job: seen.append(groups()))
    assert seen == [[]]
    seen.clear()
    performed(begun(name="go", transaction="own"), lambda job: seen.append(groups()))
    assert seen == [["chess", "go"]]
    assert ProcessInstance.objects.latest("pk").variables["enrolled"] == "go"


def test_an_outcome_that_comes_too_late_calls_nobody() -> None:
    done = performed(begun(), lambda job: instances.cancel(job.instance_id))
    assert (done.decision, groups()) == ("refused", [])


def test_a_business_error_is_routed_and_rolls_back() -> None:
    done = performed(begun("bpmn"))
    assert (done.decision, done.message) == ("error", "FULL: no room for chess")
    assert (groups(), ProcessInstance.objects.get().state) == ([], "COMPLETED")
    assert Step.objects.get(command="ThrowError").journal["transaction"] == "completing"


@pytest.mark.parametrize(
    ("then", "decision", "said"),
    [
        ("job", "failed", "chess is not wanted"),
        ("bug", "retry", "raised KeyError: 'chess'"),
        ("exit", "retry", "raised SystemExit: chess"),
        ("twice", "retry", "raised IntegrityError"),
        ("rejected", "retry", "raised Rejected"),
        ("odd", "failed", "to return JSON"),
    ],
)
def test_whatever_it_raises_rolls_back_and_is_the_outcome(then: str, decision: str, said: str) -> None:
    done = performed(begun(then))
    assert done.decision == decision, done
    assert said in done.message
    assert groups() == []
    row = Job.objects.get()
    assert row.retries == (2 if decision == "retry" else 0)
    assert Incident.objects.count() == (decision == "failed")
    assert Step.objects.get(command="FailJob").journal["request"]["arguments"] == ["name", "then"]


def test_an_error_that_a_function_hides_does_not_harm_the_transaction_unseen() -> None:
    done = performed(begun("hidden"))
    if connection.vendor == "postgresql":
        # There a statement that failed has broken the transaction, and what was written is lost.
        assert (done.decision, groups()) == ("retry", [])
        assert Incident.objects.count() == 0
    else:
        assert (done.decision, groups()) == ("completed", ["chess"])


@pytest.mark.only_on("postgresql")  # SQLite has one writer, and so no deadlocks
def test_a_deadlock_repeats_the_whole_transaction() -> None:
    assert performed(begun("deadlock")).decision == "completed"
    assert (shop.calls, groups()) == (["chess", "chess"], ["chess"])


def test_a_result_that_the_model_makes_an_error_of_rolls_back() -> None:
    rule = {"errorExpression": '=if response.result.seen = 1 then bpmnError("FULL", "no") else null'}
    done = performed(begun(headers=rule))
    assert (done.decision, done.message, groups()) == ("error", "FULL: no", [])
    assert ProcessInstance.objects.get().state == "COMPLETED"


def test_a_method_sees_its_object_as_it_is_then() -> None:
    user = User.objects.create_user("ada", first_name="Ada", last_name="Byron")
    given = {"callable": FULL_NAME, "pk": f"={user.pk}"}
    drawing = Drawing("club").start().service("ask", type="django", inputs=given, headers={"resultVariable": "r"})
    deployed = definitions.deploy(drawing.end().xml()).definitions[0].definition
    job = Job.objects.get(instance=instances.start(deployed).instance)
    done = performed(job, lambda job: User.objects.update(last_name="Lovelace"))
    assert done.decision == "completed"
    assert ProcessInstance.objects.get().variables == {"r": {"result": "Ada Lovelace"}}


@pytest.mark.parametrize("then", ["", "bpmn", "job", "bug", "exit", "odd"])
def test_secrets_are_masked_in_what_comes_of_it(then: str) -> None:
    secrets.put("CLUB", "s3cret-society", by="user:ada")
    done = performed(begun(then, name="{{secrets.CLUB}}"))
    assert groups() == ([] if then else ["s3cret-society"])
    instance = ProcessInstance.objects.get()
    told = [done.message, instance.variables, *Step.objects.values_list("journal", flat=True)]
    told += [*Incident.objects.values_list("message", flat=True), *Job.objects.values_list("error_message", flat=True)]
    assert "s3cret-society" not in str(told)
    assert "***" in str(told)


@pytest.mark.workers
@pytest.mark.rabbitmq
@pytest.mark.parametrize("when", ["before the commit", "after the commit"])
def test_a_worker_that_is_killed_leaves_both_or_neither(when: str, fleet: Fleet, desk: Desk) -> None:
    fleet.environment |= {"ORCHESTRATOR_DJANGO_CALLABLES": ENROL}
    before = when == "before the commit"
    victim = fleet.worker(concurrency=1)
    with desk.holding():
        begun("wait" if before else "die")
        if before:
            # It has written its row, and waits; the transaction is open.
            eventually(desk.calls, within=60, what="the function to be called")
            victim.kill()
        else:
            victim.ended()
    assert groups() == ([] if before else ["chess"])
    assert ProcessInstance.objects.get().state == ("ACTIVE" if before else "COMPLETED")
    # The lease of the dead is over. A short one would lapse under the living, too, where the machine is busy.
    Job.objects.update(lease_until=timezone.now())
    fleet.worker(concurrency=1)
    eventually(lambda: ProcessInstance.objects.get().state == "COMPLETED", within=60, what="the job to be completed")
    assert groups() == ["chess"]
    assert ended_at() >= {"enrol"}
    assert len(desk.calls()) == (2 if before else 0)
    assert Step.objects.filter(command="CompleteJob").count() == 1
