"""Health for probes, and what a Prometheus scrapes. None of them needs a token."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request, Response

from chassis.telemetry.metrics import metrics_response
from runtime_mcp.app_state import AppState

router = APIRouter()


@router.get("/health")
@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process runs and answers."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Calls may be sent here: they can be recorded, and agents can be told."""
    state: AppState = request.state.app
    if not await state.agents.is_ready():
        status = "identity_unavailable"
    elif not await state.audit.is_ready():
        status = "audit_unavailable"
    else:
        status = "ok"
    response.status_code = 200 if status == "ok" else 503
    states = [
        {
            "server": each.name,
            "up": each.up,
            "reason": each.reason,
            "tools": each.tools,
            "changed": [asdict(tool) for tool in each.changed],
        }
        for each in state.upstreams.states()
    ]
    return {"status": status, "upstreams": states}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What happened here, in the form of the request's Accept."""
    state: AppState = request.state.app
    state.metrics.upstreams(
        (each.name, each.up, len(each.changed)) for each in state.upstreams.states()
    )
    state.metrics.offered(tool.name for tool in state.calls.offers.tools())
    state.metrics.files({name: file.is_taken for name, file in state.files.items()})
    state.metrics.record(behind=state.audit.behind, unheard=state.audit.unheard)
    state.metrics.exports.look(state.exports)
    return await metrics_response(request, state.metrics.registry)
