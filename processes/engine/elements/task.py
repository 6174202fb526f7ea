"""Abstract task, BPMN 2.0.2 section 13.3.3: nothing is said about its work, so it completes at once."""

from __future__ import annotations

from typing import ClassVar

from processes.engine.activity import Activity


class Task(Activity):
    tag: ClassVar[str] = "task"
    global_tag: ClassVar[str] = "globalTask"
