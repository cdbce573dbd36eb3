"""One line for each call, on stdout: what came of it. Never a prompt, an answer or a key."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import msgspec
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import Processor

from chassis.redaction import masked_field

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
