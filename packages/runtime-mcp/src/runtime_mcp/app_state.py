"""What the composition root made, as the requests see it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from chassis.identity.callers import Identity
from chassis.telemetry.metrics import Export
from chassis.watched_file import WatchedFile
from runtime_mcp.audit.log import AuditLog
from runtime_mcp.metrics import Metrics
from runtime_mcp.tools.call import ToolCalls
from runtime_mcp.upstreams.upstreams import Upstreams


@dataclass(frozen=True, slots=True)
class AppState:
    """The parts that all requests share.

    Attributes:
        files: those that are followed, by what they are.
    """

    identity: Identity
    calls: ToolCalls
    audit: AuditLog
    upstreams: Upstreams
    metrics: Metrics
    files: Mapping[str, WatchedFile[Any]]
    exports: Sequence[Export]


class LifespanState(TypedDict):
    """What the lifespan yields; around each request there are its `trace` and its `caller`, too."""

    app: AppState
    count_refusal: Callable[[str], None]
