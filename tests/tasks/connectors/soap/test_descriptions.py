"""Descriptions of services: kept, fetched again, fetched once for all who ask, never from where they must not be."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.connectors.base import JobError
from tasks.connectors.soap import SoapConnector
from tasks.connectors.soap_wsdl import KEPT, MOST_BYTES, Descriptions
from tests.tasks.connectors.server import Handler, Server, running
from tests.tasks.connectors.soap.conftest import Service

WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">
 <types><xs:schema targetNamespace="urn:t"><xs:include schemaLocation="{location}"/>
  <xs:element name="ask" type="t:Question"/></xs:schema></types>
 <message name="ask"><part name="p" element="t:ask"/></message>
 <portType name="T"><operation name="ask"><input message="t:ask"/></operation></portType>
 <binding name="B" type="t:T"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
  <operation name="ask"><soap:operation soapAction=""/><input><soap:body use="literal"/></input></operation></binding>
 <service name="S"><port name="P" binding="t:B"><soap:address location="http://t.example/"/></port></service>
</definitions>"""
SCHEMA = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t">
 <xs:complexType name="Question">
  <xs:sequence><xs:element name="{name}" type="xs:string"/></xs:sequence></xs:complexType>
</xs:schema>"""


class World:
    """Documents by address, and what was asked for."""

    def __init__(self, **documents: str) -> None:
        self.documents = {f"http://t.example/{name}": text for name, text in documents.items()}
        self.asked: list[str] = []
        self.away = False

    def fetch(self, url: str) -> bytes:
        self.asked.append(url.rpartition("/")[2])
        if self.away or url not in self.documents:
            raise JobError("nobody there", code="WSDL_UNAVAILABLE")
        return self.documents[url].encode()


def world(location: str = "types") -> World:
    return World(wsdl=WSDL.format(location=location), types=SCHEMA.format(name="text"))


URL = "http://t.example/wsdl"


def fields(description: Any) -> list[str]:
    from tasks.connectors.soap_schema import fields_of

    return list(fields_of(description.find("ask").operation.input.body.type))


def test_imports_are_fetched_and_everything_is_kept() -> None:
    here, known = world(), Descriptions()
    first = known.get(URL, here.fetch)
    assert fields(first) == ["text"]
    assert here.asked == ["wsdl", "types"]
    assert known.get(URL, here.fetch) is first
    assert known.get(URL, here.fetch, renew=True) is first  # too fresh to ask again
    assert len(here.asked) == 2
    known.get(URL, here.fetch, owner="another connection")
    assert len(here.asked) == 4


def test_after_a_while_it_is_looked_at_again_and_read_again_where_it_changed() -> None:
    here, known = world(), Descriptions(kept=0.0)
    first = known.get(URL, here.fetch)
    assert known.get(URL, here.fetch) is first
    here.documents["http://t.example/types"] = SCHEMA.format(name="words")
    second = known.get(URL, here.fetch)
    assert fields(second) == ["words"]
    assert second is not first


def test_what_is_known_is_used_while_nobody_serves_it() -> None:
    here, known = world(), Descriptions(kept=0.0, fresh=0.0)
    first = known.get(URL, here.fetch)
    here.away = True
    assert known.get(URL, here.fetch) is first
    with pytest.raises(JobError, match="nobody there"):
        Descriptions().get(URL, here.fetch)


def test_one_fetches_for_all() -> None:
    here, known, gate = world(), Descriptions(), threading.Event()

    def slowly(url: str) -> bytes:
        gate.wait(60)
        return here.fetch(url)

    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(known.get(URL, slowly))) for _ in range(8)]
    for thread in threads:
        thread.start()
    gate.set()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert here.asked == ["wsdl", "types"]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://t.example/x"])
def test_nothing_but_http_is_imported(location: str, tmp_path: Path) -> None:
    here = world(location)
    with pytest.raises(JobError) as refused:
        Descriptions().get(URL, here.fetch)
    assert (refused.value.code, refused.value.retryable) == ("INVALID_WSDL", False)
    assert "by http or https" in refused.value.message
    assert here.asked == ["wsdl"]


def bomb() -> World:
    entities = '<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
    return World(wsdl=entities + WSDL.format(location="types"), types=SCHEMA.format(name="&b;"))


def outside() -> World:
    doctype = '<!DOCTYPE d SYSTEM "http://t.example/types">'
    return World(wsdl=doctype + WSDL.format(location="types"), types=SCHEMA.format(name="text"))


def large() -> World:
    return World(wsdl=WSDL.format(location="types"), types=SCHEMA.format(name="text") + " " * MOST_BYTES)


@pytest.mark.parametrize(
    "make",
    [bomb, outside, large, lambda: World(wsdl="<html/>"), lambda: World(wsdl="no"), lambda: World(wsdl="")],
)
def test_documents_that_are_refused(make: Callable[[], World]) -> None:
    with pytest.raises(JobError) as refused:
        Descriptions().get(URL, make().fetch)
    assert (refused.value.code, refused.value.retryable) == ("INVALID_WSDL", False)


def test_an_operation_that_the_service_learned_is_found(service: Service, impatient: Service) -> None:
    assert impatient.failure("learned").code == "INVALID_INPUT"
    service.told("learn")
    assert impatient.call("learned")["body"] == {"learnedResult": "yes"}


def test_an_unknown_operation_names_those_that_there_are(service: Service) -> None:
    message = service.failure("adds").message
    assert message.startswith("Expected the service to have the operation 'adds', but it has add, fail, ")


def test_a_wsdl_that_cannot_be_fetched(service: Service) -> None:
    error = service.failure("add", shop="nothing-here")
    assert (error.code, error.retryable) == ("WSDL_UNAVAILABLE", True)
    assert "503" in error.message
    assert error.journal["request"]["method"] == "GET"
    error = service.failure("add", shop="denied")
    assert (error.code, error.retryable) == ("WSDL_UNAVAILABLE", False)
    assert service.failure("add", shop="html").code == "INVALID_WSDL"


def test_the_service_works_while_its_wsdl_does_not(impatient: Service) -> None:
    assert impatient.call("ping")["body"] == {}
    impatient.told("failing")
    assert impatient.call("ping")["body"] == {}


class Shelf(Server):
    """Serves a WSDL and the schema that it includes, and takes what is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = ShelfHandler
        self.field = "text"

    def asked(self) -> list[str]:
        found = [seen["path"].strip("/") for seen in self.seen]
        self.seen.clear()
        return found


class ShelfHandler(Handler):
    server: Shelf

    def path_wsdl(self) -> None:
        text = WSDL.format(location="types").replace("http://t.example/", f"{self.server.url}/take")
        self.answer(200, text.encode(), "text/xml")

    def path_types(self) -> None:
        self.answer(200, SCHEMA.format(name=self.server.field).encode(), "text/xml")

    def path_take(self) -> None:
        self.answer(202)


def test_a_schema_that_changed_is_fetched_when_its_time_is_up() -> None:
    with running(Shelf()) as shelf:
        assert isinstance(shelf, Shelf)
        known = Descriptions()
        service = Service(shelf.url, SoapConnector(descriptions=known))
        asked = {"shop": "wsdl", "parameters": {"text": "x"}}
        service.call("ask", **asked)
        assert shelf.asked() == ["wsdl?wsdl", "types", "take"]
        shelf.field = "words"
        service.call("ask", **asked)
        assert shelf.asked() == ["take"], "not yet"
        (entry,) = known._entries.values()
        assert entry.description is not None
        entry.description.looked_at -= KEPT
        error = service.failure("ask", **asked)
        assert "Expected `parameters` to have `words`, but found `text`" in error.message
        assert shelf.asked() == ["wsdl?wsdl", "types"]
        service.call("ask", shop="wsdl", parameters={"words": "x"})
        assert shelf.asked() == ["take"]
