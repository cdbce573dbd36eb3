"""The log line of a call, written when the call ends, however it ends."""

import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from api.schemas import AttemptReport
from chassis.errors import ServiceError
from chassis.logs import log


class CallLine:
    """The line of one call, as it fills up."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {"outcome": "cancelled"}

    def answered(self, done: Mapping[str, Any], by: str | None) -> None:
        """Takes from an answer what the operator wants to see.

        Args:
            by: the provider's model behind the alias, where the gateway says so.
        """
        usage = done["usage"]
        self.fields = {
            "outcome": done["status"],
            "model": done["model"],
            "answered_by": by,
            "cost_usd": done["cost_usd"],
            "input_tokens": usage and usage.input_tokens,
            "output_tokens": usage and usage.output_tokens,
        }


@contextmanager
def call_log(facts: Mapping[str, Any], receipt: list[AttemptReport]) -> Generator[CallLine]:
    """Writes one line when the block ends, however it ends."""
    line = CallLine()
    began = time.perf_counter()
    try:
        yield line
    except ServiceError as error:
        line.fields = {
            "outcome": error.code,
            "status": error.status,
            "reason": error.reason,
            "remedy": error.remedy,
        }
        error.is_logged = True
        raise
    except Exception as error:
        line.fields = {"outcome": "internal_error", "reason": type(error).__name__}
        raise
    finally:
        failed = [attempt for attempt in receipt if attempt.outcome not in ("ok", "cancelled")]
        if failed and failed[0].remedy:
            line.fields.setdefault("remedy", failed[0].remedy)
        write = log.warning if failed or "reason" in line.fields else log.info
        write(
            "llm_call",
            **facts,
            **line.fields,
            attempts=[attempt.for_the_log for attempt in receipt],
            duration_ms=round((time.perf_counter() - began) * 1000),
        )
