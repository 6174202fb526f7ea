"""Which secrets a task names: those whose placeholders stand in the model itself, input by input.

What an input evaluates to may hold text of anybody: of who started the instance, of a service that answered. A
placeholder in *that* is data like any other and never resolved, or whoever can start an instance could have any secret
sent to the service that is called. So a placeholder counts for an input if it stands, whole, in the source of that
mapping, as a literal or in a text literal of its expression, or in that of an earlier input that it refers to. A task
that maps no inputs names none in its variables. Headers are text of the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from processes.engine.mapping import VariableMapping
from processes.models import ProcessDefinition
from processes.runtime import definitions
from processes.runtime.secrets import PLACEHOLDER


def named(definition_id: int, element_id: str) -> Mapping[str, frozenset[str]]:
    """The names of secrets by the input that may have them put in."""
    digest = ProcessDefinition.objects.values_list("digest", flat=True).get(pk=definition_id)
    return _named(definition_id, digest, element_id)


@lru_cache(maxsize=1024)
def _named(definition_id: int, digest: str, element_id: str) -> Mapping[str, frozenset[str]]:
    node = definitions.process_by_key(definition_id, digest).nodes.get(element_id)
    mappings: tuple[VariableMapping, ...] = getattr(node, "inputs", ())
    found: dict[str, frozenset[str]] = {}
    for mapping in mappings:
        own = frozenset(name for text in mapping.source.texts for name in PLACEHOLDER.findall(text))
        earlier = [found[name] for name in mapping.source.names if name in found]
        target = mapping.target[0]
        found[target] = own.union(found.get(target, ()), *earlier)
    return found
