"""One BPMN element, one file: its XML reading, what can be wrong with it at deploy, and its behaviour.

An element is executed because its file is here and listed below; whatever is not listed is refused at deploy, by name.
"""

from __future__ import annotations

from collections.abc import Mapping

from processes.engine.elements.ad_hoc_sub_process import AdHocSubProcess
from processes.engine.elements.boundary_event import BoundaryEvent
from processes.engine.elements.business_rule_task import BusinessRuleTask
from processes.engine.elements.call_activity import CallActivity
from processes.engine.elements.cancel_event_definition import CancelEventDefinition
from processes.engine.elements.compensate_event_definition import CompensateEventDefinition
from processes.engine.elements.complex_gateway import ComplexGateway
from processes.engine.elements.conditional_event_definition import ConditionalEventDefinition
from processes.engine.elements.end_event import EndEvent
from processes.engine.elements.error_event_definition import ErrorEventDefinition
from processes.engine.elements.escalation_event_definition import EscalationEventDefinition
from processes.engine.elements.event_based_gateway import EventBasedGateway
from processes.engine.elements.exclusive_gateway import ExclusiveGateway
from processes.engine.elements.inclusive_gateway import InclusiveGateway
from processes.engine.elements.intermediate_catch_event import IntermediateCatchEvent
from processes.engine.elements.intermediate_throw_event import IntermediateThrowEvent
from processes.engine.elements.link_event_definition import LinkEventDefinition
from processes.engine.elements.manual_task import ManualTask
from processes.engine.elements.message_event_definition import MessageEventDefinition
from processes.engine.elements.multi_instance_loop_characteristics import MultiInstanceLoopCharacteristics
from processes.engine.elements.parallel_gateway import ParallelGateway
from processes.engine.elements.receive_task import ReceiveTask
from processes.engine.elements.script_task import ScriptTask
from processes.engine.elements.send_task import SendTask
from processes.engine.elements.service_task import ServiceTask
from processes.engine.elements.signal_event_definition import SignalEventDefinition
from processes.engine.elements.standard_loop_characteristics import StandardLoopCharacteristics
from processes.engine.elements.start_event import StartEvent
from processes.engine.elements.sub_process import SubProcess
from processes.engine.elements.task import Task
from processes.engine.elements.terminate_event_definition import TerminateEventDefinition
from processes.engine.elements.timer_event_definition import TimerEventDefinition
from processes.engine.elements.transaction import Transaction
from processes.engine.elements.user_task import UserTask
from processes.engine.event_definition import EventDefinition
from processes.engine.loop import Loop
from processes.engine.model import FlowNode

FLOW_NODES: Mapping[str, type[FlowNode]] = {
    kind.tag: kind
    for kind in (
        StartEvent,
        EndEvent,
        IntermediateCatchEvent,
        IntermediateThrowEvent,
        BoundaryEvent,
        Task,
        ServiceTask,
        SendTask,
        ReceiveTask,
        ScriptTask,
        ManualTask,
        UserTask,
        BusinessRuleTask,
        SubProcess,
        AdHocSubProcess,
        CallActivity,
        Transaction,
        ExclusiveGateway,
        ParallelGateway,
        InclusiveGateway,
        ComplexGateway,
        EventBasedGateway,
    )
}
GLOBAL_TASKS: Mapping[str, type[FlowNode]] = {kind.global_tag: kind for kind in FLOW_NODES.values() if kind.global_tag}
EVENT_DEFINITIONS: Mapping[str, type[EventDefinition]] = {
    kind.tag: kind
    for kind in (
        TimerEventDefinition,
        MessageEventDefinition,
        ErrorEventDefinition,
        EscalationEventDefinition,
        SignalEventDefinition,
        ConditionalEventDefinition,
        LinkEventDefinition,
        CompensateEventDefinition,
        CancelEventDefinition,
        TerminateEventDefinition,
    )
}
LOOPS: Mapping[str, type[Loop]] = {
    kind.tag: kind for kind in (StandardLoopCharacteristics, MultiInstanceLoopCharacteristics)
}
