"""A call that the policy does not let pass, and what its caller is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal(Exception):
    """
    Attributes:
        status: of the HTTP answer.
        kind: the `type` of its error object.
        retry_after: whole seconds until the same call may pass, where time helps.
    """

    status: int
    kind: str
    message: str
    retry_after: int | None = None
