"""Whether an agent may see or call a tool: pure, and no unless the allowlist says yes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runtime_mcp.agents.agent import Agent
from runtime_mcp.allowlist.allowlist import Allowlist, Entry, Grant


@dataclass(frozen=True, slots=True)
class Decision:
    allowed: bool
    reason: str
    detail: str
    revision: str
    entry: Entry | None = None
    """That allowed it."""


def decide(
    allowlist: Allowlist, agent: Agent, tool: str, arguments: Mapping[str, Any] | None
) -> Decision:
    """Arguments None: whether the agent may see the tool at all."""
    revision = allowlist.revision
    grant = grant_of(allowlist, agent)
    if grant is None:
        return Decision(False, "unknown_agent", "the agent is not listed", revision)
    entries = [entry for entry in grant.tools if entry.fits(tool)]
    if not entries:
        return Decision(False, "not_listed", "no entry of the agent fits the tool", revision)
    entry = max(entries, key=lambda one: one.rank())
    if arguments is not None and entry.validator is not None:
        try:
            fits = entry.validator.is_valid(dict(arguments))
        except Exception:  # noqa: BLE001 - what cannot be judged is not allowed, and is recorded
            fits = False
        if not fits:
            return Decision(False, "arguments", f"arguments do not satisfy {entry.tool}", revision)
    return Decision(True, "allowed", f"by {entry.tool}", revision, entry)


def grant_of(allowlist: Allowlist, agent: Agent) -> Grant | None:
    """What this agent may do: of two grants of its name, that of its organisation."""
    grants = [
        grant
        for grant in allowlist.agents
        if grant.name == agent.name and grant.organisation in (None, agent.organisation)
    ]
    return max(grants, key=lambda one: one.organisation is not None, default=None)
