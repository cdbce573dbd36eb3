"""The self-test's one call, streamed: answered at all, piece by piece, booked on the project."""

from collections.abc import AsyncGenerator
from dataclasses import replace

from api import self_test
from api.doctor.checks import Checks, Context, Evidence, Finding, skipped
from api.errors import GatewayError, GatewayTimeout
from api.gateway.wire_client import WireClient
from api.llm.client import Llm
from api.llm.observers import CallRecord
from api.schemas import CompletionOptions
from chassis.http.client_body import loop_time

CALL_SECONDS = 10.0
MAX_TOKENS = 24
PROMPT = "Count from one to twelve, in words."
JUDGED_PIECES = 5
"""Of fewer it cannot be said whether they came together."""
TOGETHER_SECONDS_A_PIECE = 0.001
QUICK_SECONDS = 0.25
"""A whole answer in less may come at once though nothing holds it back."""
LOST = "attribution_missing"
GIVE_ROOM = "look at LLM_THINKING_MODELS and LLM_MIN_TOKENS_THINKING, or ask another model"
HELD_UP = "turn buffering off in the proxy before the gateway (nginx: proxy_buffering off)"
MISBOOKED = "look for a proxy that changes bodies, and in the gateway at PROJECT_KEYS_FILE"


class Kept(list[CallRecord]):
    """A `CallObserver` that keeps what it is told."""

    wants_text: bool = False

    def ended(self, record: CallRecord) -> None:
        self.append(record)


async def checks(at: Context) -> AsyncGenerator[Finding]:
    at.need("default_model")
    if not at.spend or at.is_local:
        raise skipped("the default model is local" if at.spend else "--no-spend: no call is made")
    kept = Kept()
    llm = Llm(WireClient(at.gateway), at.settings, at.gateway.is_ready, [kept])
    solution, options = at.settings.solution, CompletionOptions(max_tokens=MAX_TOKENS)
    call = llm.call(PROMPT, at.project, solution, None, None, options, streams=True)
    error = None
    try:
        await llm.answer(replace(call, max_calls=1, deadline=loop_time() + CALL_SECONDS))
    except GatewayError as failure:
        error = failure
    yield answered(kept[0], error)
    yield piece_by_piece(kept[0])
    yield await booked(kept[0])


def answered(record: CallRecord, error: GatewayError | None) -> Finding:
    attempt, model = record.attempts[-1], record.call.models[0]
    if error is None:
        check = self_test.answered(record)
        if check.ok:
            return arrived(record).ok(f"{model} answers: {check.detail}.")
        return Evidence(f"{model}: {check.detail}").failed("The answer is empty.", GIVE_ROOM)
    known = Evidence(f"{model}: {error.reason}")
    if LOST in error.reason:
        return known.unknown("The gateway refused the call before any model saw it.")
    if isinstance(error, GatewayTimeout) and attempt.pieces:
        return arrived(record).unknown(f"{model} is slow: not whole in {CALL_SECONDS:g} s.")
    step = next(check.check for check in self_test.checks_of_failure(error) if check.ok is False)
    return known.failed(f"The call failed, not {step}: {error.code}.", error.remedy)


def arrived(record: CallRecord) -> Evidence:
    attempt = record.attempts[-1]
    first = f"the first after {attempt.first_text or 0:.2f} s"
    return Evidence(f"{attempt.pieces} pieces, {first}, the last after {attempt.ended:.2f} s")


def piece_by_piece(record: CallRecord) -> Finding:
    attempt, known = record.attempts[-1], arrived(record)
    if (first := attempt.first_text) is None:
        return Finding("skipped", "no answer was streamed")
    if attempt.pieces < JUDGED_PIECES:
        return known.unknown("The pieces are too few to tell whether a stream is held up.")
    if attempt.ended - first >= attempt.pieces * TOGETHER_SECONDS_A_PIECE:
        return known.ok("A stream comes piece by piece.")
    if first < QUICK_SECONDS:
        return known.unknown("The answer was too quick to tell whether a stream is held up.")
    return known.failed("A stream comes all at once: something on the way holds it up.", HELD_UP)


async def booked(record: CallRecord) -> Finding:
    if LOST in (reason := record.attempts[-1].reason):
        return Evidence(reason).failed("The call's metadata is lost on the way.", MISBOOKED)
    if record.ending is None:
        return Finding("skipped", "there is no whole answer that could say so")
    check = await self_test.attributed(record, None)
    known = Evidence(f"asked for {record.call.attribution.project_id}: {check.detail}")
    what = f"{check.detail[0].upper()}{check.detail[1:]}."
    if check.ok is False:
        return known.failed(what, MISBOOKED)
    return known.ok(what) if check.ok else known.unknown(what)


CHECKS = Checks(["call", "streaming", "attribution"], checks)
