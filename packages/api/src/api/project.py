"""The project of a request: from `X-Project-ID`, given once and well formed."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request

from api.attribution import ProjectId
from api.errors import ProjectInvalid, ProjectMissing

HEADER = "X-Project-ID"
QUERY = "project_id"


def in_openapi(*, required: bool, more: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """The header for the document only: its value is checked here, and answered by 400, not 422.

    Args:
        more: other headers that the route checks by itself.
    """
    header = {
        "in": "header",
        "name": HEADER,
        "description": "On whose account the call is made",
        "required": required,
        "schema": {"type": "string", "maxLength": 128, "examples": ["demo"]},
    }
    return {"parameters": [header, *more]}


def one_project(values: list[str]) -> ProjectId:
    """The one project that these values name.

    Raises:
        ProjectMissing: none is given, or it is empty.
        ProjectInvalid: it is malformed.
    """
    if not any(values):
        raise ProjectMissing
    if len(values) != 1:
        raise ProjectInvalid("given more than once")
    try:
        return ProjectId(values[0])
    except ValueError as error:
        raise ProjectInvalid(str(error)) from None


async def from_header(request: Request) -> ProjectId:
    """The project of the header, which may be given once."""
    return one_project(request.headers.getlist(HEADER))


async def from_header_or_query(request: Request) -> ProjectId:
    """The project of the header or, for an `EventSource`, of the query; both must then agree."""
    in_header = request.headers.getlist(HEADER)
    in_query = request.query_params.getlist(QUERY)
    if in_header and in_query and in_header != in_query:
        raise ProjectInvalid("header and query differ")
    return one_project(in_header or in_query)


Project = Annotated[ProjectId, Depends(from_header)]
StreamProject = Annotated[ProjectId, Depends(from_header_or_query)]
