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
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any

from tasks.connectors.base import Connector, FunctionConnector

GROUP = "orchestrator.connectors"
"""Entry-point group of installed packages: connectors, or classes that make one without arguments."""

BUILT_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tasks.connectors.email.EmailConnector": ("email",),
        "tasks.connectors.http.HttpConnector": ("http", "io.camunda:http-json:1"),
        "tasks.connectors.http_camunda7.Camunda7HttpConnector": ("http-connector",),
        "tasks.connectors.http_camunda7.Camunda7SoapConnector": ("soap-http-connector",),
        "tasks.connectors.message.MessageConnector": ("message", "io.camunda:connector-rabbitmq:1"),
        "tasks.connectors.s3.S3Connector": ("s3", "io.camunda:aws-s3:1"),
        "tasks.connectors.script.ScriptConnector": ("script",),
        "tasks.connectors.sftp.SftpConnector": ("sftp",),
        "tasks.connectors.soap.SoapConnector": ("soap", "io.camunda:soap:1"),
        "tasks.connectors.sql.SqlConnector": ("sql", "io.camunda:connector-jdbc:1"),
    }
)
"""The job types of the built-in connectors, which those say themselves, too. Here they can be read without loading what
the connectors are made of: whoever announces jobs, or sweeps, or works on one type, needs no library of the others."""


class RegistryError(Exception):
    """The connectors cannot be put together. The text names the owners."""


class BuiltIn:
    """A built-in connector that is loaded when somebody first wants it: once for a process, from whatever thread."""

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._options = dict(options or {})
        self._loading = threading.Lock()
        self._connector: Connector | None = None

    def load(self) -> Connector:
        with self._loading:
            if self._connector is None:
                module, _, name = self.path.rpartition(".")
                made: Connector = getattr(importlib.import_module(module), name)(**self._options)
                self._connector = made
            return self._connector


@dataclass(frozen=True, slots=True)
class Registration:
    """A connector under one of its job types, and who brought it."""

    type: str
    source: Connector | BuiltIn
    owner: str

    @property
    def connector(self) -> Connector:
        return self.source.load() if isinstance(self.source, BuiltIn) else self.source


@dataclass(frozen=True, slots=True)
class Registry:
    """Job types and their connectors. Immutable; safe to share between threads and over a fork."""

    registrations: Mapping[str, Registration] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def load(
        cls,
        modules: Iterable[str] = (),
        configured: Iterable[Connector] = (),
        options: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    ) -> Registry:
        """Collect all connectors.

        `configured` are further built-in ones, which the settings make. `options` are what the settings say to the
        others, by job type, as arguments.
        `modules` are dotted names; each must hold a `FunctionConnector` (a function under ``@connector``) at
        its top level, its own or an imported one. Raises `RegistryError` for a job type with two connectors,
        and for an entry point or module that cannot be imported or holds no connector.
        """
        found: dict[str, Registration] = {}
        for path, types in BUILT_IN.items():
            _add(found, BuiltIn(path, options.get(types[0])), types, f"built-in {path}")
        for ready in configured:
            owner = f"built-in {type(ready).__module__}.{type(ready).__qualname__}"
            _add(found, ready, _types(ready, owner), owner)
        # By name, so that the same error is reported on every machine.
        for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
            pointed, owner = _from_entry_point(point), _named(point)
            _add(found, pointed, _types(pointed, owner), owner)
        for name in modules:
            for connector in _from_module(name):
                owner = f"{connector.name} of module {name}"
                _add(found, connector, _types(connector, owner), owner)
        return cls(MappingProxyType(found))

    def get(self, type: str) -> Connector | None:
        """The connector of a job type, also by an alias; None where an external worker is waited for."""
        registration = self.registrations.get(type)
        return registration.connector if registration else None

    def __contains__(self, type: str) -> bool:
        """Whether a job type has a connector. Loads none."""
        return type in self.registrations

    @property
    def types(self) -> tuple[str, ...]:
        """All job types served, aliases included, in alphabetical order."""
        return tuple(sorted(self.registrations))


def _add(found: dict[str, Registration], source: Connector | BuiltIn, types: Iterable[str], owner: str) -> None:
    for type in dict.fromkeys(types):
        other = found.get(type)
        if other is None:
            found[type] = Registration(type, source, owner)
        elif other.source is not source:  # one function, imported into two modules, is one connector
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
