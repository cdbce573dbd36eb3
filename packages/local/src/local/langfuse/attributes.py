"""What the attributes of a span say, in the several ways in which it can be said."""

import json
import math
from datetime import UTC, datetime
from typing import Any

from local.langfuse.otlp import Attributes


def first(said: Attributes, *names: str) -> Any:
    return next((said[name] for name in names if said.get(name) is not None), None)


def text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def parsed(value: Any) -> Any:
    """A string that is JSON as what it says, without a NaN; anything else as it is."""
    try:
        return json.loads(value, parse_constant=str) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def mapping(value: Any) -> Attributes:
    found = parsed(value)
    return found if isinstance(found, dict) else {}


def keyed(said: Attributes, prefix: str) -> Attributes:
    """What is said under this name, as JSON, and under `name.key`, one by one."""
    begin = f"{prefix}."
    return mapping(said.get(prefix)) | {
        name.removeprefix(begin): parsed(value)
        for name, value in said.items()
        if name.startswith(begin)
    }


def numbers(said: Attributes) -> dict[str, float]:
    """Those that count something; what is below 0, or no number at all, does not."""
    return {
        name: value
        for name, value in said.items()
        if isinstance(value, int | float) and math.isfinite(value) and value >= 0
    }


def names(value: Any) -> list[str]:
    """A list, a list as JSON, or names with commas between them."""
    found = parsed(value)
    if isinstance(found, str):
        found = [part.strip() for part in found.split(",")]
    if not isinstance(found, list):
        return []
    return [name for name in found if isinstance(name, str) and name]


def moment(nanoseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, UTC)


def said_moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(parsed(value))
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
