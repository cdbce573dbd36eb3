"""`POST /llm/stream-ticket`: a ticket for an `EventSource`."""

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from api.app_state import State
from api.project import ProjectLlm
from api.routes.openapi import FAILURES, RESUMED
from api.schemas import CompletionRequest
from api.streaming.open import last_seen
from api.tickets.granting import grant_for
from api.tickets.tickets import LIFETIME_SECONDS
from chassis.http.strict_json import StrictJsonRoute

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES, route_class=StrictJsonRoute)


class Ticket(BaseModel):
    """Opens one `GET /llm/stream?ticket=…`."""

    ticket: str
    expires_in: int = Field(description="seconds")


@router.post("/stream-ticket", openapi_extra=RESUMED)
async def stream_ticket(
    request: Request, body: CompletionRequest, llm: ProjectLlm, state: State
) -> Ticket:
    """A ticket for an `EventSource`: one stream of this body, as POST /llm/stream gives it."""
    grant = grant_for(request, body, llm.project_id, last_seen(request))
    return Ticket(ticket=await state.tickets.issue(grant), expires_in=LIFETIME_SECONDS)
