"""Script task, BPMN 2.0.2 section 10.3.3: FEEL is evaluated at once (``zeebe:script``, or ``bpmn:script`` in FEEL);
Python and JavaScript in ``bpmn:script`` are a job of type ``script``; with a task definition it is that job."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from processes.engine import feel
from processes.engine.expression import Expression
from processes.engine.feel import syntax
from processes.engine.job_task import JobTask
from processes.engine.source import Source

FEEL_FORMATS = ("feel", "application/feel", "text/feel")
LANGUAGES: Mapping[str, str] = {
    "python": "python",
    "text/x-python": "python",
    "application/x-python": "python",
    "javascript": "javascript",
    "text/javascript": "javascript",
    "application/javascript": "javascript",
}
"""Formats that are given away as a job, and what its header `language` calls them."""
JOB_TYPE = "script"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptTask(JobTask):
    tag: ClassVar[str] = "scriptTask"
    global_tag: ClassVar[str] = "globalScriptTask"
    attributes: ClassVar[frozenset[str]] = JobTask.attributes | {"scriptFormat", "scriptLanguage"}
    extensions: ClassVar[frozenset[str]] = JobTask.extensions | {"script"}
    children: ClassVar[frozenset[str]] = JobTask.children | {"script"}

    @classmethod
    def read_work(cls, source: Source) -> dict[str, Any]:
        extension, script = source.extension("script"), source.child("script")
        defined = source.extension("taskDefinition") is not None
        language = LANGUAGES.get(_format(source)) if script is not None else None
        if extension is not None and (defined or script is not None):
            source.problem("two-scripts", "Expected one script, or a task definition, but found both")
        if script is not None and language is not None:
            return cls._read_job(source, script, language)
        if defined:
            if script is not None:
                source.problem("two-scripts", "Expected a script or a task definition but found both")
            return super(ScriptTask, cls).read_work(source)
        for headers in source.extensions("taskHeaders"):
            headers.problem("not-executable", "Expected taskHeaders with a task definition but found none")
        if extension is not None:
            variable = extension.get("resultVariable").strip()
            if not variable:
                extension.problem("no-result-variable", "Expected the script to have a resultVariable but found none")
            text = extension.get("expression")
            return {"script": extension.expression(text, "the script", always_feel=True), "variable": variable}
        if script is not None and _format(source) in FEEL_FORMATS:
            variable = source.camunda("resultVariable") or ""
            return {"script": script.expression(script.text(), "the script", always_feel=True), "variable": variable}
        if script is not None and _format(source) == "juel":
            return {
                "script": script.juel(script.text(), "the script"),
                "variable": source.camunda("resultVariable") or "",
            }
        source.problem(
            "not-executable",
            "Expected a script in FEEL, Python or JavaScript, or a task definition, "
            f"but found the format '{_format(source)}'",
        )
        return {}

    @classmethod
    def _read_job(cls, source: Source, script: Source, language: str) -> dict[str, Any]:
        # The first line must keep its indentation and its number, or Python and whoever reads errors are misled.
        text = textwrap.dedent("".join(str(part) for part in script.element.itertext())).rstrip()
        if not text:
            source.problem("no-script", "Expected the script to have a text but found none")
        fields = cls.read_job(source, Expression(JOB_TYPE))
        if "headers" not in fields:
            source.problem("two-scripts", "Expected one script but found camunda:expression too")
            return fields
        if (name := source.camunda("resultVariable")) and fields["result_expression"] is None:
            value = feel.Expression(name, syntax.ContextLiteral(((name, syntax.Name("result")),)))
            fields["result_expression"] = Expression(name, value)
        return {**fields, "headers": {**fields["headers"], "script": text, "language": language}}

    def evaluated(self, value: Any) -> dict[str, Any]:
        """A script without a name for its value gives a context of variables."""
        if self.variable:
            return {self.variable: value}
        return value if isinstance(value, dict) else {}


def _format(source: Source) -> str:
    """The language of the script, which a global script task calls by another name."""
    return (source.get("scriptFormat") or source.get("scriptLanguage")).strip().lower()
