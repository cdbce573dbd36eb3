"""From a request to the ticket that it asks for, and from a ticket to the stream it is good for."""

from typing import cast

from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.types import Scope

from api.idempotency.key import idempotency_key  # removable: idempotency
from api.schemas import IN_QUERY, CompletionRequest, StreamQuery
from api.tickets.tickets import Grant, Tickets
from chassis.errors import Unauthenticated
from chassis.identity.guard import caller_of, path_of
from chassis.project_id import ProjectId

STREAM = "/llm/stream"


def grant_for(
    request: Request, body: CompletionRequest, project: ProjectId, last_event_id: int | None
) -> Grant:
    """What a ticket is given for: the stream that this request would be answered by."""
    return Grant(
        caller=caller_of(request),
        project_id=str(project),
        body_json=body.model_dump_json(),
        last_event_id=last_event_id,
        idempotency_key=idempotency_key(request),  # removable: idempotency
    )


async def granted_by_ticket(scope: Scope, headers: Headers, tickets: Tickets) -> Grant | None:
    """What the ticket of this request was given for; None where it is not a stream, or has none.

    Raises:
        Unauthenticated, StateUnavailable: see `granted`.
    """
    if scope["method"] != "GET" or path_of(scope) != STREAM:
        return None
    given = QueryParams(scope["query_string"]).getlist("ticket")
    return await granted(given, headers, tickets) if given else None


async def granted(given: list[str], headers: Headers, tickets: Tickets) -> Grant:
    """What the ticket was given for; it is used up by this.

    Raises:
        Unauthenticated: it is not valid any more, or is not the only credential (RFC 6750, 2).
        StateUnavailable: nobody can tell now.
    """
    if len(given) > 1 or "Authorization" in headers:
        raise Unauthenticated("more than one credential")
    found = await tickets.redeem(given[0])
    if found is None:
        raise Unauthenticated("the ticket is not known: used before, too old or made up")
    return found


def body_granted(query: StreamQuery, granted: Grant) -> CompletionRequest:
    """The body that the ticket was given for; the query may repeat it, and not change it.

    Raises:
        Unauthenticated: the ticket is for another body.
    """
    body = granted.body
    said = query.model_dump(include=IN_QUERY, exclude_unset=True)
    if any(getattr(body, name) != value for name, value in said.items()):
        raise Unauthenticated("the ticket is for another body")
    return body


def grant_of(request: Request) -> Grant | None:
    """What the ticket that this request came with was given for."""
    return cast("Grant | None", getattr(request.state, "grant", None))
