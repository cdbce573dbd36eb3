"""The header `Idempotency-Key`: the client's own name for a call."""

import re
from typing import Any

from starlette.requests import Request

from api.schemas import IDEMPOTENCY_KEY
from chassis.errors import InvalidRequest

HEADER = "Idempotency-Key"
KEY = re.compile(IDEMPOTENCY_KEY)
IN_OPENAPI: dict[str, Any] = {
    "in": "header",
    "name": HEADER,
    "description": "The client's own name for this call, which is then made and paid for once",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


def idempotency_key(request: Request, in_query: str | None = None) -> str | None:
    """The client's `Idempotency-Key`, if it gives one.

    Args:
        in_query: what stands for the header where that cannot be sent, already checked; both must
            agree.

    Raises:
        InvalidRequest: it is given more than once, or is not 1 to 255 visible ASCII characters.
    """
    values = request.headers.getlist(HEADER)
    if not values:
        return in_query
    if len(values) == 1 and KEY.fullmatch(values[0]) and in_query in (None, values[0]):
        return values[0]
    message = "must be given once, as 1 to 255 visible ASCII characters"
    invalid = InvalidRequest(f"{HEADER} {message}")
    invalid.extra["errors"] = [{"loc": ["header", HEADER], "msg": message, "type": "value_error"}]
    raise invalid
