"""What the service says of itself: its models, its self-test, its health, what was used."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, Field

from api.schemas import AttemptReport


class Ticket(BaseModel):
    """Opens one `GET /llm/stream?ticket=…`."""

    ticket: str
    expires_in: int = Field(description="seconds")


class Model(BaseModel):
    id: str
    default: bool = Field(description="answers when the request names no model")
    fallback: bool = Field(description="stands in when the requested model fails")
    thinking: bool = Field(description="thinks before it writes, and so has a floor for max_tokens")


class ModelList(BaseModel):
    models: list[Model]


class Check(BaseModel):
    check: str
    ok: bool | None = Field(description="null: could not be found out")
    detail: str


class SelfTestReport(BaseModel):
    """What `GET /llm/test` found out with one small call."""

    ok: bool
    checks: list[Check]
    model: str
    cost_usd: float | None
    project_id: str
    solution: str
    request_id: str
    trace_id: str
    trace_url: str | None = Field(description="where the trace can be looked at; null: not known")
    replica: str = Field(description="the host name of the process that answered")
    version: str = Field(description="of this service")
    attempts: list[AttemptReport]


class Health(BaseModel):
    status: Literal["ok", "starting", "draining", "identity_unavailable", "gateway_unavailable"]


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
