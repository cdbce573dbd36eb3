"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Request, Response

from api.app_state import State
from chassis.telemetry.metrics import metrics_response

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, state: State) -> Response:
    """What happened here so far, for Prometheus; OpenMetrics for who asks for it."""
    state.metrics.calls.count()
    state.metrics.state.look(state)
    state.metrics.exports.look(state.exports)
    return await metrics_response(request, state.metrics.registry)
