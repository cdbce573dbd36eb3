"""Health for probes: none of them ever asks a model, for that would cost money."""

from typing import Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel

from api.app_state import State


class Health(BaseModel):
    status: Literal["ok", "starting", "draining", "identity_unavailable", "gateway_unavailable"]


router = APIRouter(tags=["health"])
OPEN = {"security": list[Any]()}
"""For the document: a probe has no token."""
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Health}}


@router.head("/health/live", include_in_schema=False)
@router.get("/health/live", openapi_extra=OPEN)
async def live() -> Health:
    """The process runs and answers."""
    return Health(status="ok")


@router.head("/health", include_in_schema=False)
@router.get("/health", openapi_extra=OPEN)
async def health() -> Health:
    """The same as `/health/live`."""
    return Health(status="ok")


@router.head("/health/ready", include_in_schema=False)
@router.get("/health/ready", responses=NOT_READY, openapi_extra=OPEN)
async def ready(state: State, response: Response) -> Health:
    """Calls may be sent here: all is loaded, nothing shuts down, the gateway is ready."""
    if state.admission.draining:
        verdict = Health(status="draining")
    elif not state.warm_up.done() or state.warm_up.exception():
        verdict = Health(status="starting")
    elif not await state.identity.is_ready():
        verdict = Health(status="identity_unavailable")
    elif not await state.gateway.is_ready():
        verdict = Health(status="gateway_unavailable")
    else:
        return Health(status="ok")
    response.status_code = 503
    return verdict
