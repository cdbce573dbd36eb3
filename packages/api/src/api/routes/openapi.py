"""What the OpenAPI document says that types cannot."""

from typing import Any

from api.idempotency import key  # removable: idempotency
from api.project import in_openapi
from api.schemas import Completion, Problem
from api.streaming.open import LAST_EVENT_ID

PROBLEM = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
PROBLEM.pop("$defs")  # the answers' schemas bring them
FAILURES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": "Which failure it is, `code` says.",
        "content": {"application/problem+json": {"schema": PROBLEM}},
    }
    for status in (400, 401, 403, 413, 422, 429, 502, 503, 504)
}
ANSWER: dict[int | str, dict[str, Any]] = {200: {"model": Completion}}
EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[1-9][0-9]*$"},
        "event": {"enum": ["meta", "delta", "done", "error"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
EVENTS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "`meta`, then `delta` events, then one `done` or `error`.",
        "content": {"text/event-stream": {"itemSchema": EVENT}},
    },
    204: {"description": "There is nothing to resume; an `EventSource` stops."},
}

HEADERS: list[dict[str, Any]] = []
HEADERS += [key.IN_OPENAPI]  # removable: idempotency
NAMED = in_openapi(required=True, more=HEADERS)
RESUMED = in_openapi(required=True, more=[*HEADERS, LAST_EVENT_ID])
RESUMED_OR_QUERY = in_openapi(required=False, more=[*HEADERS, LAST_EVENT_ID])
UNNAMED = in_openapi(required=True)
