"""Which of a server's tools are offered: those that have a name of their own and are what they
were."""

from collections import Counter
from dataclasses import dataclass

from mcp_types import Tool

from chassis.logs import log
from runtime_mcp.upstreams.config import TOOL_NAME
from runtime_mcp.upstreams.pins import ChangedTool, Pins, fingerprint_of
from runtime_mcp.upstreams.server import Server


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


class Offering:
    """Says in the log what is not offered: once, and not at each look."""

    def __init__(self, server: Server, pins: Pins) -> None:
        self._server = server
        self._pins = pins
        self._told: set[tuple[str, ...]] = set()

    def of(self, tools: list[Tool]) -> tuple[dict[str, OfferedTool], tuple[ChangedTool, ...]]:
        """What is offered, by full name; and what would be, had it not changed."""
        offered, changed = {}, []
        before, self._told = self._told, set()
        times = Counter(tool.name for tool in tools)
        for tool in tools:
            if (reason := senseless(tool.name, times[tool.name])) is not None:
                shown = tool.name[:128]
                self._tell(before, "upstream_tool_not_offered", tool=shown, reason=reason)
                continue
            full, now = f"{self._server.name}.{tool.name}", fingerprint_of(tool)
            another = self._pins.changed(tool.name, now)
            if another is not None:
                changed.append(another)
                self._tell(before, "upstream_tool_changed", tool=full, first=another.first, now=now)
                continue
            renamed = tool.model_copy(update={"name": full})
            offered[full] = OfferedTool(self._server, renamed, tool.name, now)
        return offered, tuple(changed)

    def _tell(self, before: set[tuple[str, ...]], event: str, **facts: str) -> None:
        this = (event, *facts.values())
        if this not in before | self._told:
            log.warning(event, server=self._server.name, **facts)
        self._told.add(this)


def senseless(name: str, times: int) -> str | None:
    """What is wrong with a tool's name; None when nothing is."""
    if not TOOL_NAME.fullmatch(name):
        return "its name has other signs than letters, digits, _ and -, or more than 96"
    # Which of them an agent would call is the server's to say, and it does not.
    return "its name stands twice" if times > 1 else None
