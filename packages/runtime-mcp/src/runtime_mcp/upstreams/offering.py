"""Which of a server's tools are offered: those that have a name of their own and are what they
were when they were first seen, or are pinned to be."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.client.client import Client
from mcp_types import Tool

from chassis.logs import log
from runtime_mcp.upstreams.config import TOOL_NAME
from runtime_mcp.upstreams.errors import UpstreamTooLarge
from runtime_mcp.upstreams.server import Server

FOUND_BY = ("description", "input_schema", "output_schema", "annotations", "title")
MOST_PAGES = 50


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """
    Attributes:
        tool: with its full name, `<server>.<tool>`.
        own_name: as its server calls it.
        fingerprint: of all that an agent reads of it; it is the one that was first seen.
    """

    server: Server
    tool: Tool
    own_name: str
    fingerprint: str


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


class Offering:
    """Logs what is not offered: once, and not each time that the tools are listed."""

    def __init__(self, server: Server, pins: Pins) -> None:
        self._server = server
        self._pins = pins
        self._logged: set[tuple[str, ...]] = set()

    def of(self, tools: list[Tool]) -> tuple[dict[str, OfferedTool], tuple[ChangedTool, ...]]:
        """What is offered, by full name; and what would be, had it not changed."""
        offered, changed = {}, []
        before, self._logged = self._logged, set()
        times = Counter(tool.name for tool in tools)
        for tool in tools:
            if (reason := name_problem(tool.name, times[tool.name])) is not None:
                shown = tool.name[:128]
                self._log_once(before, "upstream_tool_not_offered", tool=shown, reason=reason)
                continue
            full, now = f"{self._server.name}.{tool.name}", fingerprint_of(tool)
            another = self._pins.changed(tool.name, now)
            if another is not None:
                changed.append(another)
                self._log_once(
                    before, "upstream_tool_changed", tool=full, first=another.first, now=now
                )
                continue
            renamed = tool.model_copy(update={"name": full})
            offered[full] = OfferedTool(self._server, renamed, tool.name, now)
        return offered, tuple(changed)

    def _log_once(self, before: set[tuple[str, ...]], event: str, **facts: str) -> None:
        this = (event, *facts.values())
        if this not in before | self._logged:
            log.warning(event, server=self._server.name, **facts)
        self._logged.add(this)


def name_problem(name: str, times: int) -> str | None:
    """What is wrong with a tool's name; None when nothing is."""
    if not TOOL_NAME.fullmatch(name):
        return "its name has other signs than letters, digits, _ and -, or more than 96"
    # Which of them an agent would call only its server knows.
    return "its name stands twice" if times > 1 else None


def fingerprint_of(tool: Tool) -> str:
    """SHA-256, in hex, of all that an agent reads of a tool: another one after any change."""
    shown: dict[str, Any] = tool.model_dump(mode="json", by_alias=False, exclude_none=True)
    read = {name: shown.get(name) for name in ("name", *FOUND_BY)}
    return hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()


async def list_tools(client: Client, server: str, most: int) -> list[Tool]:
    """All that a server offers, page by page, and no more than is allowed.

    Args:
        server: its name, for the log.
        most: bytes of all pages, as JSON.

    Raises:
        UpstreamTooLarge: they are more.
    """
    found: list[Tool] = []
    cursor: str | None = None
    for _ in range(MOST_PAGES):
        page = await client.list_tools(cursor=cursor)
        most -= sum(len(tool.model_dump_json(exclude_none=True)) for tool in page.tools)
        if most < 0:
            raise UpstreamTooLarge(f"{server}: it says more of its tools than is allowed")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return found
    log.warning("upstream_pages_left", server=server, read=MOST_PAGES, tools=len(found))
    return found
