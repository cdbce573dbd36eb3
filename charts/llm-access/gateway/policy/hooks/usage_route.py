"""`GET /v1/usage`: what was booked in a month, for the master key all of it.

It is under `/v1` as the list of models is, so that a service asks it at the base URL it has.
"""

import calendar
import functools
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from litellm.proxy.proxy_server import app
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from policy.hooks.answers import foreseen
from policy.ledgers.booking import Booked
from policy.ledgers.usage import MEASURES, OTHER, Account, Row, Used, add, usd
from policy.refusal import Refusal
from policy.rules import budgets
from policy.state import state

PATH = "/v1/usage"
NOT_STORED = {"cache-control": "no-store"}
MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)
COUNTS = tuple(measure for measure in MEASURES if not measure.endswith("picousd"))


@functools.cache
def serve() -> None:
    """Adds the route, once for the process."""
    app.router.routes.append(Route(PATH, usage, methods=["GET"]))


async def usage(request: Request) -> JSONResponse:
    """The rows of `?month=` (this one where it is not given), and of `?project_id=` alone.

    With `by=month` the days of an account are one row, whose day is null: a month of a thousand
    projects is then no more than its reader can hold.
    """
    try:
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        caller = state().keys.caller(key)
        project = request.query_params.get("project_id", caller.project)
        if caller.project not in (None, project):
            raise Refusal(403, "project_mismatch", "This key does not speak for this project.")
        by = request.query_params.get("by", "day")
        if by not in ("day", "month"):
            raise Refusal(400, "invalid_request_error", "by: neither day nor month.")
        month = request.query_params.get("month", budgets.month_of(datetime.now(UTC)))
        booked = await state().booking.read(days_of(month))
    except Exception as error:  # noqa: BLE001 - `foreseen` answers no other
        refusal = foreseen(error)
        said = {"message": refusal.message, "type": refusal.kind, "param": None}
        headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
        body = {"error": said | {"code": str(refusal.status)}}
        return JSONResponse(body, refusal.status, headers)
    rows = of_month(booked.rows) if by == "month" else booked.rows
    said_rows = [row_as_json(row) for row in sorted(rows) if project in (None, row.account.project)]
    return JSONResponse(as_json(month, booked) | {"rows": said_rows}, headers=NOT_STORED)


def days_of(month: str) -> tuple[str, str]:
    """
    Raises:
        Refusal: 400, it is no month.
    """
    match = MONTH.fullmatch(month)
    if match is None:
        raise Refusal(400, "invalid_request_error", "month: not a month as in 2026-11.")
    _, days = calendar.monthrange(int(match[1]), int(match[2]))
    return f"{month}-01", f"{month}-{days}"


def of_month(rows: Iterable[Row]) -> list[Row]:
    found: dict[Account, Used] = {}
    for row in rows:
        add(found.setdefault(row.account, {}), row.used)
    return [Row("", account, used) for account, used in found.items()]


def as_json(month: str, booked: Booked) -> dict[str, Any]:
    return {
        "month": month,
        "since": booked.since.isoformat(),
        "scope": booked.scope,
        "overflowed": any(row.account.project == OTHER for row in booked.rows),
    }


def row_as_json(row: Row) -> dict[str, Any]:
    account, used = row.account, row.used
    return {
        "day": row.day or None,
        "project_id": account.project,
        "solution": account.solution,
        "model": account.model,
        **{measure: used.get(measure, 0) for measure in COUNTS},
        "usd": usd(used.get("picousd", 0)),
        "estimated_usd": usd(used.get("estimated_picousd", 0)),
    }
