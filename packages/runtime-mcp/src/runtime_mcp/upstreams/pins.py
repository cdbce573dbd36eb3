"""What a server's tools were when they were first seen, or are pinned to be: a changed one is told
from itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_types import Tool

FOUND_BY = ("description", "input_schema", "output_schema", "annotations", "title")


@dataclass(frozen=True, slots=True)
class ChangedTool:
    """A tool that is not offered, because it is not what it was.

    Attributes:
        tool: as its server calls it.
        first: the fingerprint that is pinned, or was seen first.
        now: the one that it has.
    """

    tool: str
    first: str
    now: str


class Pins:
    """
    Attributes:
        pinned: tool to fingerprint, as the upstreams file has it; counts before what was seen.
    """

    def __init__(self) -> None:
        self.pinned: Mapping[str, str] = {}
        self._seen: dict[str, str] = {}

    def changed(self, tool: str, now: str) -> ChangedTool | None:
        """None where the tool is what it was; what is pinned counts as seen from then on."""
        first = self.pinned.get(tool)
        if first is None:
            first = self._seen.setdefault(tool, now)
        elif first == now:
            self._seen[tool] = now
        return None if first == now else ChangedTool(tool, first, now)


def fingerprint_of(tool: Tool) -> str:
    """What tells a tool from itself after a change: SHA-256, in hex, of all that an agent reads."""
    said: dict[str, Any] = tool.model_dump(mode="json", by_alias=False, exclude_none=True)
    read = {name: said.get(name) for name in ("name", *FOUND_BY)}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
