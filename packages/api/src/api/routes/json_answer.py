"""A completion as the response of a route, and where its time went."""

from collections.abc import Sequence

from fastapi import Response

from api.schemas import AttemptReport
from chassis.problems import server_timing


def json_answer(data: str | bytes, timing: str) -> Response:
    return Response(data, media_type="application/json", headers={"Server-Timing": timing})


def timing_of(attempts: Sequence[AttemptReport]) -> str:
    """`Server-Timing` of an answer that these attempts led to."""
    return server_timing(
        wait_ms=sum(attempt.wait_ms for attempt in attempts),
        gateway_ms=sum(attempt.duration_ms for attempt in attempts),
    )
