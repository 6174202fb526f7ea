"""Which connector performs which job type: the built-in ones, those of installed packages, those of your own
modules.

    registry = Registry.load(modules=["shop.payments"])
    registry.get("charge-card")

A job type has one connector or none (then it waits for an external worker). Two are a mistake that would show
as a payment made by the wrong code, so everything doubtful is an error when the process starts, naming who is
to blame.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from tasks.connectors.base import Connector, FunctionConnector
from tasks.connectors.email import EmailConnector
from tasks.connectors.http import HttpConnector
from tasks.connectors.http_camunda7 import Camunda7HttpConnector, Camunda7SoapConnector
from tasks.connectors.message import MessageConnector
from tasks.connectors.s3 import S3Connector
from tasks.connectors.script import ScriptConnector
from tasks.connectors.sftp import SftpConnector
from tasks.connectors.soap import SoapConnector
from tasks.connectors.sql import SqlConnector

GROUP = "orchestrator.connectors"
"""Entry-point group of installed packages: connectors, or classes that make one without arguments."""

BUILT_IN: tuple[type[Any], ...] = (
    Camunda7HttpConnector,
    Camunda7SoapConnector,
    EmailConnector,
    HttpConnector,
    MessageConnector,
    S3Connector,
    ScriptConnector,
    SftpConnector,
    SoapConnector,
    SqlConnector,
)


class RegistryError(Exception):
    """The connectors cannot be put together. The text names the owners."""


@dataclass(frozen=True, slots=True)
class Registration:
    """A connector under one of its job types, and who brought it."""

    type: str
    connector: Connector
    owner: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Job types and their connectors. Immutable; safe to share between threads and over a fork."""

    registrations: Mapping[str, Registration] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def load(cls, modules: Iterable[str] = (), configured: Iterable[Connector] = ()) -> Registry:
        """Collect all connectors.

        `configured` are built-in ones that the settings have a say in, in place of those without.
        `modules` are dotted names; each must hold a `FunctionConnector` (a function under ``@connector``) at
        its top level, its own or an imported one. Raises `RegistryError` for a job type with two connectors,
        and for an entry point or module that cannot be imported or holds no connector.
        """
        found: dict[str, Registration] = {}
        configured = tuple(configured)
        for made in BUILT_IN:
            if not any(isinstance(ready, made) for ready in configured):
                _add(found, made(), _built_in(made))
        for ready in configured:
            _add(found, ready, _built_in(type(ready)))
        # By name, so that the same error is reported on every machine.
        for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
            _add(found, _from_entry_point(point), _named(point))
        for name in modules:
            for connector in _from_module(name):
                _add(found, connector, f"{connector.name} of module {name}")
        return cls(MappingProxyType(found))

    def get(self, type: str) -> Connector | None:
        """The connector of a job type, also by an alias; None where an external worker is waited for."""
        registration = self.registrations.get(type)
        return registration.connector if registration else None

    @property
    def types(self) -> tuple[str, ...]:
        """All job types served, aliases included, in alphabetical order."""
        return tuple(sorted(self.registrations))


def _add(found: dict[str, Registration], connector: Connector, owner: str) -> None:
    for type in dict.fromkeys(_types(connector, owner)):
        other = found.get(type)
        if other is None:
            found[type] = Registration(type, connector, owner)
        elif other.connector is not connector:  # one function, imported into two modules, is one connector
            raise RegistryError(
                f"Expected one connector for job type {type!r}, but found two: {other.owner}, and {owner}"
            )


def _types(connector: Connector, owner: str) -> list[str]:
    aliases = getattr(connector, "aliases", ())
    if isinstance(aliases, str):
        raise RegistryError(f"Expected the aliases of {owner} to be a list of job types, but found {aliases!r}")
    types = [connector.type, *aliases]
    for type in types:
        if not isinstance(type, str) or not type or type != type.strip():
            raise RegistryError(
                f"Expected the job types of {owner} to be text without outer blanks, but found {type!r}"
            )
    return types


def _built_in(made: type[Any]) -> str:
    return f"built-in {made.__module__}.{made.__qualname__}"


def _named(point: EntryPoint) -> str:
    distribution = f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"
    return f"entry point {point.name!r} ({point.value}) of {distribution}"


def _from_entry_point(point: EntryPoint) -> Connector:
    # Foreign code is imported and called here: whatever it raises must come with its name on it.
    try:
        loaded = point.load()
    except Exception as problem:
        raise RegistryError(f"Expected {_named(point)} to load, but it raised {_told(problem)}") from problem
    if isinstance(loaded, type):
        try:
            loaded = loaded()
        except Exception as problem:
            raise RegistryError(
                f"Expected {_named(point)} to make a connector, but it raised {_told(problem)}"
            ) from problem
    if not isinstance(loaded, Connector) or not callable(loaded.run):
        raise RegistryError(
            f"Expected {_named(point)} to be a connector (`type` and `run(job)`), but found {loaded!r:.200}"
        )
    return loaded


def _from_module(name: str) -> list[FunctionConnector]:
    try:
        module = importlib.import_module(name)
    except Exception as problem:
        raise RegistryError(f"Expected module {name} to be importable, but it raised {_told(problem)}") from problem
    connectors = [value for value in vars(module).values() if isinstance(value, FunctionConnector)]
    if not connectors:
        raise RegistryError(f"Expected module {name} to hold a function under @connector, but found none")
    return connectors


def _told(problem: Exception) -> str:
    return f"{type(problem).__name__}: {problem}"
