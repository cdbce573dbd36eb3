"""`GET /llm/usage`: what a project has used."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.app_state import State
from api.project import ReadableProject
from api.routes.openapi import FAILURES, UNNAMED
from api.usage.figures import UsageReport, usage_report
from api.usage.ledger import MONTH, booked_month, this_month

Month = Annotated[str, Query(pattern=MONTH, description="of UTC; this one")]

router = APIRouter(prefix="/llm", tags=["llm"], responses=FAILURES)


@router.get("/usage", openapi_extra=UNNAMED)
async def usage(project: ReadableProject, state: State, month: Month | None = None) -> UsageReport:
    """What the gateway has booked on the project in a month: calls, tokens and cost."""
    month = month or this_month()
    return usage_report(project, month, await booked_month(state.gateway, month, project))
