"""The parts of a process instance over REST: its history, the visits to its nodes, and what it waits for."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.exceptions import NotFound

from processes.api import filters
from processes.api.incidents import IncidentRow
from processes.api.jobs import JobRow
from processes.api.pagination import InOrder
from processes.api.payload import Payload
from processes.api.rows import Door
from processes.api.shapes import Anything, Shown, Variables
from processes.models import (
    Compensation,
    Condition,
    FlowNodeInstance,
    Incident,
    Job,
    MessageSubscription,
    ProcessInstance,
    SignalSubscription,
    Step,
    Timer,
)


class StepRow(Payload, Shown):
    """One command that was carried out, and what followed from it."""

    payload = ("facts", "journal")

    facts = Anything(read_only=True, help_text="What happened, in order: objects whose `fact` says what kind.")
    journal = Variables(
        read_only=True, allow_null=True, help_text="What a worker told of its attempt: request, response, timings."
    )

    class Meta:
        model = Step
        fields = ["number", "command", "by", "at", "node", "reason", "facts", "journal", "hidden"]
        read_only_fields = fields


class NodeRow(Payload, Shown):
    """One visit to a flow node."""

    payload = ("variables",)

    variables = Variables(read_only=True, allow_null=True, help_text="Variables local to this visit.")

    class Meta:
        model = FlowNodeInstance
        fields = [
            "key", "element_id", "element_type", "scope", "state", "variables", "entered_at", "ended_at", "hidden",
        ]  # fmt: skip
        read_only_fields = fields


class TimerRow(Shown):
    """A moment that is waited for."""

    class Meta:
        model = Timer
        fields = ["key", "node", "element_id", "due_at", "repetitions", "suspended"]
        read_only_fields = fields


class SubscriptionRow(Shown):
    """A message that is waited for."""

    class Meta:
        model = MessageSubscription
        fields = ["key", "node", "element_id", "name", "correlation_key", "opened_at"]
        read_only_fields = fields


class SignalSubscriptionRow(Shown):
    """A signal that is waited for."""

    class Meta:
        model = SignalSubscription
        fields = ["key", "node", "element_id", "name", "opened_at"]
        read_only_fields = fields


class ConditionRow(Shown):
    """A condition that is watched."""

    class Meta:
        model = Condition
        fields = ["key", "node", "element_id", "expression", "satisfied"]
        read_only_fields = fields


class CompensationRow(Payload, Shown):
    """A completed activity that can be undone."""

    payload = ("variables",)

    variables = Variables(read_only=True, allow_null=True, help_text="Local variables, as they were when it completed.")

    class Meta:
        model = Compensation
        fields = ["key", "node", "element_id", "variables", "thrower", "handler", "hidden"]
        read_only_fields = fields


class NodeFilters(filters.FilterSet):  # type: ignore[misc]
    element_id = filters.TextFilter(help_text="Id of the BPMN element, exactly.")
    live = filters.FlagFilter(field_name="ended_at", lookup_expr="isnull", help_text="Whether the visit is not over.")

    class Meta:
        model = FlowNodeInstance
        fields: list[str] = []


INSTANCE = OpenApiParameter("instance_id", int, OpenApiParameter.PATH, description="Id of the process instance.")


class Part(mixins.ListModelMixin, Door):
    """Rows that belong to the instance of the address, oldest first."""

    pagination_class = InOrder

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().filter(instance=self.kwargs.get("instance_id"))

    def list(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        number = kwargs["instance_id"]
        if not ProcessInstance.objects.filter(pk=number).exists():
            raise NotFound(f"There is no instance {number}.", code="instance-not-found")
        return super().list(request, *args, **kwargs)


def documented(summary: str, description: str = "Oldest first.") -> Any:
    return extend_schema_view(
        list=extend_schema(summary=summary, description=description, parameters=[INSTANCE], tags=["process-instances"])
    )


@documented(
    "Show the history of an instance",
    "Oldest first: every command that was carried out, who asked for it, and the facts that followed. The end of "
    "every attempt of a job is one step, with what the worker told of it as its `journal`.",
)
class History(Part):
    queryset = Step.objects.all()
    serializer_class = StepRow


@documented("List the visits to nodes of an instance")
class Nodes(Part):
    queryset = FlowNodeInstance.objects.all()
    serializer_class = NodeRow
    filterset_class = NodeFilters


@documented("List the jobs of an instance", "Oldest first. A job is gone when it is done; see the history.")
class InstanceJobs(Part):
    queryset = Job.objects.all()
    serializer_class = JobRow


@documented("List the incidents of an instance", "Oldest first, ended ones too.")
class InstanceIncidents(Part):
    queryset = Incident.objects.all()
    serializer_class = IncidentRow


@documented("List the timers of an instance", "Those that an instance waits for now, oldest first.")
class Timers(Part):
    queryset = Timer.objects.all()
    serializer_class = TimerRow


@documented("List the message subscriptions of an instance", "Those that are open now, oldest first.")
class Subscriptions(Part):
    queryset = MessageSubscription.objects.all()
    serializer_class = SubscriptionRow


@documented("List the signal subscriptions of an instance", "Those that are open now, oldest first.")
class SignalSubscriptions(Part):
    queryset = SignalSubscription.objects.all()
    serializer_class = SignalSubscriptionRow


@documented("List the conditions of an instance", "Those that are watched now, oldest first.")
class Conditions(Part):
    queryset = Condition.objects.all()
    serializer_class = ConditionRow


@documented("List what an instance can undo", "Completed activities with a compensation, oldest first.")
class Compensations(Part):
    queryset = Compensation.objects.all()
    serializer_class = CompensationRow
