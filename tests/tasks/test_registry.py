"""Putting connectors together, from real packages on a real path."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from tasks.connectors.http import HttpConnector
from tasks.connectors.script import ScriptConnector
from tasks.registry import Registry, RegistryError


class Site:
    """A folder on the path, in which packages are installed by writing them down."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def module(self, name: str, source: str) -> None:
        (self.folder / f"{name}.py").write_text("from tasks.connectors.base import connector\n" + dedent(source))

    def distribution(self, name: str, **points: str) -> None:
        info = self.folder / f"{name}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
        lines = [f"{point} = {target}" for point, target in points.items()]
        (info / "entry_points.txt").write_text("\n".join(["[orchestrator.connectors]", *lines]))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Site(tmp_path)
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_built_in() -> None:
    registry = Registry.load()
    assert {"http", "io.camunda:http-json:1", "script"} <= set(registry.types)
    assert isinstance(registry.get("http"), HttpConnector)
    assert registry.get("io.camunda:http-json:1") is registry.get("http")
    assert isinstance(registry.get("script"), ScriptConnector)
    assert registry.get("unheard-of") is None


def test_modules(site: Site) -> None:
    site.module("shop_pay", "@connector('charge-card', aliases=['charge'])\ndef charge(job): ...\n")
    site.module("shop_ship", "@connector('ship')\ndef ship(job): ...\n@connector('pack')\ndef pack(job): ...\n")
    registry = Registry.load(["shop_pay", "shop_ship"])
    assert {"charge-card", "charge", "ship", "pack"} <= set(registry.types)
    assert registry.types == tuple(sorted(registry.types))
    assert registry.get("charge") is registry.get("charge-card")
    assert registry.registrations["ship"].owner == "shop_ship.ship of module shop_ship"


def test_one_function_in_two_modules_is_one_connector(site: Site) -> None:
    site.module("shop_pay", "@connector('charge-card')\ndef charge(job): ...\n")
    site.module("shop_all", "from shop_pay import charge\n")
    assert Registry.load(["shop_pay", "shop_all"]).get("charge-card")


def test_entry_points(site: Site) -> None:
    site.module(
        "acme_connectors",
        """
        class Fax:
            type = "fax"
            aliases = ("telefax",)
            def run(self, job): return {}
        telex = Fax()
        telex.type, telex.aliases = "telex", ()
        @connector("wire")
        def wire(job): ...
        """,
    )
    site.distribution("acme", fax="acme_connectors:Fax", telex="acme_connectors:telex", wire="acme_connectors:wire")
    registry = Registry.load()
    assert {"fax", "telefax", "telex", "wire"} <= set(registry.types)
    assert registry.registrations["fax"].owner == "entry point 'fax' (acme_connectors:Fax) of acme 1.5"


def test_two_owners(site: Site) -> None:
    site.module("acme_http", "@connector('http')\ndef mine(job): ...\n")
    with pytest.raises(RegistryError) as caught:
        Registry.load(["acme_http"])
    assert "job type 'http'" in str(caught.value)
    assert "built-in tasks.connectors.http.HttpConnector" in str(caught.value)
    assert "acme_http.mine of module acme_http" in str(caught.value)


def test_two_packages(site: Site) -> None:
    site.module("one", "@connector('fax', aliases=['telefax'])\ndef a(job): ...\n")
    site.module("two", "@connector('telefax')\ndef b(job): ...\n")
    site.distribution("acme", a="one:a")
    site.distribution("emca", b="two:b")
    with pytest.raises(RegistryError, match=r"'telefax'.*acme 1\.5.*emca 1\.5"):
        Registry.load()


@pytest.mark.parametrize(
    ("target", "source", "told"),
    [
        ("gone:x", "", "ModuleNotFoundError: No module named 'gone'"),
        ("broken:x", "", "AttributeError"),
        ("broken", "1 / 0", "ZeroDivisionError"),
        ("broken:x", "x = 5", "but found 5"),
        ("broken:x", "def x(job): ...", "to be a connector"),
        ("broken:X", "class X:\n    type = 'x'\n    run = None", "to be a connector"),
        ("broken:X", "class X:\n    def __init__(self, url): ...", "TypeError"),
        ("broken:X", "class X:\n    type = ''\n    def run(self, job): ...", "job types"),
        ("broken:X", "class X:\n    type = 'x '\n    def run(self, job): ...", "job types"),
        ("broken:X", "class X:\n    type = None\n    def run(self, job): ...", "job types"),
        ("broken:X", "class X:\n    type = 'x'\n    aliases = 'abc'\n    def run(self, job): ...", "aliases"),
    ],
)
def test_broken_entry_points_name_the_distribution(site: Site, target: str, source: str, told: str) -> None:
    site.module("broken", source + "\n")
    site.distribution("acme", thing=target)
    with pytest.raises(RegistryError, match=r"entry point 'thing' .* of acme 1\.5") as caught:
        Registry.load()
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("gone", None, "module gone"),
        ("shop_bad", "import nothing_like_it", "module shop_bad .*nothing_like_it"),
        ("shop_empty", "def charge(job): ...", "module shop_empty to hold a function under @connector"),
        ("shop_bare", "@connector\ndef charge(job): ...", "module shop_bare .*job-type"),
    ],
)
def test_broken_modules(site: Site, name: str, source: str | None, told: str) -> None:
    if source is not None:
        site.module(name, source + "\n")
    with pytest.raises(RegistryError, match=told):
        Registry.load([name])


def test_immutable() -> None:
    registry = Registry.load()
    with pytest.raises(AttributeError):
        registry.registrations = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        registry.registrations["x"] = registry.registrations["http"]  # type: ignore[index]
