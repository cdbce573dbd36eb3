"""The project of a request: from `X-Project-ID`, well formed, and open to the caller."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request

from api.app_state import app_state_of, grant_of
from api.project_access import Permission
from chassis.errors import PermissionDenied, ProjectInvalid
from chassis.http.request_state import caller_of
from chassis.project_id import HEADER, SAFE_NAME_PATTERN, ProjectId, one_project

QUERY = "project_id"
IN_OPENAPI: dict[str, Any] = {"type": "string", "pattern": f"^{SAFE_NAME_PATTERN}$"}


def in_openapi(*, required: bool, more: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The header for the document only: its value is checked state, and answered by 400, not 422.

    Args:
        more: other headers that the route checks by itself.
    """
    header = {
        "in": "header",
        "name": HEADER,
        "description": "On whose account the call is made",
        "required": required,
        "schema": IN_OPENAPI | {"examples": ["demo"]},
    }
    return {"parameters": [header, *more]}


async def open_to(request: Request, permission: Permission, project: ProjectId) -> ProjectId:
    """The project again, when the caller of this request has this permission on it.

    Raises:
        PermissionDenied: the caller has not.
        AccessUnavailable: nobody can tell now.
    """
    caller = caller_of(request)
    if not await app_state_of(request).access.allows(caller, permission, project):
        raise PermissionDenied(f"{caller.key} has no {permission} on {project}")
    return project


async def to_call(request: Request) -> ProjectId:
    """The project of the header, on whose account the caller may make calls."""
    return await open_to(request, "can_execute", one_project(request.headers.getlist(HEADER)))


async def to_look_at(request: Request) -> ProjectId:
    """The project of the header, which the caller may look at."""
    return await open_to(request, "can_read", one_project(request.headers.getlist(HEADER)))


async def to_stream(request: Request) -> ProjectId:
    """The project of the header or, for an `EventSource`, of the query or the ticket.

    Where it is said twice, both must agree.
    """
    grant = grant_of(request)
    said = [
        request.headers.getlist(HEADER),
        request.query_params.getlist(QUERY),
        [grant.project_id] if grant else [],
    ]
    said = [values for values in said if values]
    if any(values != said[0] for values in said):
        raise ProjectInvalid("header, query and ticket differ")
    return await open_to(request, "can_execute", one_project(said[0] if said else []))


Project = Annotated[ProjectId, Depends(to_call)]
ReadableProject = Annotated[ProjectId, Depends(to_look_at)]
StreamProject = Annotated[ProjectId, Depends(to_stream)]
