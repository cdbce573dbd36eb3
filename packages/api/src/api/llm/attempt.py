"""The one record of an attempt: the caller, the log, metrics and spans all read this."""

from dataclasses import dataclass, field

from api.errors import GatewayError
from api.gateway.chat_client import ChatRequest, Ending
from api.schemas import AttemptReport
from chassis.errors import CLIENT_CLOSED_REQUEST

SKIPPED = "skipped"


@dataclass(slots=True)
class Attempt:
    """One attempt at the gateway; times are in seconds, `began` and after since the call began.

    Attributes:
        wait: before it.
        spends_budget: whether it is a retry that the retry budget counts.
        gateway_falls_back: whether the gateway may ask both providers of the alias.
        request: what was asked; None for a model that was skipped, because it failed so often.
        outcome: `ok`, `empty`, `skipped`, `cancelled`, or the code of the error.
        reason: why it failed, for the operator; may hold a gateway's words.
        remedy: what the operator does about that.
        error: what it failed with, for the policy; None when the call is over, for an exception
            keeps the frames that it came through, and those the request.
        ending: how the answer ended, where there is one.
        first_text: when its first text came; of a stream alone.
        pieces: of text that came, about as many as tokens; of a stream alone.
        text: what came, where an observer wants it.
    """

    model: str
    wait: float = 0.0
    spends_budget: bool = False
    gateway_falls_back: bool = True
    request: ChatRequest | None = None
    began: float = 0.0
    ended: float = 0.0
    outcome: str = "cancelled"
    status: int = CLIENT_CLOSED_REQUEST
    reason: str = ""
    remedy: str = ""
    error: GatewayError | None = None
    ending: Ending | None = None
    first_text: float | None = None
    pieces: int = 0
    text: list[str] = field(default_factory=list)

    @property
    def upstream_calls(self) -> int:
        """How many calls to providers it took, as the gateway says; none where it was skipped."""
        if self.outcome == SKIPPED:
            return 0
        if self.ending is not None:
            return self.ending.upstream_calls
        return 1 if self.error is None else self.error.upstream_calls

    @property
    def line(self) -> str:
        """The attempt in the log, with the reason that the caller does not get."""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.model}:{self.outcome}{reason}"

    def report(self) -> AttemptReport:
        """The attempt as the caller is told of it."""
        return AttemptReport(
            model=self.model,
            outcome=self.outcome,
            status=self.status,
            wait_ms=round(self.wait * 1000),
            duration_ms=round(max(0.0, self.ended - self.began) * 1000),
        )
