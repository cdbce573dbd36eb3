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
    """Calls may be sent here: they can be recorded, and it can be found out who calls."""
    state: AppState = request.state.app
    if not await state.identity.is_ready():
        status = "identity_unavailable"
    elif not await state.audit.is_ready():
        status = "audit_unavailable"
    else:
        status = "ok"
    response.status_code = 200 if status == "ok" else 503
    return {"status": status, "upstreams": [asdict(each) for each in state.upstreams.states()]}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """What happened here, in the form of the request's Accept."""
    state: AppState = request.state.app
    state.metrics.upstreams(
        (each.server, each.up, len(each.changed)) for each in state.upstreams.states()
    )
    state.metrics.offered(tool.name for tool in state.calls.catalog.tools())
    state.metrics.files({name: file.is_taken for name, file in state.files.items()})
    state.metrics.audit(behind=state.audit.behind, silent=state.audit.silent_seconds)
    state.metrics.exports.look(state.exports)
    return await metrics_response(request, state.metrics.registry)
