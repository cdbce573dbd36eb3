"""`GET /audit`: the record, for those whom the allowlist lets read it, in the platform's shape."""

import math
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy.exc import SQLAlchemyError

from chassis.errors import NotFound, PermissionDenied, ProjectMissing, ServiceError
from runtime_mcp.agents.guard import agent_of
from runtime_mcp.allowlist.decision import grant_of
from runtime_mcp.app_state import AppState
from runtime_mcp.audit.reading import EventFilter, Scope, one_of, page_of

router = APIRouter()


class AuditUnreadable(ServiceError):
    status = 503
    code = "audit_unavailable"
    detail = "The record cannot be read now."
    advice = 5
    remedy = "look at the database of DATABASE_URL"


class AuditQuery(EventFilter):
    """The query of the platform's `GET /audit`; what it does not name is refused."""

    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1
    page_size: Annotated[int, Query(ge=1, le=100)] = 50


@router.get("/audit")
async def audit(request: Request, query: Annotated[AuditQuery, Query()]) -> dict[str, Any]:
    """A page of events, the newest first."""
    state: AppState = request.state.app
    page, size = query.page, query.page_size
    try:
        data, total = await page_of(
            state.audit.readers, scope_of(request), query, page=page, size=size
        )
    except (SQLAlchemyError, OSError) as error:
        raise AuditUnreadable(type(error).__name__) from None
    pages = math.ceil(total / size)
    pagination = {
        "page": page,
        "limit": size,
        "total_items": total,
        "total_pages": pages,
        "next_page": page + 1 if page < pages else None,
        "prev_page": page - 1 if 1 < page <= pages + 1 else None,
    }
    return {"data": data, "pagination": pagination}


@router.get("/audit/{event_id}")
async def one_event(request: Request, event_id: str) -> dict[str, Any]:
    """One event."""
    state: AppState = request.state.app
    try:
        found = await one_of(state.audit.readers, scope_of(request), event_id)
    except (SQLAlchemyError, OSError) as error:
        raise AuditUnreadable(type(error).__name__) from None
    if found is None:
        raise NotFound
    return found


def scope_of(request: Request) -> Scope:
    """What the caller may read, as its grant says.

    Raises:
        PermissionDenied: nothing.
        ProjectMissing: it may read the events of a project, and says none.
    """
    state: AppState = request.state.app
    agent = agent_of(request)
    grant = grant_of(state.calls.allowlist(), agent)
    match grant.audit if grant else None:
        case "organisation":
            return Scope(agent.organisation, project_id=agent.project)
        case "project":
            if agent.project is None:
                raise ProjectMissing
            return Scope(agent.organisation, project_id=agent.project)
        case "own":
            return Scope(agent.organisation, project_id=agent.project, actor_id=agent.name)
        case _:
            raise PermissionDenied("the allowlist does not let it read the record")
