"""What the gateway has booked in a month, as its policy says it under `/usage`."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Literal
from urllib.parse import urlencode

import msgspec

from api.errors import UpstreamFailed
from api.gateway.error_table import NOT_JSON
from api.gateway.peer import Gateway
from chassis.http.client_body import loop_time, read_whole

MONTH = "^20[0-9][0-9]-(0[1-9]|1[0-2])$"
ANSWER_SECONDS = 10.0
NO_SUCH_ROUTE = 404


class BookedRow(msgspec.Struct, frozen=True):
    """The attempts of one day, project, solution and alias; `usd` is exact.

    Attributes:
        day: None where those of the month are one row.
        unpriced: those that used tokens and have no price.
        estimated: those that did not come to their end; the gateway counted their tokens itself.
    """

    day: date | None
    project_id: str
    solution: str
    model: str
    calls: int
    answered: int
    failed: int
    aborted: int
    unpriced: int
    estimated: int
    input_tokens: int
    output_tokens: int
    usd: Decimal
    estimated_usd: Decimal


class BookedMonth(msgspec.Struct, frozen=True):
    """
    Attributes:
        since: from then on nothing is missing.
        scope: whether it is booked for one replica of the gateway or for all of them.
        overflowed: whether projects that found no room share one account.
    """

    month: str
    since: datetime
    scope: Literal["replica", "replicas"]
    overflowed: bool
    rows: list[BookedRow]


def this_month() -> str:
    """The present one of UTC, as 2026-11."""
    return datetime.now(UTC).strftime("%Y-%m")


async def booked_month(
    gateway: Gateway, month: str, project_id: str | None = None
) -> BookedMonth | None:
    """
    Args:
        month: of UTC, as 2026-11.
        project_id: its rows by day; None asks for every project that the service's key speaks
            for, by month.

    Returns:
        None from a gateway that has no such route: a stock LiteLLM, or another kind.

    Raises:
        GatewayError: it did not say, or nobody can understand it.
    """
    whose = {"by": "month"} if project_id is None else {"project_id": project_id}
    deadline = loop_time() + ANSWER_SECONDS
    path = f"/usage?{urlencode({'month': month} | whose)}"
    async with gateway.request("GET", path, deadline=deadline, also=(NO_SUCH_ROUTE,)) as response:
        if response.status == NO_SUCH_ROUTE:
            return None
        body = await read_whole(response, deadline)
    try:
        return msgspec.json.decode(body, type=BookedMonth)
    except NOT_JSON as error:
        raise UpstreamFailed(f"not what was booked: {error}") from None
