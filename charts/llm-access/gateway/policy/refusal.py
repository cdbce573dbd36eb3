"""What the policy refuses: a call, with what its caller is told, or its own start."""

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


class PolicyError(Exception):
    """The policy cannot be had as it is written. The message has a line for each mistake."""
