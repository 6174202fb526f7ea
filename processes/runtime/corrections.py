"""Somebody corrects variables: the command, and the check that they are still what that somebody saw."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from processes.engine.commands import Command, SetVariables
from processes.engine.errors import Rejected
from processes.engine.state import PROCESS_SCOPE
from processes.runtime.transaction import Decide

if TYPE_CHECKING:
    from processes.runtime.loader import Loaded

_NONE = object()


def of(variables: Mapping[str, Any], scope: int, expected: Mapping[str, Any] | None) -> Decide:
    """Set checked variables in a scope, unless one of them is no longer what `expected` says; a name that it lacks is
    to be no variable yet. None: whatever they are. Rejected with ``variables-changed``."""

    def decide(loaded: Loaded, at: datetime) -> Command:
        instance = loaded.instance
        around = instance if scope == PROCESS_SCOPE else instance.node(scope)
        if expected is not None and around is not None:
            now = around.variables
            for name in variables:
                if now.get(name, _NONE) != expected.get(name, _NONE):
                    what = f"Expected variable '{name}' to be as it was when you saw it but somebody changed it since"
                    raise Rejected("variables-changed", what)
        return SetVariables(variables, scope)

    return decide
