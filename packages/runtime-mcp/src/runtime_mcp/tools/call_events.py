"""One call as the record and the log have it: sizes and hashes, content only where it is kept."""

import hashlib
import json
import time
from collections.abc import Mapping
from typing import Any

from runtime_mcp.agents.agent import Agent
from runtime_mcp.allowlist.decision import Decision
from runtime_mcp.audit.events import NewEvent, Outcome, Status
from runtime_mcp.tools.catalog import CatalogTool
from runtime_mcp.tools.refusals import shown
from runtime_mcp.upstreams.tool_request import Result, ToolRequest


def event_of(
    agent: Agent,
    trace_id: str,
    request: ToolRequest,
    decision: Decision,
    tool: CatalogTool | None,
    *,
    keeps_content: bool,
) -> NewEvent:
    """The call before it is made or refused."""
    written = canonical(request.arguments)
    return NewEvent(
        org_id=agent.organisation,
        actor_id=agent.name,
        actor_type=agent.kind,
        project_id=agent.project,
        tool=shown(request.params.name),
        trace_id=trace_id,
        arguments_bytes=len(written),
        arguments_hash=hashlib.sha256(written).hexdigest(),
        allowlist_revision=decision.revision,
        tool_fingerprint=tool.fingerprint if tool else None,
        arguments=written.decode(errors="backslashreplace") if keeps_content else None,
    )


def outcome_of(
    status: Status, error: str | None, result: Result | None, started: float, *, keeps_content: bool
) -> Outcome:
    """The call after it.

    Args:
        started: by `time.perf_counter`.
    """
    written = b"" if result is None else result.model_dump_json(by_alias=True).encode()
    return Outcome(
        status=status,
        error=error,
        result_bytes=len(written),
        result_hash=hashlib.sha256(written).hexdigest() if result else None,
        duration_ms=round((time.perf_counter() - started) * 1000, 3),
        result=written.decode() if keeps_content and result else None,
    )


def log_fields(event: NewEvent) -> dict[str, Any]:
    """What a log line says of a call."""
    return {
        "agent": event.actor_id,
        "organisation": event.org_id,
        "project_id": event.project_id,
        "tool": event.tool,
        "trace_id": event.trace_id,
        "allowlist": event.allowlist_revision,
    }


def canonical(arguments: Mapping[str, Any]) -> bytes:
    """The same bytes for the same arguments, however they were written.

    Half a surrogate pair is no UTF-8 and may come all the same: what was request for is recorded.
    """
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    )
