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
from runtime_mcp.allowlist.allowlist import Allowlist
from runtime_mcp.allowlist.decision import Decision, decide
from runtime_mcp.allowlist.rate_limits import CallLimits
from runtime_mcp.audit.events import AuditUnavailable, NewEvent, Outcome, Status
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.metrics import NOT_RECORDED, UNKNOWN, Metrics
from runtime_mcp.tools.builtin import HELLO, failed
from runtime_mcp.tools.call_events import event_of, log_fields, outcome_of
from runtime_mcp.tools.call_record import ToolCallRecord
from runtime_mcp.tools.catalog import Catalog, CatalogTool
from runtime_mcp.tools.refusals import denied, refusal_of
from runtime_mcp.upstreams.errors import UpstreamError
from runtime_mcp.upstreams.tool_request import Result, ToolRequest


@dataclass(slots=True)
class ToolCalls:
    """
    Args:
        catalog: every tool that there is now.
        allowlist: the one that holds now.
        keeps_content: whether the record has the arguments and results themselves.
        on_end: gets each call that is over.
    """

    catalog: Catalog
    allowlist: Callable[[], Allowlist]
    audit: AuditLog
    metrics: Metrics
    keeps_content: bool
    on_end: Callable[[ToolCallRecord], None] | None = None
    limits: CallLimits = field(default_factory=CallLimits)
    _finishing: set["asyncio.Task[None]"] = field(default_factory=set)

    def visible(self, agent: Agent) -> list[Tool]:
        """The tools that this agent may see, in the order of their names."""
        allowlist = self.allowlist()
        return [
            tool
            for tool in self.catalog.tools()
            if decide(allowlist, agent, tool.name, None).allowed
        ]

    async def call(self, agent: Agent, trace: Trace, request: ToolRequest) -> Result:
        """The result of a tool.

        Raises:
            MCPError: the call was not allowed, or could not be recorded; then it was not made.
        """
        began, started = time.time(), time.perf_counter()
        name, arguments = request.params.name, request.arguments
        tool = self.catalog.get(name)
        decision = await self._decided(agent, name, arguments, tool)
        event = event_of(
            agent, trace.trace_id, request, decision, tool, keeps_content=self.keeps_content
        )

        def over(outcome: str, **more: Any) -> None:
            seconds = time.perf_counter() - started
            label = name if tool else UNKNOWN
            self.metrics.called(label, outcome, seconds)
            log.info(
                "tool_call", **log_fields(event), outcome=outcome, seconds=round(seconds, 4), **more
            )
            if self.on_end is not None:
                self.on_end(ToolCallRecord(event, trace, label, outcome, began, seconds))

        try:
            if tool is None or not decision.allowed:
                await self.audit.denied(event, decision.reason, decision.detail)
                over(decision.reason, reason=decision.detail)
                raise refusal_of(name, decision)
            intent = await self.audit.intent(event)
        except AuditUnavailable as error:
            over(NOT_RECORDED, reason=str(error))
            raise MCPError(
                INTERNAL_ERROR, "The call cannot be recorded now, and so it was not made."
            ) from None
        return await self._made(tool, event, intent, request, over)

    async def _decided(
        self, agent: Agent, name: str, arguments: dict[str, Any], tool: CatalogTool | None
    ) -> Decision:
        decision = decide(self.allowlist(), agent, name, arguments)
        if not decision.allowed:
            return decision
        if tool is None:
            return denied(decision, "not_offered", "no upstream offers it now")
        if agent.project is None and name != HELLO:
            return denied(decision, "project_missing", "no X-Project-ID")
        if decision.entry is not None:
            wait = await self.limits.wait(agent, decision.entry)
            if wait is not None:
                return denied(decision, "too_often", f"again in {wait} s")
        return decision

    async def _made(
        self,
        tool: CatalogTool,
        event: NewEvent,
        intent: str,
        request: ToolRequest,
        over: Callable[..., None],
    ) -> Result:
        started = time.perf_counter()
        status: Status = "failed"
        error: str | None = "cancelled"
        details: dict[str, str] = {}
        result: Result | None = None
        try:
            result = await tool.call(request)
            refused = isinstance(result, CallToolResult) and result.is_error
            status, error = ("failed", "tool_error") if refused else ("succeeded", None)
        except UpstreamError as failure:
            error, details = failure.code, {"reason": failure.reason}
            result = failed(failure.detail, failure.code)
        except MCPError as failure:
            error = f"protocol_error {failure.error.code}"
            details = {"reason": f"{failure.error.code}: {failure.error.message[:300]}"}
            raise
        except Exception as failure:
            error, details = type(failure).__name__, {"reason": str(failure)[:300]}
            raise
        finally:
            # A caller that went away ends this task; what was called is recorded all the same.
            outcome = outcome_of(status, error, result, started, keeps_content=self.keeps_content)
            finishing = asyncio.create_task(self._recorded(intent, outcome, event))
            self._finishing.add(finishing)
            finishing.add_done_callback(self._finishing.discard)
            over((error or status).partition(" ")[0], **details)
            await asyncio.shield(finishing)
        return result

    async def _recorded(self, intent: str, outcome: Outcome, event: NewEvent) -> None:
        try:
            await self.audit.outcome(intent, event, outcome)
        except AuditUnavailable as error:
            log.error("tool_call_outcome_not_recorded", **log_fields(event), reason=str(error))
            raise MCPError(
                INTERNAL_ERROR,
                "The call was made, and how it ended cannot be recorded now.",
                {"code": "audit_unavailable"},
            ) from None
