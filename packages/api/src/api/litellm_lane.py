"""Lane 2 (`LLM_CLIENT=litellm`): one attempt through `litellm.acompletion`, as the seed shows it.

The only importer of litellm, and that off the start path. What keeps it honest:

1. `max_retries=0`: litellm would retry on its own, and several times over.
2. Metadata goes in `extra_body`, in a fresh object: `metadata=` never leaves the process.
3. Streams are read as bytes under litellm's wrapper, which costs thirty times as much for a chunk
   and invents a `finish_reason` when a stream is cut. A test holds the pinned version to it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx

from api.chat_format import (
    ANSWERED_HEADER,
    BOOKED_HEADER,
    COST_HEADER,
    StreamDecoder,
    known_cost,
    request_fields,
)
from api.errors import UpstreamFailed
from api.gateway import CONNECT_SECONDS, until
from api.gateway_key import GatewayKey
from api.lane import Call, Ending, Lane, Read, Reply, TokenUsage
from api.litellm_errors import error_of_exception

LOCAL_PREFIXES = ("ollama/", "ollama_chat/")


@cache
def load_litellm() -> Any:
    """litellm, with its look-ups, its reading of .env files and its advertising off."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    client = BaseOpenAILLM.get_async_http_client()
    client.follow_redirects = False  # a redirect would take the prompt, and the key, elsewhere
    litellm.aclient_session = client
    return litellm


class LiteLlmLane:
    """The lane that leaves the wire to litellm.

    Args:
        timeout: for one call, in seconds; the same for all: litellm keeps a client for each.
        url: the gateway's OpenAI base URL; None calls a local model without the gateway.
        key: the key for the gateway.
    """

    def __init__(
        self, timeout: float, url: str | None = None, key: GatewayKey | None = None
    ) -> None:
        self._timeout = httpx.Timeout(timeout, connect=CONNECT_SECONDS)
        self._warm = False
        self._url = url
        self._key = key

    async def warm_up(self) -> None:
        """Imports litellm in a thread, for it takes seconds."""
        if not self._warm:
            await asyncio.to_thread(load_litellm)
            self._warm = True

    async def complete(self, call: Call) -> Reply:
        """See `Lane.complete`."""
        async with our_errors(call.deadline):
            response = await self._ask(call)
            choice = response.choices[0]
            headers = getattr(response, "_response_headers", None) or {}
            ending = ending_of(choice.finish_reason, getattr(response, "usage", None), headers)
        return Reply(choice.message.content or "", ending)

    async def stream(self, call: Call) -> AsyncGenerator[Read]:
        """See `Lane.stream`."""
        async with our_errors(call.deadline):
            wrapper = await self._ask(call, stream=True, stream_options={"include_usage": True})
        async with aclosing(wrapper):
            raw = raw_response(wrapper)
            reads = reads_of_chunks(wrapper) if raw is None else reads_of_bytes(raw)
            async with aclosing(reads):
                ended = False
                while not ended:
                    async with our_errors(call.deadline):
                        read = await anext(reads)
                    yield read
                    ended = read.ending is not None

    async def _ask(self, call: Call, **more: Any) -> Any:
        await self.warm_up()
        fields: dict[str, Any] = {"model": call.alias}
        if self._url is not None and self._key is not None:
            fields = {
                "model": f"openai/{call.alias}",
                "api_base": self._url,
                "api_key": self._key.current(),
                "extra_body": {"metadata": call.attribution.metadata()},
                "extra_headers": {"traceparent": call.traceparent},
            }
        return await load_litellm().acompletion(
            **fields, **request_fields(call), **more, max_retries=0, timeout=self._timeout
        )


class LocalModels:
    """A lane that lets a local model's prefix go out without the gateway, for work on a laptop.

    Args:
        through_gateway: the lane for every other model.
        timeout: for one call of a local model, in seconds.
    """

    def __init__(self, through_gateway: Lane, timeout: float) -> None:
        self._through_gateway = through_gateway
        self._local = LiteLlmLane(timeout)

    def _lane(self, call: Call) -> Lane:
        return self._local if call.alias.startswith(LOCAL_PREFIXES) else self._through_gateway

    async def warm_up(self) -> None:
        """See `Lane.warm_up`."""
        await self._through_gateway.warm_up()
        await self._local.warm_up()

    async def complete(self, call: Call) -> Reply:
        """See `Lane.complete`."""
        return await self._lane(call).complete(call)

    def stream(self, call: Call) -> AsyncGenerator[Read]:
        """See `Lane.stream`."""
        return self._lane(call).stream(call)


@asynccontextmanager
async def our_errors(deadline: float) -> AsyncGenerator[None]:
    """Bounds the block by the deadline; whatever litellm raises becomes one of our errors."""
    try:
        async with until(deadline):
            yield
    except Exception as error:  # noqa: BLE001 -- litellm raises a bare Exception too
        raise error_of_exception(error) from None


def raw_response(wrapper: Any) -> Any | None:
    """The HTTP response under litellm's stream wrapper; None where there is none to be found."""
    response = getattr(getattr(wrapper, "completion_stream", None), "response", None)
    return response if hasattr(response, "aiter_bytes") else None


async def reads_of_bytes(response: Any) -> AsyncGenerator[Read]:
    """The fast way: the gateway's own bytes, as in the other lane."""
    decoder = StreamDecoder(response.headers)
    async for read in response.aiter_bytes():
        if (brought := decoder.feed(read)) is not None:
            yield brought
            if brought.ending is not None:
                return
    yield Read([], decoder.ending())


async def reads_of_chunks(wrapper: Any) -> AsyncGenerator[Read]:
    """The slow way, for what is not the OpenAI wire: litellm's own chunks."""
    finish_reason, usage = None, None
    async for chunk in wrapper:
        usage = getattr(chunk, "usage", None) or usage
        choices = chunk.choices
        finish_reason = (choices and choices[0].finish_reason) or finish_reason
        text = choices and choices[0].delta.content
        yield Read([text] if text else [])
    yield Read([], ending_of(finish_reason, usage, {}))


def ending_of(finish_reason: str | None, usage: Any, headers: Mapping[str, str]) -> Ending:
    """The ending in litellm's objects.

    Raises:
        UpstreamFailed: nothing says how the answer finished.
    """
    if not finish_reason:
        raise UpstreamFailed("the answer has no finish_reason")
    return Ending(
        finish_reason,
        tokens_of(usage),
        known_cost(headers.get(COST_HEADER)),
        headers.get(BOOKED_HEADER),
        headers.get(ANSWERED_HEADER),
    )


def tokens_of(usage: Any) -> TokenUsage | None:
    """The usage in litellm's object; one of zeros only is what litellm makes of none at all."""
    if usage is None:
        return None
    given, made = usage.prompt_tokens or 0, usage.completion_tokens or 0
    if min(given, made) < 0 or given + made == 0:
        return None
    details = getattr(usage, "completion_tokens_details", None)
    return TokenUsage(given, made, getattr(details, "reasoning_tokens", None) or 0, given + made)
