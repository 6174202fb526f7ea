"""Data, BPMN 2.0.2 sections 10.4.1, 10.4.2 and 13.3.2: variables carry it, and associations are mappings of variables.

A data object or property is a variable of the scope that it stands in, by its name, else by that of its references,
else by its id. What an activity or event takes and gives are its data inputs and outputs, by name: an input is a
variable of its own, an output is what its result has under that name.

    dataInputAssociation    data around it --copied, or as transformation and assignments say--> data input
    dataOutputAssociation   data output, or what transformation and assignments make of the result --> data around it

The properties of an event are null as it begins, and die with it. What it catches can be put into them, and from there
on into data around it.

Associations with data inputs and outputs without a name, and those with data stores, are lines of a drawing, as
modellers leave them; a warning says that they are not executed. Nothing waits for data: what is not there is null.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass

from lxml import etree

from processes.engine import feel, xml
from processes.engine.expression import Expression
from processes.engine.feel import syntax
from processes.engine.mapping import VariableMapping
from processes.engine.source import Source
from processes.engine.unread import COMPUTED, DATA_ASSOCIATIONS, EXPRESSION, IDENTITY, refuse_language, refuse_unread

ITEMS = frozenset({"dataInput", "dataObject", "dataObjectReference", "dataOutput", "property"})
"""What a variable carries."""
SCOPED = ("dataObject", "property")
ITEM = IDENTITY | {"isCollection", "itemSubjectRef"}
SETS = {
    "inputSet": frozenset({"dataInputRefs", "optionalInputRefs", "outputSetRefs", "whileExecutingInputRefs"}),
    "outputSet": frozenset({"dataOutputRefs", "inputSetRefs", "optionalOutputRefs", "whileExecutingOutputRefs"}),
}
DECLARED = ("dataInput", "dataOutput", *SETS)
NULL = Expression("null", feel.compile("null"))

Mappings = tuple[VariableMapping, ...]


def read_data(source: Source, *, collected: str = "") -> tuple[Mappings, Mappings]:
    """What the associations of an activity or event are as input and output mappings; a problem where that cannot be
    said. `collected` is the id of a data output that gathers those of many rounds, and is none of one round."""
    for container in (*source.children("ioSpecification"), source):
        if container.tag == "ioSpecification":
            refuse_unread(container, children=frozenset(DECLARED))
        for part in container.children(*DECLARED):
            children = SETS.get(part.tag, frozenset({"dataState"}))
            refuse_unread(part, attributes=IDENTITY if part.tag in SETS else ITEM, children=children)
    found: dict[str, list[VariableMapping]] = {tag: [] for tag in DATA_ASSOCIATIONS}
    for part in source.children(*DATA_ASSOCIATIONS):
        mappings = list(_association(part))
        if not collected or collected not in _refs(part, "sourceRef"):
            found[part.tag] += mappings
        elif any(part.children(*COMPUTED)):
            what = "what many rounds gave to go where it is collected"
            part.problem("not-executable", f"Expected {what} but found {part.tag} with more than its ends")
    if not any(found.values()) and not collected:
        for part in source.children("ioSpecification"):
            part.warning("data-not-executed", "ioSpecification is described but not executed; variables carry the data")
    return tuple(found["dataInputAssociation"]), tuple(found["dataOutputAssociation"])


def read_own(source: Source) -> Mappings:
    """The data objects and properties that live and die with an activity, as mappings that make them; they are null
    first."""
    items = [part for part in source.children(*SCOPED) if is_executed(part)]
    return tuple(VariableMapping(NULL, (variable(item),)) for item in items)


def properties(event: Source) -> tuple[str, ...]:
    """The variables that live and die with an event."""
    return tuple(variable(part) for part in event.children("property") if is_executed(part))


def check_properties(event: Source) -> None:
    """Report what is not executed of the properties of an event, and two things of one name."""
    for part in event.children("property"):
        if not is_executed(part):
            part.warning("data-not-executed", "property is described but not executed; variables carry the data")
            continue
        for item in event.children("dataInput", "dataOutput"):
            if variable(item) == variable(part):
                what = f"Expected the property to have another name than a {item.tag} but found '{variable(part)}'"
                part.problem("two-names", what)


def variable(item: Source) -> str:
    """The name of the variable that carries it."""
    if item.tag == "dataObjectReference":
        named = item.document.ids.get(_id(item.get("dataObjectRef")))
        if named is None:
            return item.get("name").strip() or item.id
        item = item.within(named)
    agreed = _lookup(item).agreed.get(item.id, "") if item.tag == "dataObject" else ""
    return item.get("name").strip() or agreed or item.id


def named(source: Source, ref: str) -> str:
    """The variable behind the id of data, "" where it is none."""
    found = _item(source, ref)
    return "" if found is None else variable(found)


def collection(activity: Source, ref: str) -> Expression | None:
    """The value of data that is named by its id; that of a data input is what comes into it. None: it is no data."""
    for part in activity.children("dataInputAssociation"):
        if ref in _refs(part, "targetRef") and _says_something(part):
            for mapping in _association(part):
                return mapping.source
    name = named(activity, ref)
    return _value(name) if name else None


def collector(activity: Source, ref: str) -> str:
    """The variable behind the id of data; behind that of a data output, where it goes to. "": it is no data."""
    for part in activity.children("dataOutputAssociation"):
        if ref in _refs(part, "sourceRef"):
            for target in _refs(part, "targetRef"):
                return named(activity, target)
    return named(activity, ref)


def is_executed(item: Source) -> bool:
    """Whether an association that is executed refers to a data object, to a reference to it, or to a property."""
    return item.id in _lookup(item).executed


@dataclass(frozen=True, slots=True)
class _Lookup:
    """What is asked of a document again and again: the name on which the references to a data object agree, the ids of
    data that is executed, and the variables that stand in a scope or activity."""

    agreed: Mapping[str, str]
    executed: Set[str]
    names: dict[etree._Element, set[str]]


def _lookup(source: Source) -> _Lookup:
    document = source.document
    if document.data is None:
        references: dict[str, list[etree._Element]] = defaultdict(list)
        for element in document.root.iter(f"{{{xml.BPMN}}}dataObjectReference"):
            references[_id(element.get("dataObjectRef", ""))].append(element)
        executed: set[str] = set()
        for element in document.root.iter(*(f"{{{xml.BPMN}}}{tag}" for tag in DATA_ASSOCIATIONS)):
            association = Source(element, document)
            if _says_something(association):
                executed |= {_id(ref) for end in ("sourceRef", "targetRef") for ref in _refs(association, end)}
        for object, elements in references.items():
            ids = {element.get("id", "") for element in elements}
            if executed & (ids | {object}):
                executed |= ids | {object}
        agreed: dict[str, str] = {}
        for object, elements in references.items():
            names = {element.get("name", "").strip() for element in elements} - {""}
            if len(names) == 1:
                agreed[object] = names.pop()
        document.data = lookup = _Lookup(agreed, executed - {""}, {})
        for id in sorted(lookup.executed & document.ids.keys()):
            item = Source(document.ids[id], document)
            if item.tag in SCOPED:
                lookup.names.setdefault(item.parent().element, set()).add(variable(item))
    found: _Lookup = document.data
    return found


# -- associations ------------------------------------------------------------------------------------------------------


def _association(part: Source) -> Iterator[VariableMapping]:
    refuse_unread(part, attributes=frozenset({"id"}), children=frozenset({"sourceRef", "targetRef", *COMPUTED}))
    computed = next(part.children(*COMPUTED), None)
    if not _says_something(part):
        if computed is None:
            part.warning("data-not-executed", f"{part.tag} is drawn but not executed; variables carry the data")
        else:
            what, end = ("dataInput", "targetRef") if _is_input(part) else ("dataOutput or nothing", "sourceRef")
            found = f"{part.tag} with {computed.tag}"
            message = f"Expected {end} to name a {what} with a name but found {found}"
            computed.problem("not-executable", message, element=part.owner)
        return
    targets = _refs(part, "targetRef")
    if len(targets) != 1:
        part.problem("no-target", f"Expected {part.tag} to have one targetRef but found {len(targets)}")
        return
    sources = [item for ref in _refs(part, "sourceRef") if (item := _end(part, "sourceRef", ref)) is not None]
    target = _end(part, "targetRef", targets[0])
    if target is None:
        return
    name = variable(target)
    if computed is None:
        if len(sources) > 1:
            part.problem("two-sources", f"Expected one sourceRef without a transformation but found {len(sources)}")
        for item in sources[:1]:
            yield VariableMapping(_value(variable(item)), (name,))
        return
    transformations = list(part.children("transformation"))
    if len(transformations) > 1:
        part.problem("two-transformations", f"Expected one transformation but found {len(transformations)}")
    for transformation in transformations[:1]:
        yield VariableMapping(_feel(transformation), (name,))
    for assignment in part.children("assignment"):
        refuse_unread(assignment, attributes=frozenset({"id"}), children=frozenset({"from", "to"}))
        value, to = assignment.child("from"), assignment.child("to")
        if value is None:
            assignment.problem("no-source", "Expected the assignment to have a from but found none")
            continue
        yield VariableMapping(_feel(value), (name, *_path(assignment, to, target)))


def _path(assignment: Source, to: Source | None, target: Source) -> tuple[str, ...]:
    """Where in the target a value is put: the target itself, or a path that begins with its name or id."""
    if to is None or not to.text():
        return ()
    refuse_unread(to, attributes=EXPRESSION)
    whole = to.text().removeprefix("=").strip()
    for beginning in (variable(target), target.id):
        if whole == beginning:
            return ()
        if beginning and whole.startswith(f"{beginning}."):
            path = tuple(piece.strip() for piece in whole[len(beginning) + 1 :].split("."))
            if all(path):
                return path
    what = f"'{variable(target)}', which targetRef names, or a path in it"
    assignment.problem("no-target", f"Expected to, where the value is put, to be {what} but found '{whole}'")
    return ()


def _feel(part: Source) -> Expression:
    refuse_unread(part, attributes=EXPRESSION)
    if not part.text():
        part.problem("no-source", f"Expected the {part.tag} to have a text but found none")
    refuse_language(part, declared=part.document.root.get("expressionLanguage", "").strip())
    return part.expression(part.text() or "null", f"the {part.tag}", always_feel=True)


def _value(name: str) -> Expression:
    """The value of a variable, whatever its name."""
    return Expression(name, feel.Expression(name, syntax.Name(name)))


# -- what associations refer to ----------------------------------------------------------------------------------------


def _says_something(association: Source) -> bool:
    """Whether it is more than a line: what the activity or event takes or gives has a name, and the rest is no data
    store."""
    inner, outer = ("targetRef", "sourceRef") if _is_input(association) else ("sourceRef", "targetRef")
    inside = [_item(association, ref) for ref in _refs(association, inner)]
    computed = any(association.children(*COMPUTED))
    if not _is_input(association) and computed and not inside:
        inside_named = True
    else:
        declared = [item for item in inside if item is not None and _declares(association, item)]
        inside_named = bool(inside) and len(declared) == len(inside) and all(item.get("name") for item in declared)
    outside = _refs(association, outer)
    drawn = any(_tag(association, ref) in ("dataStore", "dataStoreReference") for ref in outside)
    return inside_named and not drawn and bool(outside or computed)


def _declares(association: Source, item: Source) -> bool:
    """Whether the activity or event of an association has this data input or output; or, where it gives something, the
    event this property."""
    around = item.parent()
    owner = around.parent() if around.tag == "ioSpecification" else around
    if owner.element is not association.element.getparent():
        return False
    if _is_input(association):
        return item.tag == "dataInput"
    return item.tag == "dataOutput" or (item.tag == "property" and owner.tag.endswith("Event"))


def _end(association: Source, attribute: str, ref: str) -> Source | None:
    """The data at one end of an association; a problem where there is none, or where it cannot be seen."""
    item = _item(association, ref)
    if item is None:
        found = _tag(association, ref) or "nothing"
        association.problem("unknown-reference", f"Expected {attribute} '{ref}' to name data but found {found}")
        return None
    if _declares(association, item):
        return item
    standing = item if item.tag != "dataObjectReference" else item.reference("dataObjectRef", "dataObject")
    if standing is None:
        return None
    holder = standing.parent()
    if holder.tag == "ioSpecification":
        holder = holder.parent()
    if holder.tag.endswith("Event") and item.tag == "property" and holder.element is association.element.getparent():
        return item
    if holder.tag.endswith("Event"):
        what = f"Expected {attribute} to name no data of another event but found '{ref}'"
        association.problem("data-not-visible", what)
        return None
    ancestors = list(association.element.iterancestors())
    if holder.element not in ancestors or (attribute == "targetRef" and holder.element is ancestors[0]):
        where = "in a scope around" if attribute == "targetRef" else "of its own or in a scope around"
        association.problem("data-not-visible", f"Expected {attribute} to name data {where} but found '{ref}'")
        return None
    for between in ancestors[: ancestors.index(holder.element)]:
        if variable(item) in _lookup(item).names.get(between, ()):
            found = f"another '{variable(item)}' between"
            association.problem("data-not-visible", f"Expected {attribute} '{ref}' to be seen but found {found}")
            return None
    return item


def _item(source: Source, ref: str) -> Source | None:
    found = source.document.ids.get(_id(ref))
    return source.within(found) if found is not None and xml.local(found) in ITEMS else None


def _tag(source: Source, ref: str) -> str:
    found = source.document.ids.get(_id(ref))
    return "" if found is None else xml.local(found)


def _refs(association: Source, tag: str) -> list[str]:
    return [ref for part in association.children(tag) if (ref := part.text())]


def _is_input(association: Source) -> bool:
    return association.tag == "dataInputAssociation"


def _id(ref: str) -> str:
    return ref.rpartition(":")[2]
