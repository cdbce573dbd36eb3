"""A LiteLLM callback for the test gateway: writes down what the gateway received and booked.

It runs inside the proxy, from the folder that the runner makes for it; the lines go beside it.
"""

import json
import os
from pathlib import Path
from typing import Any

from litellm.integrations.custom_logger import CustomLogger

LINES = Path(__file__).parent / "received.jsonl"
OF_INTEREST = ("project_id", "solution", "trace_id", "trace_metadata", "tags", "session_id")


def write(event: str, **fields: Any) -> None:
    with LINES.open("a") as lines:
        lines.write(json.dumps({"event": event, **fields}, default=str) + "\n")


def prompt_of(messages: list[dict[str, Any]]) -> Any:
    return messages[-1]["content"] if messages else None


def of_interest(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the caller sent; LiteLLM writes its own fields into the same object."""
    return metadata and {name: metadata[name] for name in OF_INTEREST if name in metadata}


class Recorder(CustomLogger):  # type: ignore[misc]
    async def async_pre_call_hook(
        self, user_api_key_dict: Any, cache: Any, data: dict[str, Any], call_type: Any
    ) -> None:
        request = data.get("proxy_server_request") or {}
        body = request.get("body") or {}
        write(
            "received",
            prompt=prompt_of(data.get("messages") or []),
            model=body.get("model"),
            metadata=of_interest(body.get("metadata")),
            traceparent=(request.get("headers") or {}).get("traceparent"),
            stream=body.get("stream"),
        )

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.booked("booked", kwargs)

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.booked("failed", kwargs)

    def booked(self, event: str, kwargs: dict[str, Any]) -> None:
        metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
        write(
            event,
            prompt=prompt_of(kwargs.get("messages") or []),
            metadata=of_interest(metadata),
        )


write("started", local_llm_url=os.environ.get("LOCAL_LLM_URL"))
recorder = Recorder()
