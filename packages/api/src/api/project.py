"""The project of a request: from `X-Project-ID`, given once and well formed."""

from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import APIKeyHeader

from api.attribution import ProjectId
from api.errors import ProjectInvalid, ProjectMissing

HEADER = "X-Project-ID"
QUERY = "project_id"
in_openapi = APIKeyHeader(name=HEADER, scheme_name="project", auto_error=False)


def one_project(values: list[str]) -> ProjectId:
    """The one project that these values name.

    Raises:
        ProjectMissing: none is given, or it is empty.
        ProjectInvalid: it is malformed.
    """
    if not any(values):
        raise ProjectMissing
    try:
        return ProjectId(",".join(values))
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


Project = Annotated[ProjectId, Depends(from_header), Security(in_openapi)]
StreamProject = Annotated[ProjectId, Depends(from_header_or_query)]
