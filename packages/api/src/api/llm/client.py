"""The service helper: every call of this solution to a model goes through here.

A call without a project and a solution cannot be written: both are required, by keyword, and of
a type of their own.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing
from dataclasses import dataclass
from typing import Any

from api.gateway.attribution import Attribution, Solution
from api.gateway.chat_client import ChatClient, Message
from api.llm.answer import Answering, answering
from api.llm.attempts import Bounds
from api.llm.breakers import Breakers
from api.llm.call import Call, alias_of
from api.llm.observers import CallObserver
from api.llm.retry_policy import in_order
from api.schemas import Completion, Done, Meta
from api.settings import Settings
from chassis.http.client_body import loop_time
from chassis.project_id import ProjectId
from chassis.trace_context import Trace


@dataclass(frozen=True, slots=True)
class Deltas:
    """Pieces of the answer's text that came together; none of them says that the model is on."""

    texts: list[str]


StreamEvent = Meta | Deltas | Done


class Llm:
    """Calls to models, on a project's account, within a deadline.

    Args:
        lane: how one attempt is made.
        settings: the default and fallback models, the floor of thinking models, the deadline.
        gateway_is_ready: asks the gateway, and no model, whether it is there.
        watchers: are told of each call.
    """

    def __init__(
        self,
        lane: ChatClient,
        settings: Settings,
        gateway_is_ready: Callable[[], Awaitable[bool]],
        watchers: Sequence[CallObserver] = (),
    ) -> None:
        self._lane = lane
        self._settings = settings
        self.bounds = Bounds(loop_time, Breakers(loop_time), gateway_is_ready)
        """What all calls share."""
        self._watchers = watchers
        self._wants_text = any(watcher.wants_text for watcher in watchers)
        self._default = alias_of(settings.llm_default_model)
        self._fallbacks = [alias_of(model) for model in settings.llm_fallback_models]

    async def complete(
        self,
        prompt: str | Sequence[Message],
        *,
        project_id: ProjectId,
        solution: Solution,
        model: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        trace: Trace | None = None,
    ) -> Completion:
        """One whole answer.

        Args:
            prompt: the user's text, or the messages of a conversation.
            project_id: on whose account.
            solution: who calls.
            model: `openai/<alias>` or `<alias>`; the default model when not given.
            max_tokens: bound of the answer in tokens; a thinking model gets at least its floor.
            temperature: 0 to 2; the model's own when not given.
            session_id: groups calls in Langfuse.
            user_id: for whom, in Langfuse; the caller's, where it is known.
            trace: the request's place in a trace; a new one when not given.

        Raises:
            GatewayError: no attempt was answered; its receipt is in `extra["attempts"]`.
            ValueError: `project_id` or `solution` is not a safe name.
        """
        question = self._question(
            prompt, project_id, solution, model, max_tokens, temperature, session_id, user_id, trace
        )
        with self._answering(question, streams=False) as under_way:
            async for attempt in under_way.attempts:
                with attempt:
                    call = under_way.call(attempt)
                    reply = await self._lane.complete(call)
                    has_text = bool(reply.text.strip())
                    if self._wants_text:
                        attempt.seen.text.append(reply.text)
                    done = under_way.answered(attempt, call, reply.ending, has_text=has_text)
                    if done is not None:
                        return Completion(text=reply.text, **done).proven_by(under_way.ending)
            return Completion(text="", **under_way.as_it_is()).proven_by(under_way.ending)

    async def stream(
        self,
        prompt: str | Sequence[Message],
        *,
        project_id: ProjectId,
        solution: Solution,
        model: str | None = None,
        max_tokens: int = 1024,
        temperature: float | None = None,
        session_id: str | None = None,
        user_id: str | None = None,
        trace: Trace | None = None,
    ) -> AsyncGenerator[StreamEvent]:
        """The answer as it comes: `Meta` at once, `Deltas` a network read each, `Done` at the end.

        The first `Deltas`, perhaps empty, says that the gateway began to answer. Close the
        generator to end the gateway call. Arguments and errors as for `complete`; an error after
        the first text is `StreamInterrupted` or `GatewayTimeout`, and nothing is tried again.
        """
        question = self._question(
            prompt, project_id, solution, model, max_tokens, temperature, session_id, user_id, trace
        )
        with self._answering(question, streams=True) as under_way:
            yield Meta(**question.facts())
            async for attempt in under_way.attempts:
                with attempt:
                    call = under_way.call(attempt)
                    has_text = False
                    done: dict[str, Any] | None = None
                    async with aclosing(self._lane.stream(call)) as reads:
                        async for read in reads:
                            if read.texts:
                                attempt.begins_to_answer()
                                attempt.seen.pieces += len(read.texts)
                                if self._wants_text:
                                    attempt.seen.text += read.texts
                                has_text = has_text or any(map(str.strip, read.texts))
                            yield Deltas(read.texts)
                            if read.ending is not None:
                                done = under_way.answered(
                                    attempt, call, read.ending, has_text=has_text
                                )
                                if done is not None:
                                    yield Done(**done)
                    if done is not None:
                        return
            yield Done(**under_way.as_it_is())

    def _answering(self, question: Call, *, streams: bool) -> AbstractContextManager[Answering]:
        return answering(question, self.bounds, self._settings, self._watchers, streams=streams)

    def _question(
        self,
        prompt: str | Sequence[Message],
        project_id: str,
        solution: str,
        model: str | None,
        max_tokens: int,
        temperature: float | None,
        session_id: str | None,
        user_id: str | None,
        trace: Trace | None,
    ) -> Call:
        trace = trace or Trace()
        requested = alias_of(model) if model else self._default
        return Call(
            models=in_order(requested, self._fallbacks),
            messages=[Message(role="user", content=prompt)] if isinstance(prompt, str) else prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            attribution=Attribution(
                ProjectId(project_id),
                Solution(solution),
                trace.trace_id,
                session_id,
                user_id,
                self._settings.records_generations,
            ),
            trace=trace,
            deadline=loop_time() + self._settings.llm_timeout_seconds,
        )
