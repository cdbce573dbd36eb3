"""`/metrics`, for Prometheus."""

import asyncio

from fastapi import APIRouter, Request, Response
from prometheus_client.exposition import choose_encoder

from api.app_state import Here

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, here: Here) -> Response:
    """What happened here so far, for Prometheus; OpenMetrics for who asks for it."""
    here.metrics.calls.count()
    here.metrics.state.look(here)
    here.metrics.exports.look(here.exports)
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    # 3. In a thread: some thousand series take longer than a stream should have to wait.
    text = await asyncio.to_thread(encode, here.metrics.registry)
    return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})
