"""Two versions of a process, element by element: what was added, removed, changed or moved, and from what to what.

Elements are the same where their ids are. Of each, everything that the document says about it is flattened to named
values: its attributes, mappings by their targets, headers by their keys, conditions, what it waits for (messages,
errors and signals by what they are and not by their ids), loops, and the lane and sub-process around it. Where only
boxes or lines differ, it was moved. White space and the order of what has no order make no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lxml import etree

from processes.engine import xml
from processes.engine.diagram import interchange, sketch
from processes.engine.errors import Rejected

ROOT = ""
"""Key of the process itself, which may have another id in the other version."""
KEYED = {
    "input": ("target", "source"),
    "output": ("target", "source"),
    "header": ("key", "value"),
    "property": ("name", "value"),
    "inputParameter": ("name", ""),
    "outputParameter": ("name", ""),
    "field": ("name", ""),
    "in": ("target", "source"),
    "out": ("target", "source"),
}
"""What comes in numbers and has a name of its own: the attribute with the name, and the one with the value."""
ORDERED = frozenset({"input", "output"})
"""Of which later ones see earlier ones."""
GLOBAL = frozenset({"message", "error", "signal", "escalation", "operation"})
"""What stands beside the processes and is referred to by them: told by what it is."""
UNSAID = frozenset({"incoming", "outgoing", "laneSet", "childLaneSet", "flowNodeRef", "ioSpecification"})
NAMES = {xml.CAMUNDA: "camunda:", "http://camunda.org/schema/modeler/1.0": "modeler:"}
ORDER = "order of "


class ChangeKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Change:
    """`what` is a name for people, such as ``header url``; None: it is not there."""

    what: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class ElementChange:
    """`tag` and `name` are those of the new version, of a removed element the old ones. `changes` of one that was added
    or removed are empty; `moved` may come beside them."""

    id: str
    tag: str
    name: str
    kind: ChangeKind
    changes: tuple[Change, ...] = ()
    moved: bool = False


@dataclass(frozen=True, slots=True)
class _Described:
    id: str
    tag: str
    name: str
    says: Mapping[str, str]
    place: tuple[Any, ...]


def compare(old: bytes, new: bytes, *, old_process: str, new_process: str) -> tuple[ElementChange, ...]:
    """What differs between a process of one document and a process of another, in document order, what was removed
    last. Raises `ModelInvalid` where one is no BPMN, and `Rejected` where it has no such process."""
    before, after = dict(_described(old, old_process)), dict(_described(new, new_process))
    found = []
    for key, now in after.items():
        then = before.get(key)
        if then is None:
            found.append(ElementChange(now.id, now.tag, now.name, ChangeKind.ADDED))
            continue
        changes = tuple(_changes(then.says, now.says))
        # What had no place had none given: we laid it out, and then it is no news that others stand beside it.
        moved = bool(then.place and now.place) and then.place != now.place
        if changes or moved:
            kind = ChangeKind.CHANGED if changes else ChangeKind.MOVED
            found.append(ElementChange(now.id, now.tag, now.name, kind, changes, moved))
    gone = [then for key, then in before.items() if key not in after]
    return (*found, *(ElementChange(then.id, then.tag, then.name, ChangeKind.REMOVED) for then in gone))


def _changes(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for what in dict.fromkeys((*new, *old)):
        then, now = old.get(what), new.get(what)
        if then == now or (what.startswith(ORDER) and not _reordered(then, now)):
            continue
        yield Change(what, then, now)


def _reordered(old: str | None, new: str | None) -> bool:
    """What comes or goes is told by itself."""
    return bool(old and new) and sorted(str(old).split(", ")) == sorted(str(new).split(", "))


# -- what a document says ----------------------------------------------------------------------------------------------


def _described(document: bytes, process_id: str) -> Iterator[tuple[str, _Described]]:
    root = xml.read(document)
    page = sketch.sketched(root)
    if process_id not in page.elements:
        raise Rejected("process-not-found", f"Expected a process '{process_id}' in the document but found none")
    by_id = {element.get("id", ""): element for element in root.iter()}
    places = _places(root, page)
    for key, element in page.elements.items():
        inside = process_id in page.ancestors(key)
        if key != process_id and (not inside or element.tag not in sketch.DRAWN):
            continue
        node = by_id.get(element.id)
        if node is None:
            continue
        says = dict(_says(node, by_id))
        if key == process_id:
            yield ROOT, _Described(element.id, element.tag, element.name, {"id": element.id, **says}, ())
            continue
        says = {"type": element.tag, **says}
        if lane := page.lane_of.get(key):
            says["lane"] = page.elements[lane].name or lane
        if element.parent != process_id and element.tag != "lane":
            says["inside"] = element.parent
        leaving = [other.id for other in page.elements.values() if other.source == key and other.tag == "sequenceFlow"]
        if len(leaving) > 1:
            says[f"{ORDER}flows"] = ", ".join(leaving)
        yield key, _Described(element.id, element.tag, element.name, says, places.get(key, ()))


def _places(root: etree._Element, page: sketch.Sketch) -> dict[str, tuple[Any, ...]]:
    """Where the modeller put boxes and lines, in every diagram."""
    found: dict[str, tuple[Any, ...]] = {}
    for plane in interchange.diagrams(root):
        drawing = interchange.read(plane, page)
        for shape in drawing.shapes:
            box = shape.box
            found.setdefault(shape.element.key, (box.x, box.y, box.width, box.height))
        for edge in drawing.edges:
            found.setdefault(edge.element.key, tuple(edge.points))
    return found


def _says(element: etree._Element, by_id: Mapping[str, etree._Element]) -> Iterator[tuple[str, str]]:
    yield from _attributes(element, "", by_id)
    yield from _inside(element, "", by_id)


def _attributes(element: etree._Element, prefix: str, by_id: Mapping[str, etree._Element]) -> Iterator[tuple[str, str]]:
    for raw, value in ((str(raw), str(value)) for raw, value in element.attrib.items()):
        name = etree.QName(raw)
        if name.localname == "id" or name.namespace == xml.XSI:
            continue
        label = f"{prefix}{NAMES.get(name.namespace or '', '')}{name.localname}"
        target = by_id.get(value.rpartition(":")[2]) if name.localname.endswith("Ref") else None
        if target is None or xml.local(target) not in GLOBAL:
            yield label, _plain(value)
            continue
        # A message, an error, a signal: what it is, whatever its id.
        thing = f"{prefix}{xml.local(target)} "
        yield from _attributes(target, thing, {})
        yield from _inside(target, thing, {})


def _inside(element: etree._Element, prefix: str, by_id: Mapping[str, etree._Element]) -> Iterator[tuple[str, str]]:
    seen: Counter[str] = Counter()
    named: dict[str, list[str]] = {}
    for child in element:
        tag = xml.local(child)
        if xml.namespace(child) == xml.BPMN and (tag in UNSAID or (tag in sketch.DRAWN and child.get("id"))):
            continue
        if tag in ("extensionElements", "ioMapping", "taskHeaders", "properties", "inputOutput"):
            yield from _inside(child, prefix, by_id)
            continue
        seen[tag] += 1
        if tag in KEYED and (name := child.get(KEYED[tag][0])):
            named.setdefault(tag, []).append(name)
            yield f"{prefix}{tag} {name}", _plain(child.get(KEYED[tag][1]) or xml.text_of(child))
            continue
        label = f"{prefix}{tag}" if seen[tag] == 1 else f"{prefix}{tag} {seen[tag]}"
        text = _plain(child.text or "")
        # That it is there says something too, if nothing else does.
        if text or not (child.attrib or len(child)) or tag.endswith("EventDefinition"):
            yield label, text
        yield from _attributes(child, f"{label} ", by_id)
        yield from _inside(child, f"{label} ", by_id)
    for tag, names in named.items():
        if tag in ORDERED and len(names) > 1:
            yield f"{prefix}{ORDER}{tag}s", ", ".join(names)


def _plain(text: str) -> str:
    return " ".join(text.split())
