"""A span to an observation, by the mapping that Langfuse documents for OpenTelemetry.

`langfuse.*` wins; where it is absent, `gen_ai.*` of the semantic conventions is read.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from local.langfuse.attributes import (
    first,
    keyed,
    mapping,
    moment,
    names,
    numbers,
    said_moment,
    text,
)
from local.langfuse.otlp import Attributes, Span

OBSERVATION = "langfuse.observation."
OBSERVATION_METADATA = f"{OBSERVATION}metadata"
TRACE_METADATA = "langfuse.trace.metadata"
ROOTS = ("langfuse.internal.is_app_root", "langfuse.internal.as_root")
TYPES = {
    "SPAN", "GENERATION", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR", "EMBEDDING",
    "GUARDRAIL",
}  # fmt: skip
LEVELS = {"DEBUG", "DEFAULT", "WARNING", "ERROR"}
LONGEST_TAG = 200
"""Langfuse drops a longer one."""
TOKENS = {
    "input": ("input_tokens", "prompt_tokens"),
    "output": ("output_tokens", "completion_tokens"),
}


@dataclass(frozen=True, slots=True)
class Observation:
    """One span as Langfuse shows it, with what it says of its trace.

    Attributes:
        type: `SPAN`, `GENERATION` and others.
        first_word: when the first token came, where it says so.
        usage: tokens by what they were for, with `total`.
        cost: USD by what it was for, with `total`; empty where nobody knows.
        size: in bytes, as it was sent.
    """

    trace: str
    id: str
    parent: str
    is_root: bool
    type: str
    name: str
    start: datetime
    end: datetime
    first_word: datetime | None
    level: str
    status_message: str | None
    model: str | None
    model_parameters: Attributes
    input: str | None
    output: str | None
    metadata: Attributes
    usage: dict[str, int]
    cost: dict[str, float]
    environment: str
    release: str | None
    version: str | None
    trace_name: str | None
    trace_metadata: Attributes
    tags: tuple[str, ...]
    user: str | None
    session: str | None
    size: int


def observation_of(span: Span) -> Observation:
    said = span.attributes
    model = text(
        first(said, f"{OBSERVATION}model.name", "gen_ai.response.model", "gen_ai.request.model")
    )
    level = str(said.get(f"{OBSERVATION}level", "")).upper()
    return Observation(
        trace=span.trace,
        id=span.id,
        parent=span.parent,
        is_root=not span.parent or any(said.get(name) is True for name in ROOTS),
        type=kind_of(said, model),
        name=span.name,
        start=moment(span.start),
        end=moment(span.end),
        first_word=said_moment(said.get(f"{OBSERVATION}completion_start_time")),
        level=level if level in LEVELS else "DEFAULT" if span.error is None else "ERROR",
        status_message=text(said.get(f"{OBSERVATION}status_message")) or span.error or None,
        model=model,
        model_parameters=mapping(said.get(f"{OBSERVATION}model.parameters")),
        input=text(first(said, f"{OBSERVATION}input", "gen_ai.input.messages", "gen_ai.prompt")),
        output=text(
            first(said, f"{OBSERVATION}output", "gen_ai.output.messages", "gen_ai.completion")
        ),
        metadata=keyed(said, OBSERVATION_METADATA) | unmapped(span),
        usage=usage_of(said),
        cost=with_total(numbers(cost_said(said))),
        environment=text(environment_said(span)) or "default",
        release=text(first(said, "langfuse.release") or span.resource.get("langfuse.release")),
        version=text(first(said, "langfuse.version", "service.version")),
        trace_name=text(said.get("langfuse.trace.name")),
        trace_metadata=keyed(said, TRACE_METADATA),
        tags=tuple(
            tag for tag in names(said.get("langfuse.trace.tags")) if len(tag) <= LONGEST_TAG
        ),
        user=text(first(said, "langfuse.user.id", "user.id")),
        session=text(first(said, "langfuse.session.id", "session.id")),
        size=span.size,
    )


def kind_of(said: Attributes, model: str | None) -> str:
    kind = str(said.get(f"{OBSERVATION}type", "")).upper()
    return kind if kind in TYPES else "GENERATION" if model else "SPAN"


def usage_of(said: Attributes) -> dict[str, int]:
    details = mapping(said.get(f"{OBSERVATION}usage_details")) or {
        name: first(said, *(f"gen_ai.usage.{each}" for each in names))
        for name, names in TOKENS.items()
    }
    return {name: int(value) for name, value in with_total(numbers(details)).items()}


def cost_said(said: Attributes) -> Attributes:
    details = mapping(said.get(f"{OBSERVATION}cost_details"))
    return details or {"total": said.get("gen_ai.usage.cost")}


def with_total(counted: dict[str, float]) -> dict[str, float]:
    if not counted or "total" in counted:
        return counted
    return counted | {"total": sum(counted.values())}


def environment_said(span: Span) -> Any:
    names = ("langfuse.environment", "deployment.environment.name", "deployment.environment")
    return first(span.attributes, *names) or first(span.resource, *names)


def unmapped(span: Span) -> Attributes:
    """What has no field of its own."""
    rest = {k: v for k, v in span.attributes.items() if not k.startswith("langfuse.")}
    return {"attributes": rest, "resourceAttributes": span.resource}
