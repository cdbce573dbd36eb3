"""A whole answer under an `Idempotency-Key`: made once, for all who ask for it."""

from fastapi import Response

from api.call_key import call_key
from api.idempotency.answers import Answers
from api.project import BoundLlm
from api.routes.json_answer import json_answer, timing_of
from api.schemas import CompletionRequest
from chassis.logs import log

REPLAYED = "Idempotent-Replayed"


async def named_call(
    name: str, body: CompletionRequest, llm: BoundLlm, answers: Answers
) -> Response:
    """The answer, made for this request or for an earlier one of this name.

    Raises:
        ServiceError: there is none. The call goes on when its client leaves.
    """
    timing = "replayed"

    async def work() -> bytes:
        nonlocal timing
        completion = await llm.complete_detached(body.asked(), **body.options())
        timing = timing_of(completion.attempts)
        return completion.model_dump_json().encode()

    key = call_key("complete", llm.project_id, llm.caller, body, name)
    data, is_replayed = await llm.while_connected(answers.give(key, work))
    response = json_answer(data, timing)
    if is_replayed:
        response.headers[REPLAYED] = "true"
        log.info("answer_replayed", project_id=llm.project_id, request_id=llm.trace.request_id)
    return response
