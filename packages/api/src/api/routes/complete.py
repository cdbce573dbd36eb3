"""`POST /llm/complete`: one answer, as JSON."""

from fastapi import (
    APIRouter,
    Request,  # removable: idempotency
    Response,
)

from api.app_state import State  # removable: idempotency
from api.idempotency.key import idempotency_key  # removable: idempotency
from api.project import ProjectLlm
from api.routes.json_answer import json_answer, timing_of
from api.routes.named_call import named_call  # removable: idempotency
from api.routes.openapi import ANSWER, FAILURES, NAMED
from api.schemas import CompletionRequest
from chassis.http.strict_json import StrictJsonRoute

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES, route_class=StrictJsonRoute)


@router.post(
    "/complete", openapi_extra=NAMED, responses=ANSWER, response_class=Response, status_code=200
)
async def complete(
    body: CompletionRequest,
    llm: ProjectLlm,
    request: Request,  # removable: idempotency
    state: State,  # removable: idempotency
) -> Response:
    """One answer, as JSON."""
    if (name := idempotency_key(request)) is not None:  # removable: idempotency
        return await named_call(name, body, llm, state.answers)  # removable: idempotency
    completion = await llm.complete(body.asked(), **body.options())
    return json_answer(completion.model_dump_json(), timing_of(completion.attempts))
