"""Service task, BPMN 2.0.2 section 10.3.3: work done by a system, given away as a job of its type.

In BPMN's own words it calls a web service (section 8.4.3, 8.4.4):

    <import importType="http://schemas.xmlsoap.org/wsdl/" namespace="urn:shop" location="https://shop/orders?wsdl" />
    <interface name="Orders" implementationRef="shop:OrdersPort">
      <operation id="place" name="place order" implementationRef="shop:placeOrder">
    ...
    <serviceTask id="Task" implementation="##WebService" operationRef="place" />

which is a job of type ``soap`` with the task headers `wsdl`, `port` and `operation`. The `implementationRef` of an
interface may also be the address of the WSDL itself, or the name of a connection. The errors that an operation
declares are thrown where the service answers with a fault of their code (header `faultErrors`).
"""

from __future__ import annotations

from typing import ClassVar

from processes.engine import xml
from processes.engine.job_task import Binding, JobTask
from processes.engine.source import Source

WEB_SERVICE = "##WebService"


class ServiceTask(JobTask):
    tag: ClassVar[str] = "serviceTask"
    attributes: ClassVar[frozenset[str]] = JobTask.attributes | {"implementation", "operationRef"}

    @classmethod
    def bound(cls, source: Source) -> Binding | None:
        if not source.get("operationRef"):
            return None
        implementation = source.get("implementation") or WEB_SERVICE
        if implementation.lower() != WEB_SERVICE.lower():
            source.problem(
                "not-executable", f"Expected implementation {WEB_SERVICE} with operationRef but found {implementation}"
            )
        operation = source.reference("operationRef", "operation")
        if operation is None:
            return Binding("soap", {})
        name = operation.get("implementationRef") or operation.get("name")
        headers = {**_service(operation.parent()), "operation": name.rpartition("}")[2].rpartition(":")[2]}
        if errors := [code for part in operation.children("errorRef") if (code := _error_code(part))]:
            headers["faultErrors"] = ",".join(errors)
        return Binding("soap", headers)


def _service(interface: Source) -> dict[str, str]:
    """Where an interface is implemented."""
    reference = interface.get("implementationRef").strip()
    if reference.lower().startswith(xml.REACHABLE):
        return {"wsdl": reference}
    space, port = _qualified(interface, reference)
    if space is None:
        return {"connection": reference} if reference else {}
    root = interface.within(interface.document.root)
    for found in root.children("import"):
        if found.get("namespace") == space and found.get("importType").startswith(xml.WSDL):
            location = found.get("location").strip()
            if location.lower().startswith(xml.REACHABLE):
                return {"wsdl": location, "port": port}
    return {"port": port}


def _qualified(source: Source, reference: str) -> tuple[str | None, str]:
    """Namespace and local name of ``{namespace}name`` or ``prefix:name``; None where it is neither."""
    if reference.startswith("{"):
        found, _, name = reference[1:].partition("}")
        return found, name
    prefix, colon, name = reference.partition(":")
    space = source.element.nsmap.get(prefix) if colon else None
    return (space, name) if space else (None, reference)


def _error_code(reference: Source) -> str:
    """The code of an error that an operation declares, "" where there is none."""
    name = reference.text().rpartition(":")[2]
    found = reference.document.ids.get(name)
    if found is None or reference.within(found).tag != "error":
        reference.problem("unknown-reference", f"Expected errorRef to name an error but found no error '{name}'")
        return ""
    return str(found.get("errorCode", "")).strip()
