"""Manual task, BPMN 2.0.2 section 10.3.3: done without any system, so the token passes."""

from __future__ import annotations

from typing import ClassVar

from processes.engine.activity import Activity


class ManualTask(Activity):
    tag: ClassVar[str] = "manualTask"
    global_tag: ClassVar[str] = "globalManualTask"
