"""The way of one call: decided, recorded as an intent, made, recorded with its outcome.

What is not recorded is not called. What an agent may not see it cannot call, by the same decision.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, CallToolResult, Tool

from chassis.logs import log
from chassis.trace_context import Trace
from runtime_mcp.agents.agent import Agent
from runtime_mcp.agents.guard import Caller
from runtime_mcp.allowlist.allowlist import Allowlist
from runtime_mcp.allowlist.decision import Decision, decide
from runtime_mcp.allowlist.rate_limits import CallLimits
from runtime_mcp.audit.events import AuditUnavailable, NewEvent, Outcome, Status
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.metrics import NOT_RECORDED, UNKNOWN, Metrics
from runtime_mcp.tools.builtin import HELLO, failed
from runtime_mcp.tools.call_events import event_of, outcome_of, told
from runtime_mcp.tools.catalog import Asked, Offer, Offers, Result
from runtime_mcp.tools.refusals import denied, refusal_of
from runtime_mcp.tools.span_export import ToolCallSeen
from runtime_mcp.upstreams.errors import UpstreamError


@dataclass(slots=True)
class Calls:
    """
    Args:
        offers: every tool that is there now.
        allowlist: the one that holds now.
        keeps_content: whether the record has the arguments and results themselves.
        watch: is told of each call that is over.
    """

    offers: Offers
    allowlist: Callable[[], Allowlist]
    audit: AuditLog
    metrics: Metrics
    keeps_content: bool
    watch: Callable[[ToolCallSeen], None] | None = None
    limits: CallLimits = field(default_factory=CallLimits)
    _finishing: set["asyncio.Task[None]"] = field(default_factory=set)

    def visible(self, agent: Agent) -> list[Tool]:
        """The tools that this agent may see, in the order of their names."""
        allowlist = self.allowlist()
        return [
            tool
            for tool in self.offers.tools()
            if decide(allowlist, agent, tool.name, None).allowed
        ]

    async def call(self, caller: Caller, trace: Trace, asked: Asked) -> Result:
        """The result of a tool.

        Raises:
            MCPError: the call was not allowed, or could not be recorded; then it was not made.
        """
        began, started = time.time(), time.perf_counter()
        name, arguments = asked.params.name, asked.arguments
        offer = self.offers.get(name)
        decision = await self._decided(caller, name, arguments, offer)
        event = event_of(
            caller, trace.trace_id, asked, decision, offer, keeps_content=self.keeps_content
        )

        def over(outcome: str, **said: Any) -> None:
            seconds = time.perf_counter() - started
            label = name if offer else UNKNOWN
            self.metrics.called(label, outcome, seconds)
            log.info("tool_call", **told(event), outcome=outcome, seconds=round(seconds, 4), **said)
            if self.watch is not None:
                self.watch(ToolCallSeen(event, trace, label, outcome, began, seconds))

        try:
            if offer is None or not decision.allowed:
                await self.audit.denied(event, decision.reason, decision.detail)
                over(decision.reason, reason=decision.detail)
                raise refusal_of(name, decision)
            intent = await self.audit.intent(event)
        except AuditUnavailable as error:
            over(NOT_RECORDED, reason=str(error))
            raise MCPError(
                INTERNAL_ERROR, "The call cannot be recorded now, and so it was not made."
            ) from None
        return await self._made(offer, event, intent, asked, over)

    async def _decided(
        self, caller: Caller, name: str, arguments: dict[str, Any], offer: Offer | None
    ) -> Decision:
        decision = decide(self.allowlist(), caller.agent, name, arguments)
        if not decision.allowed:
            return decision
        if offer is None:
            return denied(decision, "not_offered", "no upstream offers it now")
        if caller.project is None and name != HELLO:
            return denied(decision, "project_missing", "no X-Project-ID")
        if decision.entry is not None:
            wait = await self.limits.wait(caller.agent, decision.entry)
            if wait is not None:
                return denied(decision, "too_often", f"again in {wait} s")
        return decision

    async def _made(
        self, offer: Offer, event: NewEvent, intent: str, asked: Asked, over: Callable[..., None]
    ) -> Result:
        started = time.perf_counter()
        status: Status = "failed"
        error: str | None = "cancelled"
        said: dict[str, str] = {}
        result: Result | None = None
        try:
            result = await offer.make(asked)
            refused = isinstance(result, CallToolResult) and result.is_error
            status, error = ("failed", "tool_error") if refused else ("succeeded", None)
        except UpstreamError as failure:
            error, said = failure.code, {"reason": failure.reason}
            result = failed(failure.detail, failure.code)
        except MCPError as failure:
            error = f"protocol_error {failure.error.code}"
            said = {"reason": f"{failure.error.code}: {failure.error.message[:300]}"}
            raise
        except Exception as failure:
            error, said = type(failure).__name__, {"reason": str(failure)[:300]}
            raise
        finally:
            # A caller that went away ends this task; what was called is recorded all the same.
            outcome = outcome_of(status, error, result, started, keeps_content=self.keeps_content)
            finishing = asyncio.create_task(self._recorded(intent, outcome, event))
            self._finishing.add(finishing)
            finishing.add_done_callback(self._finishing.discard)
            over((error or status).partition(" ")[0], **said)
            await asyncio.shield(finishing)
        return result

    async def _recorded(self, intent: str, outcome: Outcome, event: NewEvent) -> None:
        try:
            await self.audit.outcome(intent, event, outcome)
        except AuditUnavailable as error:
            log.error("tool_call_outcome_not_recorded", **told(event), reason=str(error))
            raise MCPError(
                INTERNAL_ERROR,
                "The call was made, and how it ended cannot be recorded now.",
                {"code": "audit_unavailable"},
            ) from None
