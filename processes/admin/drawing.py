"""The drawing as it stands in a page: SVG from the runtime, or a word why there is none."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from django.utils.safestring import SafeString, mark_safe

from processes.models import ProcessDefinition, ProcessInstance
from processes.runtime import ModelInvalid, drawings

log = logging.getLogger(__name__)


def drawing_of(
    definition: ProcessDefinition,
    instance: ProcessInstance | None = None,
    notes: Mapping[str, drawings.Note] | None = None,
) -> SafeString | None:
    """Inline SVG; None where it could not be drawn, because a page that repairs an instance must open all the same."""
    try:
        # The pencil escapes every id and name that it writes.
        return mark_safe(drawings.drawing(definition, instance, notes))
    except Exception:  # a drawing is decoration: log our bug and show the rest of the page
        log.exception("Expected to draw definition %s but the drawing failed", definition.pk)
        return None


def drawing_of_file(document: bytes, title: str, notes: Mapping[str, drawings.Note]) -> SafeString | None:
    """The same for a file that is not deployed; None where it is no BPMN."""
    try:
        return mark_safe(drawings.of_file(document, title=title, notes=notes))
    except ModelInvalid:
        return None
    except Exception:  # as above
        log.exception("Expected to draw %s but the drawing failed", title)
        return None
