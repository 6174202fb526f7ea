"""Who may do what: nobody anything, everybody what Django's permissions say."""

from __future__ import annotations

import pytest
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from rest_framework.test import APIClient

from processes.runtime import batches
from tests.api.conftest import V1, problem

ASKS = [
    ("get", "/process-definitions", "view_processdefinition"),
    ("get", "/process-definitions/777", "view_processdefinition"),
    ("get", "/process-definitions/777/xml", "view_processdefinition"),
    ("get", "/process-definitions/777/drawing", "view_processdefinition"),
    ("get", "/process-definitions/777/drawing.png", "view_processdefinition"),
    ("post", "/process-definitions", "add_processdefinition"),
    ("post", "/process-definitions/validate", "add_processdefinition"),
    ("delete", "/process-definitions/777", "delete_processdefinition"),
    ("post", "/process-definitions/777/suspend", "change_processdefinition"),
    ("post", "/process-definitions/777/resume", "change_processdefinition"),
    ("get", "/process-definitions/777/diff", "view_processdefinition"),
    ("get", "/process-definitions/777/statistics", "view_processdefinition"),
    ("get", "/decision-definitions", "view_decisiondefinition"),
    ("get", "/decision-definitions/777", "view_decisiondefinition"),
    ("get", "/decision-definitions/777/xml", "view_decisiondefinition"),
    ("post", "/decision-definitions/777/evaluate", "change_decisiondefinition"),
    ("get", "/process-instances", "view_processinstance"),
    ("get", "/process-instances/777", "view_processinstance"),
    ("get", "/process-instances/777/drawing", "view_processinstance"),
    ("get", "/process-instances/777/drawing.png", "view_processinstance"),
    ("get", "/process-instances/777/history.csv", "view_step"),
    ("get", "/process-instances/777/history.json", "view_step"),
    ("get", "/process-instances/777/trace.json", "view_processinstance"),
    ("get", "/process-instances/777/state", "view_processinstance"),
    ("get", "/process-instances/777/timeline", "view_processinstance"),
    ("get", "/process-instances/777/variables", "view_processinstance"),
    ("patch", "/process-instances/777/variables", "change_processinstance"),
    ("post", "/process-instances", "add_processinstance"),
    ("post", "/process-instances/777/cancel", "change_processinstance"),
    ("post", "/process-instances/777/ad-hoc/777/activate", "change_processinstance"),
    ("post", "/process-instances/777/suspend", "change_processinstance"),
    ("post", "/process-instances/777/resume", "change_processinstance"),
    ("post", "/process-instances/777/modify", "change_processinstance"),
    ("post", "/process-instances/777/modify/preview", "change_processinstance"),
    ("post", "/process-instances/777/restart", "change_processinstance"),
    ("post", "/process-instances/777/migrate", "change_processinstance"),
    ("post", "/process-instances/777/jobs/777/complete", "change_processinstance"),
    ("post", "/process-instances/777/jobs/777/throw-error", "change_processinstance"),
    ("post", "/process-instances/777/nodes/777/skip", "change_processinstance"),
    ("post", "/process-instances/777/timers/777/fire", "change_processinstance"),
    ("post", "/process-instances/777/subscriptions/777/send", "change_processinstance"),
    ("post", "/process-instances/777/signal-subscriptions/777/send", "change_processinstance"),
    ("post", "/migrations/plan", "change_processinstance"),
    ("post", "/migrations/preview", "change_processinstance"),
    ("get", "/batches", "view_batch"),
    ("get", "/batches/777", "view_batch"),
    ("get", "/batches/777/items", "view_batchitem"),
    ("post", "/batches", "add_batch"),
    ("post", "/batches/preview", "add_batch"),
    ("post", "/batches/777/pause", "change_batch"),
    ("post", "/batches/777/resume", "change_batch"),
    ("post", "/batches/777/cancel", "change_batch"),
    ("get", "/process-instances/777/history", "view_step"),
    ("get", "/process-instances/777/nodes", "view_flownodeinstance"),
    ("get", "/process-instances/777/jobs", "view_job"),
    ("get", "/process-instances/777/incidents", "view_incident"),
    ("get", "/process-instances/777/timers", "view_timer"),
    ("get", "/process-instances/777/subscriptions", "view_messagesubscription"),
    ("get", "/process-instances/777/documents", "view_document"),
    ("get", "/documents/777", "view_document"),
    ("get", "/documents/777/content", "view_document"),
    ("post", "/documents", "change_job"),
    ("get", "/process-instances/777/signal-subscriptions", "view_signalsubscription"),
    ("get", "/process-instances/777/conditions", "view_condition"),
    ("get", "/process-instances/777/compensations", "view_compensation"),
    ("get", "/jobs", "view_job"),
    ("get", "/jobs/777", "view_job"),
    ("post", "/jobs/claim", "change_job"),
    ("post", "/jobs/777/complete", "change_job"),
    ("post", "/jobs/777/fail", "change_job"),
    ("post", "/jobs/777/error", "change_job"),
    ("post", "/jobs/777/extend", "change_job"),
    ("get", "/user-tasks", "view_usertask"),
    ("get", "/user-tasks/777", "view_usertask"),
    ("post", "/user-tasks/777/claim", "change_usertask"),
    ("post", "/user-tasks/777/assign", "change_usertask"),
    ("post", "/user-tasks/777/complete", "change_usertask"),
    ("get", "/messages", "view_message"),
    ("get", "/messages/777", "view_message"),
    ("post", "/messages", "add_message"),
    ("post", "/signals", "add_signal"),
    ("post", "/conditions", "add_processinstance"),
    ("get", "/element-templates", "view_processdefinition"),
    ("get", "/element-templates/777", "view_processdefinition"),
    ("get", "/incidents", "view_incident"),
    ("get", "/incidents/777", "view_incident"),
    ("post", "/incidents/777/resolve", "change_incident"),
    ("post", "/incidents/resolve", "change_incident"),
    ("get", "/connections", "view_connection"),
    ("get", "/connections/name", "view_connection"),
    ("post", "/connections", "add_connection"),
    ("patch", "/connections/name", "change_connection"),
    ("delete", "/connections/name", "delete_connection"),
    ("post", "/connections/name/pause", "change_connection"),
    ("post", "/connections/name/resume", "change_connection"),
    ("get", "/inbound-bindings", "view_inboundbinding"),
    ("get", "/inbound-bindings/name", "view_inboundbinding"),
    ("post", "/inbound-bindings", "add_inboundbinding"),
    ("patch", "/inbound-bindings/name", "change_inboundbinding"),
    ("delete", "/inbound-bindings/name", "delete_inboundbinding"),
    ("post", "/inbound-bindings/name/pause", "change_inboundbinding"),
    ("post", "/inbound-bindings/name/resume", "change_inboundbinding"),
    ("get", "/audit", "view_action"),
    ("get", "/audit/777", "view_action"),
    ("get", "/secrets", "view_secret"),
    ("put", "/secrets/name", "change_secret"),
    ("delete", "/secrets/name", "delete_secret"),
]


BESIDE = {
    "/documents/777/content": ["view_payload"],
    "/process-instances/777/history.csv": ["view_processinstance"],
    "/process-instances/777/history.json": ["view_processinstance"],
}
"""What is needed beside the permission of the table."""


@pytest.mark.parametrize(("method", "path", "permission"), ASKS)
def test_only_with_the_permission(anonymous, user_with, method, path, permission):
    def ask(client: APIClient) -> object:
        return getattr(client, method)(V1 + path)

    answer = ask(anonymous)
    problem(answer, 401, "not-authenticated")
    assert answer["WWW-Authenticate"] == "Token"
    everything_else = sorted({other for _, _, other in ASKS} - {permission})
    problem(ask(user_with(*everything_else)), 403, "permission-denied")
    assert ask(user_with(permission, *BESIDE.get(path, []))).status_code not in (401, 403)


MOVE = {"modify": {"cancel": [{"element_id": "a"}]}, "instance_ids": [777]}
AGAIN = {"restart": {}, "instance_ids": [777]}
GO_ON = {"migrate": {"target_definition_id": 777}, "instance_ids": [777]}
RETRY = {"retry": {}, "incidents": {}}
RETRY_WITH = {"retry": {"variables": {"x": 1}}, "incidents": {}}


@pytest.mark.parametrize(
    ("path", "body", "single"),
    [
        ("/batches", MOVE, ["change_processinstance"]),
        ("/batches", AGAIN, ["change_processinstance"]),
        ("/batches", GO_ON, ["change_processinstance"]),
        ("/batches", RETRY, ["change_incident"]),
        ("/batches", RETRY_WITH, ["change_incident", "change_processinstance"]),
        ("/batches/preview", RETRY, ["change_incident"]),
        ("/batches/preview", RETRY_WITH, ["change_incident", "change_processinstance"]),
    ],
)
def test_who_does_it_to_many_may_do_it_to_one(user_with, path, body, single):
    for missing in single:
        others = [permission for permission in single if permission != missing]
        told = problem(user_with("add_batch", *others).post(V1 + path, body, format="json"), 403, "permission-denied")
        assert missing in told["detail"]
    problem(user_with(*single).post(V1 + path, body, format="json"), 403, "permission-denied")
    assert user_with("add_batch", *single).post(V1 + path, body, format="json").status_code != 403


def test_who_resumes_many_may_do_it_to_one(user_with):
    batch = batches.restart([777])
    batches.pause(batch.pk)
    here = f"{V1}/batches/{batch.pk}/resume"
    problem(user_with("change_batch").post(here), 403, "permission-denied")
    assert user_with("change_batch", "change_processinstance", "view_batch").post(here).status_code == 200


def test_every_address_is_in_the_table():
    from drf_spectacular.generators import SchemaGenerator

    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    documented = {
        (
            method,
            path.removeprefix(V1)
            .replace("{id}", "777")
            .replace("{instance_id}", "777")
            .replace("{batch_id}", "777")
            .replace("{node}", "777")
            .replace("{job}", "777")
            .replace("{timer}", "777")
            .replace("{subscription}", "777")
            .replace("{name}", "name"),
        )
        for path, operations in paths.items()
        for method in operations
        if path.startswith(V1) and path not in (f"{V1}/tokens", f"{V1}/webhooks/{{path}}")  # no user asks there
    }
    assert documented == {(method, path) for method, path, _ in ASKS}


def test_a_session_is_as_good_as_a_token(db):
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("root"))
    assert client.get(f"{V1}/jobs").status_code == 200
    problem(client.post(f"{V1}/jobs/claim", {"type": "t", "worker": "w"}, format="json"), 403, "permission-denied")


def test_a_method_that_there_is_not(api, user_with):
    for client in (api, user_with()):
        for method in ("put", "delete", "options"):
            answer = getattr(client, method)(f"{V1}/jobs/1")
            problem(answer, 405, "method-not-allowed")
            assert answer["Allow"] == "GET, HEAD"


def test_head(api, one_task):
    assert api.head(f"{V1}/process-definitions").status_code == 200
    assert api.head(f"{V1}/process-definitions/{one_task['id']}").status_code == 200


@pytest.mark.django_db
def test_permissions_are_those_that_django_finds(django_assert_num_queries):
    own, ours, theirs = Permission.objects.order_by("pk")[:3]
    user, superuser = User.objects.create_user("worker"), User.objects.create_superuser("root")
    left = User.objects.create_user("left", is_active=False)
    group, other = Group.objects.create(name="workers"), Group.objects.create(name="others")
    group.permissions.add(own, ours)
    other.permissions.add(theirs)
    user.groups.add(group)
    user.user_permissions.add(own)
    left.user_permissions.add(own)
    for who in (user, superuser, left):
        expected = ModelBackend().get_all_permissions(User.objects.get(pk=who.pk))
        assert User.objects.get(pk=who.pk).get_all_permissions() == expected
    assert AnonymousUser().get_all_permissions() == set()
    found, name = User.objects.get(pk=user.pk), f"{own.content_type.app_label}.{own.codename}"
    with django_assert_num_queries(1):
        assert found.has_perm(name)
        assert not found.has_perm("processes.change_job", found)
    assert len(found.get_all_permissions()) == 2
