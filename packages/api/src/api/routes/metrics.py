"""`/metrics`, for Prometheus."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from api.app_state import State

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, state: State) -> Response:
    """What happened here so far, for Prometheus; OpenMetrics for who asks for it."""
    state.metrics.calls.count()
    state.metrics.state.look(state)
    state.metrics.exports.look(state.exports)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    # 3. In a thread: some thousand series take longer than a stream should have to wait.
    text = await asyncio.to_thread(encode, state.metrics.registry)
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
