"""One server as it comes and goes: its tools are listed again and again; a down one has none."""

import asyncio
import random
from dataclasses import dataclass, replace

from mcp.shared.exceptions import MCPError
from mcp_types import Tool

from chassis.logs import log
from chassis.redaction import redacted
from runtime_mcp.upstreams.errors import UpstreamError
from runtime_mcp.upstreams.offering import ChangedTool, OfferedTool, Offering, Pins
from runtime_mcp.upstreams.server import Server

FIRST_RETRY_SECONDS = 0.5
BETWEEN_DECISION_AND_CALL = 6.0
"""Seconds; the record takes 5 of them at most."""


@dataclass(frozen=True, slots=True)
class UpstreamState:
    """
    Attributes:
        reason: why it is not up; None when it is.
        tools: how many it offers.
        changed: the tools that are not offered, because they are not what they were.
    """

    server: str
    up: bool
    reason: str | None
    tools: int
    changed: tuple[ChangedTool, ...] = ()


class Followed:
    """
    Args:
        refresh: seconds after which its tools are listed again.

    Attributes:
        offered: what it offers now, by full name.
    """

    def __init__(self, server: Server, pins: Pins, refresh: float) -> None:
        self.server = server
        self.offered: dict[str, OfferedTool] = {}
        self._pins = pins
        self._refresh = refresh
        self._tools: list[Tool] = []
        self._ending = asyncio.Event()
        self._offering = Offering(server, pins)
        self.state = UpstreamState(server.name, up=False, reason="not asked yet", tools=0)
        self._task = asyncio.create_task(self._follow())

    async def end(self) -> None:
        """Ends it, and the calls that are under way."""
        self._hide()
        # A second time it would be cancelled while it ends its process.
        if not self._ending.is_set():
            self._ending.set()
            self.server.request_refresh()
            self._task.cancel()
        await asyncio.wait({self._task})
        await self.server.aclose()

    async def retire(self) -> None:
        """Hides it at once, and ends it when the calls under way have ended."""
        self._hide()
        await asyncio.sleep(BETWEEN_DECISION_AND_CALL)
        await self.server.until_idle()
        await self.end()

    def pin(self, pinned: dict[str, str]) -> None:
        """From now on these fingerprints count."""
        if pinned != self._pins.pinned:
            self._pins.pinned = pinned
            if self.state.up:
                self._offer(self._tools)

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        wait = FIRST_RETRY_SECONDS
        # A cancellation that comes while a connection fails may get lost in the client.
        while not self._ending.is_set():
            began = loop.time()
            try:
                async with self.server.connected():
                    while not self._ending.is_set():
                        self._offer(await self.server.tools())
                        await self.server.until_refresh(self._refresh)
            except (UpstreamError, MCPError) as error:
                reason = error.reason if isinstance(error, UpstreamError) else error.message
                self._down(reason)
            except Exception as error:  # noqa: BLE001
                # Whatever it is, it is this server's, and it may be well the next time.
                log.exception("upstream_not_followed", server=self.server.name)
                self._down(f"{type(error).__name__}, which nobody expected")
            if self._ending.is_set():
                return
            if loop.time() - began > self._refresh:
                wait = FIRST_RETRY_SECONDS
            await asyncio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311 - no secret
            wait = min(wait * 2, self._refresh)

    def _hide(self) -> None:
        self.offered = {}

    def _down(self, reason: str) -> None:
        reason = redacted(" ".join(reason.split()))[:300]
        if self.state.up or self.state.reason != reason:
            log.warning("upstream_down", server=self.server.name, reason=reason)
        self._hide()
        self.state = replace(self.state, up=False, reason=reason, tools=0)

    def _offer(self, tools: list[Tool]) -> None:
        offered, changed = self._offering.of(tools)
        if not self.state.up:
            log.info("upstream_up", server=self.server.name, tools=len(offered))
        self._tools, self.offered = tools, offered
        self.state = UpstreamState(
            self.server.name, up=True, reason=None, tools=len(offered), changed=changed
        )
