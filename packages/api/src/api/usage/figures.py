"""What was booked, summed up for people: exact until it is shown, and unknown where it is."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, Field

from api.usage.ledger import BookedMonth, BookedRow
from chassis.project_id import ProjectId


class UsageFigures(BaseModel):
    """Attempts at a model's provider; a call that was tried twice is two of them."""

    calls: int
    answered: int
    failed: int
    aborted: int = Field(description="its client left before the end")
    input_tokens: int
    output_tokens: int
    cost_usd: float | None = Field(description="null: of nothing that was used a price is known")
    unpriced_calls: int = Field(description="no price is known; not in the cost")
    estimated_calls: int = Field(description="broke off; the gateway counted the tokens itself")
    estimated_cost_usd: float = Field(description="the part of the cost that is of those")


class ModelUsage(UsageFigures):
    model: str


class DayUsage(UsageFigures):
    day: date = Field(description="of UTC, on which the answer ended")


class UsageReport(BaseModel):
    """What the gateway has booked on a project in a month."""

    project_id: str
    month: str = Field(description="of UTC")
    currency: Literal["USD"] = "USD"
    since: datetime | None = Field(default=None, description="from then on nothing is missing")
    scope: Literal["replica", "replicas"] | None = Field(
        default=None,
        description="whose: of one replica of the gateway, or of all",
    )
    total: UsageFigures | None = Field(default=None, description="null: the gateway does not say")
    by_model: list[ModelUsage] = []
    by_day: list[DayUsage] = []
    notes: list[str] = Field(default=[], description="what to know before believing it")


NOT_BOOKED = "This gateway does not say what was used."


def usage_report(project: ProjectId, month: str, booked: BookedMonth | None) -> UsageReport:
    """
    Args:
        booked: the project's; None where the gateway does not say. Of a month that was over when
            it began to book, no total is known, and none is shown.
    """
    if booked is None:
        return UsageReport(project_id=project, month=month, notes=[NOT_BOOKED])
    rows = [row for row in booked.rows if row.project_id == project]
    return UsageReport(
        project_id=project,
        month=month,
        since=booked.since,
        scope=booked.scope,
        total=figures(rows) if f"{booked.since:%Y-%m}" <= month else None,
        by_model=[
            ModelUsage(model=model, **figures(some).model_dump())
            for model, some in grouped(rows, lambda row: row.model).items()
        ],
        by_day=[
            DayUsage(day=date.fromisoformat(day), **figures(some).model_dump())
            for day, some in grouped(rows, lambda row: str(row.day)).items()
        ],
        notes=notes(booked, rows),
    )


def grouped(
    rows: Iterable[BookedRow], key: Callable[[BookedRow], str]
) -> Mapping[str, list[BookedRow]]:
    found: defaultdict[str, list[BookedRow]] = defaultdict(list)
    for row in sorted(rows, key=key):
        found[key(row)].append(row)
    return found


def cost(rows: Sequence[BookedRow]) -> Decimal | None:
    """The exact sum; None where of nothing that was used a price is known."""
    usd = sum((row.usd for row in rows), Decimal(0))
    return None if usd == 0 and any(row.unpriced for row in rows) else usd


def figures(rows: Sequence[BookedRow]) -> UsageFigures:
    usd = cost(rows)
    return UsageFigures(
        calls=sum(row.calls for row in rows),
        answered=sum(row.answered for row in rows),
        failed=sum(row.failed for row in rows),
        aborted=sum(row.aborted for row in rows),
        input_tokens=sum(row.input_tokens for row in rows),
        output_tokens=sum(row.output_tokens for row in rows),
        cost_usd=None if usd is None else float(usd),
        unpriced_calls=sum(row.unpriced for row in rows),
        estimated_calls=sum(row.estimated for row in rows),
        estimated_cost_usd=float(sum((row.estimated_usd for row in rows), Decimal(0))),
    )


def notes(booked: BookedMonth, rows: Sequence[BookedRow]) -> list[str]:
    """What a reader has to know before believing the figure, a sentence each."""
    unpriced, estimated = sum(row.unpriced for row in rows), sum(row.estimated for row in rows)
    found = []
    if booked.since > datetime.fromisoformat(f"{booked.month}-01T00:00:00+00:00"):
        found.append(f"Nothing before {booked.since:%Y-%m-%d %H:%M} UTC is in it.")
    if unpriced:
        found.append(f"Of {unpriced} calls no price is known; the cost is that of the others.")
    if estimated:
        found.append(f"{estimated} calls broke off; their tokens are the gateway's own count.")
    if booked.overflowed:
        found.append("There was no room for some projects: calls may be missing.")
    return found
