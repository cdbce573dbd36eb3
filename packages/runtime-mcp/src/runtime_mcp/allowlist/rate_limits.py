"""How often an agent may call by an entry of the allowlist: within any minute, in this process."""

import math
import time

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from runtime_mcp.agents.agent import Agent
from runtime_mcp.allowlist.allowlist import Entry


class CallLimits:
    """Counts the calls of each agent and entry."""

    def __init__(self) -> None:
        self._calls = MovingWindowRateLimiter(MemoryStorage())

    async def wait(self, agent: Agent, entry: Entry) -> int | None:
        """None: this call is within the limit, and counts; else the seconds to wait for one."""
        if entry.per_minute is None:
            return None
        limit = RateLimitItemPerMinute(entry.per_minute)
        whose = (agent.organisation, agent.name, entry.tool)
        if await self._calls.hit(limit, *whose):
            return None
        window = await self._calls.get_window_stats(limit, *whose)
        return max(1, math.ceil(window.reset_time - time.time()))
