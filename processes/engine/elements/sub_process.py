"""Embedded sub-process, BPMN 2.0.2 section 13.3.4: an activity with a scope inside. An event sub-process
(section 13.5.4) is entered by no token: the event inside it begins it."""

from __future__ import annotations

from typing import ClassVar

from processes.engine.scope import Embedded


class SubProcess(Embedded):
    tag: ClassVar[str] = "subProcess"
