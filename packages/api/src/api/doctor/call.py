"""The one tiny call, streamed: answered at all, piece by piece, and booked on the project."""

from contextlib import aclosing
from dataclasses import dataclass, field

from api.doctor.findings import Check, Finding, failed, ok, skipped, unknown
from api.doctor.models import ModelChecks
from api.doctor.place import Place
from api.errors import GatewayError, GatewayTimeout
from api.gateway.attribution import Attribution
from api.gateway.chat_client import ChatRequest, Ending
from api.gateway.peer import Gateway
from api.gateway.wire_client import WireClient
from api.settings import Settings
from chassis.http.client_body import loop_time
from chassis.project_id import ProjectId
from chassis.trace_context import Trace

CALL_SECONDS = 10.0
MAX_TOKENS = 24
PROMPT = "Count from one to twelve, in words."
JUDGED_PIECES = 5
"""Of fewer it cannot be said whether they came together."""
TOGETHER_SECONDS_A_PIECE = 0.001
QUICK_SECONDS = 0.25
"""A whole answer in less may come at once though nothing holds it back."""
NO_SPEND = "--no-spend: no call is made"


@dataclass
class Arrived:
    """When, in seconds from the start, each read with text came, and how many pieces they held."""

    reads: list[float] = field(default_factory=list)
    pieces: int = 0
    ending: Ending | None = None

    @property
    def how(self) -> str:
        first, last = (self.reads[0], self.reads[-1]) if self.reads else (0.0, 0.0)
        return (
            f"{self.pieces} pieces in {len(self.reads)} reads, the first after {first:.2f} s, "
            f"the last after {last:.2f} s"
        )


class CallChecks:
    """
    Attributes:
        calls: how many were made.
    """

    def __init__(
        self,
        settings: Settings,
        gateway: Gateway,
        models: ModelChecks,
        place: Place,
        project: ProjectId,
        *,
        spend: bool,
    ) -> None:
        self._settings = settings
        self._lane = WireClient(gateway)
        self._models = models
        self._place = place
        self._project = project
        self._spend = spend
        self._arrived = Arrived()
        self._error: GatewayError | None = None
        self.calls = 0

    def checks(self) -> list[Check]:
        return [
            Check("call", self.answered, ["default_model"], seconds=CALL_SECONDS + 1),
            Check("streaming", self.piece_by_piece, ["call"]),
            Check("attribution", self.booked, ["call"]),
        ]

    async def answered(self) -> Finding:
        if not self._spend or self._models.goes_round_the_gateway:
            return skipped(NO_SPEND if not self._spend else "the default model is local")
        asked = f"{self._models.default}, at most {self._max_tokens} tokens"
        try:
            await self._ask()
        except GatewayError as error:
            self._error = error
            how = f"{asked}: {error.reason}"
            if self._was_without_attribution:
                return unknown("The gateway refused the call before any model saw it.", how)
            if isinstance(error, GatewayTimeout) and self._arrived.pieces:
                return unknown(
                    f"{self._models.default} answers, but slowly: not whole in {CALL_SECONDS:g} s.",
                    f"{asked}: {self._arrived.how}",
                )
            return failed(f"The call failed: {error.code}.", how, error.remedy)
        if not self._arrived.pieces:
            return self._empty(asked)
        by = (self._arrived.ending and self._arrived.ending.answered_by) or "not said by whom"
        return ok(f"{self._models.default} answers ({by}).", f"{asked}: {self._arrived.how}")

    def _empty(self, asked: str) -> Finding:
        ending = self._arrived.ending
        thought = ending.usage.reasoning_tokens if ending and ending.usage else 0
        how = f"{asked}: finish_reason {ending and ending.finish_reason}, {thought} for thinking"
        if not thought:
            return failed("The answer is empty.", how, "ask for another LLM_DEFAULT_MODEL")
        known = self._settings.thinking_aliases
        if self._models.default in known:
            mend = self._place.set_variable("LLM_MIN_TOKENS_THINKING", "1024")
        else:
            names = ",".join(sorted(known | {self._models.default}))
            mend = self._place.set_variable("LLM_THINKING_MODELS", names)
        return failed("The answer is empty: thinking used up all tokens.", how, mend)

    @property
    def _was_without_attribution(self) -> bool:
        return self._error is not None and "attribution_missing" in self._error.reason

    @property
    def _max_tokens(self) -> int:
        thinks = self._models.default in self._settings.thinking_aliases
        return max(MAX_TOKENS, self._settings.llm_min_tokens_thinking if thinks else 0)

    async def _ask(self) -> None:
        trace, began = Trace(), loop_time()
        call = ChatRequest(
            alias=self._models.default,
            messages=[{"role": "user", "content": PROMPT}],
            options={},
            max_tokens=self._max_tokens,
            attribution=Attribution(self._project, self._settings.solution, trace.trace_id),
            traceparent=trace.traceparent,
            deadline=began + CALL_SECONDS,
            gateway_falls_back=False,
        )
        self.calls += 1
        async with aclosing(self._lane.stream(call)) as reads:
            async for read in reads:
                if read.texts:
                    self._arrived.reads.append(loop_time() - began)
                    self._arrived.pieces += len(read.texts)
                self._arrived.ending = read.ending

    async def piece_by_piece(self) -> Finding:
        if (reads := self._arrived.reads) == []:
            return skipped("no answer was streamed")
        pieces, how = self._arrived.pieces, self._arrived.how
        if pieces < JUDGED_PIECES:
            return unknown(f"{pieces} pieces are too few to tell whether a stream is held up.", how)
        at_once = reads[-1] - reads[0] < pieces * TOGETHER_SECONDS_A_PIECE
        if not at_once:
            return ok("A stream comes piece by piece.", how)
        if reads[0] < QUICK_SECONDS:
            return unknown("The answer was too quick to tell whether a stream is held up.", how)
        return failed(
            "A stream comes all at once: something on the way to the gateway holds it up.",
            how,
            "turn buffering off in the proxy between here and LLM_GATEWAY_URL (nginx: "
            "proxy_buffering off), or ask the gateway without it",
        )

    async def booked(self) -> Finding:
        ending = self._arrived.ending
        mend = (
            "look for a proxy before the gateway that changes bodies, and in the gateway at "
            "PROJECT_KEYS_FILE: a project's own key speaks for that project alone"
        )
        if self._error is not None and self._was_without_attribution:
            return failed("The call's metadata is lost on the way.", self._error.reason, mend)
        if ending is None:
            return skipped("there is no whole answer that could say so")
        how = f"asked for {self._project}, the gateway's answer says {ending.booked_on}"
        if ending.booked_on is None:
            return unknown("This gateway does not say what it books a call on.", how)
        if ending.booked_on != self._project:
            return failed(
                f"The gateway books the call on {ending.booked_on}, not on {self._project}.",
                how,
                mend,
            )
        return ok(f"The gateway books the call on {self._project}.", how)
