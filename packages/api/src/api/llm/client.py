"""The service helper: every call of this solution to a model goes through here.

A call without a project and a solution cannot be written: both are required, by keyword, and of
a type of their own.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Unpack

from api.gateway.attribution import Attribution, Solution
from api.gateway.chat_client import ChatClient, ChatRead, ChatRequest, Ending
from api.llm.attempts import Attempts
from api.llm.call import Call, alias_of
from api.llm.observers import CallLog, CallObserver, CallRecord, recorded
from api.llm.overload import Breakers, Overload
from api.llm.retry_policy import in_order
from api.llm.settings import LlmSettings
from api.llm.thinking import ThinkingModels, together, with_more_room
from api.schemas import DEFAULT_MAX_TOKENS, Completion, CompletionOptions, Done, Message, Meta
from chassis.http.client_body import loop_time
from chassis.project_id import ProjectId
from chassis.trace_context import Trace


@dataclass(frozen=True, slots=True)
class Deltas:
    """Pieces of the answer's text that came together; none of them says that the model is on."""

    texts: list[str]


StreamEvent = Meta | Deltas | Done
Prompt = str | Sequence[Message]


class Llm:
    """Calls to models, on a project's account, within a deadline.

    Args:
        client: makes one attempt.
        settings: the default and fallback models, the floor of thinking models, the deadline.
        gateway_is_ready: asks the gateway, and no model, whether it is there.
        observers: are told of each call, after the log.
    """

    def __init__(
        self,
        client: ChatClient,
        settings: LlmSettings,
        gateway_is_ready: Callable[[], Awaitable[bool]],
        observers: Sequence[CallObserver] = (),
    ) -> None:
        self._client = client
        self._settings = settings
        self._observers = [CallLog(), *observers]
        self._wants_text = any(observer.wants_text for observer in observers)
        self._default = alias_of(settings.llm_default_model)
        self._fallbacks = [alias_of(model) for model in settings.llm_fallback_models]
        self._thinking = ThinkingModels(
            settings.thinking_aliases,
            settings.llm_min_tokens_thinking,
            repairs=settings.llm_repair_empty_answers,
        )
        self.records_generations = False
        """Whether the service records the generations in Langfuse, and not the gateway."""
        self.overload = Overload(loop_time, Breakers(loop_time), gateway_is_ready)

    async def complete(
        self,
        prompt: Prompt,
        *,
        project_id: ProjectId,
        solution: Solution,
        user_id: str | None = None,
        trace: Trace | None = None,
        **options: Unpack[CompletionOptions],
    ) -> Completion:
        """One whole answer.

        Args:
            prompt: the user's text, or the messages of a conversation.
            project_id: on whose account.
            solution: who calls.
            user_id: for whom, in Langfuse; the caller's, where it is known.
            trace: the request's place in a trace; a new one when not given.
            options: see `CompletionOptions`.

        Raises:
            GatewayError: no attempt was answered; all of them are in `extra["attempts"]`.
            ValueError: `project_id` or `solution` is not a safe name.
        """
        call = self.call(prompt, project_id, solution, user_id, trace, options, streams=False)
        return (await self.answer(call))[0]

    async def answer(self, call: Call) -> tuple[Completion, CallRecord]:
        """The answer to this call, and what else is known of it. Errors as for `complete`."""
        record = CallRecord(call)
        texts: list[str] = []
        async with aclosing(self._events(record)) as events:
            async for event in events:
                if isinstance(event, Deltas):
                    texts += event.texts
        return Completion(text="".join(texts), **record.done()), record

    def stream(
        self,
        prompt: Prompt,
        *,
        project_id: ProjectId,
        solution: Solution,
        user_id: str | None = None,
        trace: Trace | None = None,
        **options: Unpack[CompletionOptions],
    ) -> AsyncGenerator[StreamEvent]:
        """The answer as it comes: `Meta` at once, `Deltas` a network read each, `Done` at the end.

        The first `Deltas`, perhaps empty, says that the gateway began to answer. Close the
        generator to end the gateway call. Arguments and errors as for `complete`; an error after
        the first text is `StreamInterrupted` or `GatewayTimeout`, and nothing is tried again.
        """
        call = self.call(prompt, project_id, solution, user_id, trace, options, streams=True)
        return self.events(call)

    def events(self, call: Call) -> AsyncGenerator[StreamEvent]:
        """The events of a call that streams; see `stream`."""
        return self._events(CallRecord(call))

    async def _events(self, record: CallRecord) -> AsyncGenerator[StreamEvent]:
        """The way of every call: attempt after attempt, until one is answered.

        Of a call that does not stream the text comes in one `Deltas`, when it is whole.
        """
        call, overload = record.call, self.overload
        empty: tuple[ChatRequest, Ending] | None = None
        with (
            recorded(record, self._observers),
            overload.budget.call(),
            Attempts(
                call.models, call.deadline, overload, record.attempts, call.max_calls
            ) as attempts,
        ):
            if call.streams:
                yield Meta(**call.facts())
            async for attempt in attempts:
                with attempts.making(attempt):
                    if empty is None:
                        request = call.request(
                            attempt.model,
                            max_tokens=self._thinking.max_tokens(attempt.model, call.max_tokens),
                            gateway_falls_back=attempt.gateway_falls_back,
                        )
                    else:
                        request = with_more_room(empty[0])
                    attempt.request = request
                    has_text = is_answered = False
                    reading = self._client.stream if call.streams else self._whole
                    async with aclosing(reading(request)) as reads:
                        async for read in reads:
                            has_text = has_text or any(map(str.strip, read.texts))
                            if self._wants_text:
                                attempt.text += read.texts
                            if call.streams:
                                if read.texts:
                                    attempts.answer_begins(attempt)
                                    attempt.pieces += len(read.texts)
                                yield Deltas(read.texts)
                            if (ending := read.ending) is None:
                                continue
                            attempt.ending = ending
                            if empty is not None:
                                ending = together(empty[1], ending)
                            elif (
                                not has_text
                                and attempts.can_repair
                                and self._thinking.would_repair(request, ending)
                            ):
                                empty = request, ending
                                attempts.repair(attempt)
                                continue
                            record.answered(request, ending, has_text=has_text)
                            attempts.answered(
                                attempt, "ok" if record.outcome != "empty" else "empty"
                            )
                            is_answered = True
                            yield Done(**record.done()) if call.streams else Deltas(read.texts)
                    if is_answered:
                        return
            assert empty is not None, "the attempts end with an error otherwise"  # noqa: S101
            record.answered(*empty, has_text=False)
            if call.streams:
                yield Done(**record.done())

    async def _whole(self, request: ChatRequest) -> AsyncGenerator[ChatRead]:
        answer = await self._client.complete(request)
        yield ChatRead([answer.text], answer.ending)

    def call(
        self,
        prompt: Prompt,
        project_id: str,
        solution: str,
        user_id: str | None,
        trace: Trace | None,
        options: CompletionOptions,
        *,
        streams: bool,
    ) -> Call:
        """One call, not yet made. Arguments and errors as for `complete`."""
        trace = trace or Trace()
        model = options.get("model")
        return Call(
            models=in_order(alias_of(model) if model else self._default, self._fallbacks),
            messages=[Message(role="user", content=prompt)] if isinstance(prompt, str) else prompt,
            options=options,
            max_tokens=options.get("max_tokens") or DEFAULT_MAX_TOKENS,
            attribution=Attribution(
                ProjectId(project_id),
                Solution(solution),
                trace.trace_id,
                options.get("session_id"),
                user_id,
                self.records_generations,
            ),
            trace=trace,
            deadline=loop_time() + self._settings.llm_timeout_seconds,
            streams=streams,
        )
