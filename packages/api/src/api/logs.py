"""One line for each call, on stdout: what came of it. Never a prompt, an answer or a key."""

import logging
import time
from collections.abc import Generator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from api.errors import AccessError
from api.redaction import masked_field
from api.schemas import Attempt

log = structlog.get_logger()


def configure_logs(level: str, out: TextIO) -> None:
    """Sends structured lines of this level and above there; readable ones to a terminal.

    The libraries' lines come in the same form, warnings and worse at any level: below that they
    quote prompts.
    """
    first: list[Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
    ]
    last: list[Processor] = [
        structlog.processors.format_exc_info,
        made_safe,
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if out.isatty()
        else structlog.processors.JSONRenderer(as_json),
    ]
    least = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    libraries = logging.StreamHandler(out)
    libraries.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *first],
            processors=[ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.addHandler(libraries)
    root.setLevel(max(least, logging.WARNING))


def as_json(event: object, **_: object) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


def made_safe(_: object, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """What a caller or a provider wrote shows no secret, moves no cursor and begins no line."""
    return {
        name: escaped(masked_field(name, value), keep="\n" if name == "exception" else "")
        for name, value in event.items()
    }


def escaped(value: Any, keep: str = "") -> Any:
    """The value with its controls, its bidirectional marks and the like written out."""
    if not isinstance(value, str):
        return [escaped(item) for item in value] if isinstance(value, list) else value
    if value.isprintable():
        return value
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode()
        for sign in value
    )


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
def call_log(facts: Mapping[str, Any], receipt: list[Attempt]) -> Generator[CallLine]:
    """Writes one line when the block ends, however it ends."""
    line = CallLine()
    began = time.perf_counter()
    try:
        yield line
    except AccessError as error:
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
