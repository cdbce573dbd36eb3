"""What the service says of itself: its models, its self-test, its health."""

from typing import Literal

from pydantic import BaseModel, Field

from api.schemas import Attempt


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
    attempts: list[Attempt]


class Health(BaseModel):
    status: Literal["ok", "starting", "draining", "gateway_unavailable"]
