"""Observations and traces as the public API of Langfuse writes them: of version 4, and of 3."""

from datetime import datetime
from typing import Any

from local.langfuse.attributes import parsed
from local.langfuse.memory import Trace
from local.langfuse.observations import Observation

Record = dict[str, Any]

PROJECT = "local"
PROJECT_RECORD = {
    "id": PROJECT,
    "name": "Local",
    "organization": {"id": PROJECT, "name": "Local"},
    "metadata": {},
}


def path_of(trace_id: str) -> str:
    """Where the page of a trace is; Langfuse has it there."""
    return f"/project/{PROJECT}/traces/{trace_id}"


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None


def observation_record(one: Observation, trace: Trace) -> dict[str, Record]:
    """The groups of fields of version 4, by their names."""
    return {
        "core": {
            "id": one.id,
            "traceId": one.trace,
            "startTime": iso(one.start),
            "endTime": iso(one.end),
            "projectId": PROJECT,
            "parentObservationId": one.parent or None,
            "type": one.type,
        },
        "basic": {
            "name": one.name,
            "level": one.level,
            "statusMessage": one.status_message,
            "version": one.version,
            "environment": one.environment,
            "bookmarked": False,
            "public": False,
            "userId": trace.user,
            "sessionId": trace.session,
            "isRootObservation": one.is_root,
        },
        "time": {
            "completionStartTime": iso(one.first_word),
            "createdAt": iso(one.end),
            "updatedAt": iso(one.end),
        },
        "io": {"input": one.input, "output": one.output},
        "metadata": {"metadata": one.metadata},
        "model": {
            "model": one.model,
            "internalModelId": None,
            "modelParameters": one.model_parameters,
            "modelId": None,
            "inputPrice": None,
            "outputPrice": None,
            "totalPrice": None,
        },
        "usage": {
            "usageDetails": one.usage,
            "costDetails": one.cost,
            "totalCost": one.cost.get("total"),
            "usagePricingTierName": None,
        },
        "prompt": {"promptId": None, "promptName": None, "promptVersion": None},
        "metrics": {"latency": latency(one), "timeToFirstToken": time_to_first_token(one)},
        "trace_context": {
            "tags": trace.tags,
            "release": trace.release,
            "traceName": trace.name,
        },
    }


def latency(one: Observation) -> float:
    """In seconds."""
    return (one.end - one.start).total_seconds()


def time_to_first_token(one: Observation) -> float | None:
    """In seconds."""
    return (one.first_word - one.start).total_seconds() if one.first_word else None


def old_observation_record(one: Observation, trace: Trace) -> Record:
    """An observation of version 3: all fields, what was said as JSON, and its usage twice."""
    groups = observation_record(one, trace).values()
    used, cost = one.usage, one.cost
    return {name: value for group in groups for name, value in group.items()} | {
        "input": parsed(one.input),
        "output": parsed(one.output),
        "inputPrice": None,
        "outputPrice": None,
        "totalPrice": None,
        "calculatedInputCost": cost.get("input"),
        "calculatedOutputCost": cost.get("output"),
        "calculatedTotalCost": cost.get("total"),
        "usage": {
            "input": used.get("input", 0),
            "output": used.get("output", 0),
            "total": used.get("total", 0),
            "unit": "TOKENS",
            "inputCost": cost.get("input"),
            "outputCost": cost.get("output"),
            "totalCost": cost.get("total"),
        },
    }


def trace_record(trace: Trace) -> Record:
    """A trace of version 3, as a list has it."""
    return {
        "id": trace.id,
        "timestamp": iso(trace.start),
        "name": trace.name,
        "input": parsed(trace.root.input),
        "output": parsed(trace.root.output),
        "sessionId": trace.session,
        "release": trace.release,
        "version": trace.root.version,
        "userId": trace.user,
        "metadata": trace.metadata,
        "tags": trace.tags,
        "public": False,
        "environment": trace.environment,
        "htmlPath": path_of(trace.id),
        "latency": trace.latency,
        "totalCost": trace.cost or 0,
        "observations": [each.id for each in trace.observations],
        "scores": [],
    }


def whole_trace_record(trace: Trace) -> Record:
    """The same with its observations."""
    observations = [old_observation_record(each, trace) for each in trace.observations]
    return trace_record(trace) | {"observations": observations}
