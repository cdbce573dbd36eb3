"""YAML in which a key that stands twice is a mistake: the last one would win without a word."""

from collections.abc import Iterable
from typing import Any

import yaml


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if len(keys) != len({str(key) for key in keys}):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return super().construct_mapping(node, deep)


def load(text: str) -> Any:
    """What this document says.

    Raises:
        yaml.YAMLError: it is no YAML, or has a key twice.
    """
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader


def line_of(text: str, place: Iterable[str | int]) -> int:
    """The line of this YAML document where a value is, or would be, from 1.

    Args:
        place: the keys and positions that lead to it, from the outside.
    """
    node, line = yaml.compose(text, Loader=yaml.SafeLoader), 0
    for step in place:
        if isinstance(node, yaml.MappingNode):
            there = [(key, value) for key, value in node.value if key.value == str(step)]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
            there = [(value, value) for value in node.value[step : step + 1]]
        else:
            break
        if not there:
            break
        key, node = there[0]
        line = key.start_mark.line
    return line + 1
