"""YAML and JSON files that people write, read exactly: numbers keep their digits, nothing is said twice."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from processes.models.fields import DecimalDecoder
from processes.runtime import Rejected, values


def read(path: str) -> dict[str, Any]:
    """The object in a file, as YAML unless its name ends with ``.json``.

    Raises ValueError, which names the file, where it cannot be read, is neither, or holds what no variable can be.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        if path.endswith(".json"):
            document = json.loads(text, cls=DecimalDecoder, object_pairs_hook=_once)
        else:
            document = yaml.load(text, Loader=_Loader)  # a SafeLoader
        return values.checked(document, what=path)
    except OSError as error:
        raise ValueError(f"Expected to read {path} but: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"Expected {path} to be {'JSON' if path.endswith('.json') else 'YAML'} but: {error}") from None
    except Rejected as rejection:
        raise ValueError(f"{rejection}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"'{next(name for name in names if names.count(name) > 1)}' is there twice")
    return found


class _Loader(yaml.SafeLoader):
    """Reads decimals as they are written, moments as text, and only true and false as such (YAML 1.2; in YAML 1.1 the
    error code NO would be false); refuses a key that is there twice."""

    yaml_implicit_resolvers = {
        first: resolvers if first in "tTfF" else [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                message = f"expected a text before the colon but found {key}"
                raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
            if key in found:
                message = f"'{key}' is there twice"
                raise yaml.constructor.ConstructorError(None, None, message, key_node.start_mark)
            found[key] = self.construct_object(value_node, deep=deep)
        return found


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    text = loader.construct_scalar(node).replace("_", "")
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise yaml.constructor.ConstructorError(None, None, f"{text} is not a JSON number", node.start_mark)
    return number


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)
