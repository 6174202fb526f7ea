"""Parts by key, and by what is around them."""

from __future__ import annotations

from copy import deepcopy
from operator import attrgetter

import pytest

from processes.engine.groups import Grouped
from processes.engine.parts import Token


def test_parts_are_found_by_what_is_around_them() -> None:
    parts: Grouped[Token] = Grouped(attrgetter("scope"))
    for key, scope in ((3, 1), (1, 1), (2, 2)):
        parts[key] = Token(key, "f", scope)
    assert [part.key for part in parts.group(1)] == [1, 3]
    assert parts.setdefault(3, Token(3, "other", 2)).flow == "f"
    copy = deepcopy(parts)
    del parts[3]
    assert parts.pop(1, None) == Token(1, "f", 1)
    assert parts.pop(1, None) is None
    with pytest.raises(KeyError):
        parts.pop(1)
    assert not parts.holds(1)
    assert parts.group(1) == []
    assert parts.holds(2)
    assert [part.key for part in copy.group(1)] == [1, 3]
