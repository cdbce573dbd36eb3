"""What tells whether two requests mean the same call, so that it is paid for once."""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from api.schemas import IDEMPOTENCY_KEY, CompletionRequest
from chassis.errors import InvalidRequest
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId

HEADER = "Idempotency-Key"
KEY = re.compile(IDEMPOTENCY_KEY)
IN_OPENAPI: dict[str, Any] = {
    "in": "header",
    "name": HEADER,
    "description": "The client's own name for this call, which is then made and paid for once",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


@dataclass(frozen=True, slots=True)
class CallKey:
    """One call, for the one who makes it: nobody is given the answer of another.

    Attributes:
        name: the client's own name for the call, or the digest of its body.
        body: the digest of the body, which must be the same each time.
    """

    route: str
    project: ProjectId
    caller: str
    name: str
    body: str = field(compare=False)

    @property
    def digest(self) -> str:
        """All but the body, short and safe."""
        return digest_of("\0".join((self.route, self.project, self.caller, self.name)))


def call_key(
    route: str, project: ProjectId, caller: Caller, body: CompletionRequest, given: str | None
) -> CallKey:
    """
    Args:
        route: what is asked for: a whole answer and a stream are two calls.
        given: the client's `Idempotency-Key`; without one the body is all there is.
    """
    digest = digest_of(body.model_dump_json())
    name = f"body {digest}" if given is None else f"key {given}"
    return CallKey(route, project, caller.key, name, digest)


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


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
