"""A whole answer for one client or, where the call has a name, for all who ask for it."""

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from api.app_state import AppState
from api.idempotency.key import call_key, idempotency_key
from api.schemas import AttemptReport, Completion, CompletionRequest
from chassis.http.disconnect import run_until_disconnect
from chassis.http.request_state import caller_of, trace_of
from chassis.logs import log
from chassis.problems import server_timing
from chassis.project_id import ProjectId

REPLAYED = "Idempotent-Replayed"


async def completed(
    request: Request, body: CompletionRequest, project: ProjectId, state: AppState
) -> Response:
    """The answer, made for this request or, under the same `Idempotency-Key`, for an earlier one.

    Raises:
        AccessError: there is none; a call with a name goes on when its client leaves.
    """

    async def answer() -> Completion:
        with state.admission.admitted():
            return await state.llm.complete(
                body.question(),
                project_id=project,
                solution=state.settings.solution,
                user_id=caller_of(request).user_id,
                trace=trace_of(request),
                **body.options(),
            )

    name = idempotency_key(request)
    if name is None:
        completion = await run_until_disconnect(request, state.admission, answer())
        return as_json(encoded(completion), timing_of(completion.attempts))

    timing = "replayed"

    async def work() -> bytes:
        nonlocal timing
        completion = await answer()
        timing = timing_of(completion.attempts)
        return encoded(completion)

    key = call_key("complete", project, caller_of(request), body, name)
    given = state.answers.give(key, work)
    data, is_replayed = await run_until_disconnect(request, state.admission, given)
    response = as_json(data, timing)
    if is_replayed:
        response.headers[REPLAYED] = "true"
        trace = trace_of(request)
        log.info("answer_replayed", project_id=project, request_id=trace.request_id)
    return response


def encoded(completion: Completion) -> bytes:
    return completion.model_dump_json().encode()


def timing_of(receipt: Sequence[AttemptReport]) -> str:
    """`Server-Timing` of an answer that these attempts led to."""
    return server_timing(
        wait_ms=sum(attempt.wait_ms for attempt in receipt),
        gateway_ms=sum(attempt.duration_ms for attempt in receipt),
    )


def as_json(data: bytes, timing: str) -> Response:
    return Response(data, media_type="application/json", headers={"Server-Timing": timing})
