"""What tells whether two requests mean the same call, so that it is paid for once."""

import hashlib
from dataclasses import dataclass, field

from api.errors import IdempotencyKeyReused
from api.schemas import CompletionRequest
from chassis.identity.callers import Caller
from chassis.project_id import ProjectId


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

    def must_have_body(self, before: str) -> None:
        """
        Args:
            before: the digest of the body of the call which had the same name.

        Raises:
            IdempotencyKeyReused: the call of this name has another body.
        """
        if self.body != before:
            raise IdempotencyKeyReused


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


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
