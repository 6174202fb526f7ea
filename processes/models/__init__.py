"""The rows and their constraints. No verbs here: only `processes.runtime` writes them, the doors read."""

from processes.models.actions import Action
from processes.models.batches import Batch, BatchItem
from processes.models.connections import Connection, Gate
from processes.models.definitions import DecisionDefinition, ProcessDefinition, StartOccurrence, StartSubscription
from processes.models.deliveries import Delivery
from processes.models.documents import Document
from processes.models.history import Step
from processes.models.inbound import InboundBinding, InboundReceipt
from processes.models.instances import FlowNodeInstance, ProcessInstance, Token
from processes.models.messages import Message, MessageCorrelation
from processes.models.replies import AwaitedReply, EarlyReply
from processes.models.secrets import Secret
from processes.models.signals import Signal, SignalDelivery
from processes.models.throughput import Minute
from processes.models.waits import (
    Call,
    Compensation,
    Condition,
    Incident,
    Job,
    MessageSubscription,
    SignalSubscription,
    Timer,
    UserTask,
)
from processes.models.workers import Worker

__all__ = [
    "Action",
    "AwaitedReply",
    "Batch",
    "BatchItem",
    "Call",
    "Compensation",
    "Condition",
    "Connection",
    "DecisionDefinition",
    "Delivery",
    "Document",
    "EarlyReply",
    "FlowNodeInstance",
    "Gate",
    "InboundBinding",
    "InboundReceipt",
    "Incident",
    "Job",
    "Message",
    "MessageCorrelation",
    "MessageSubscription",
    "Minute",
    "ProcessDefinition",
    "ProcessInstance",
    "Secret",
    "Signal",
    "SignalDelivery",
    "SignalSubscription",
    "StartOccurrence",
    "StartSubscription",
    "Step",
    "Timer",
    "Token",
    "UserTask",
    "Worker",
]
