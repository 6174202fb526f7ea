"""What holds for all tests: each half of the suite, SQLite and PostgreSQL, leaves out what is about the other one."""

from __future__ import annotations

import pytest
from django.db import connection

from processes.runtime import external


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    elsewhere = [
        item for item in items if (mark := item.get_closest_marker("only_on")) and mark.args[0] != connection.vendor
    ]
    if elsewhere:
        config.hook.pytest_deselected(items=elsewhere)
        items[:] = [item for item in items if item not in elsewhere]


@pytest.fixture(autouse=True)
def _nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers are given again in the next test: what was kept of an instance must not be taken for that of another."""
    monkeypatch.setattr(external, "_kept", external.Kept())
