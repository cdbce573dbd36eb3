"""Lane 2 (`LLM_CLIENT=litellm`): one attempt through `litellm.acompletion`, as the seed shows it.

The only importer of litellm, and that off the start path. What keeps it honest:

1. `max_retries=0`: litellm would retry on its own, and several times over.
2. Metadata goes in `extra_body`, in a fresh object: `metadata=` never leaves the process.
3. Answers are read from the gateway's own bytes: litellm invents a `finish_reason` for one that
   is cut, and its wrapper of a stream costs many times as much for a chunk. A test holds the
   pinned version to it.
4. A name decides for litellm how to call: one of another API than chat completions is refused
   here. It would go to another address, and its failure would look like the gateway's.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cache, lru_cache
from typing import Any

import httpx

from api.errors import GatewayError, ModelNotAllowed
from api.gateway.chat_client import ChatAnswer, ChatRead, ChatRequest
from api.gateway.chat_format import gateway_fields, request_fields
from api.gateway.error_table import counted
from api.gateway.key import GatewayKey
from api.gateway.peer import CONNECT_SECONDS
from api.gateway.stream_reader import reads_of_bytes
from api.litellm_client.answers import next_of, raw_response, reads_of_chunks, reply_of_object
from api.litellm_client.errors import our_errors
from api.litellm_client.http import keeping, tame


@cache
def load_litellm() -> Any:
    """litellm, with its look-ups, its reading of .env files and its advertising off."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm
    from litellm.llms.openai.common_utils import BaseOpenAILLM

    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logging.getLogger(name).handlers.clear()  # each line would be there twice, once in no form
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.aclient_session = BaseOpenAILLM.get_async_http_client()
    tame(litellm.aclient_session)
    return litellm


@lru_cache(maxsize=1024)
def is_chat_model(alias: str) -> bool:
    """Whether litellm would ask it for a chat completion, and not through its Responses API."""
    load_litellm()
    from litellm.main import responses_api_bridge_check

    chosen, _ = responses_api_bridge_check(model=alias, custom_llm_provider="openai")
    return bool(chosen.get("mode") != "responses")


class LitellmClient:
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

    async def complete(self, call: ChatRequest) -> ChatAnswer:
        """See `ChatClient.complete`."""
        with keeping() as kept:
            try:
                answer = await self._ask(call)
            except GatewayError:
                # litellm fails on oddities of an answer that are not worth its loss.
                if (reply := kept.reply()) is None:
                    with counted(kept.headers):
                        raise
                return reply
            return kept.reply() or reply_of_object(answer)

    async def stream(self, call: ChatRequest) -> AsyncGenerator[ChatRead]:
        """See `ChatClient.stream`."""
        wrapper = await self._ask(call, stream=True, stream_options={"include_usage": True})
        async with aclosing(wrapper):
            raw = raw_response(wrapper)
            if raw is None:
                reads = reads_of_chunks(wrapper, call.deadline)
            else:
                reads = reads_of_bytes(next_of(raw.aiter_bytes()), raw.headers, call.deadline)
            async with aclosing(reads):
                with counted(raw.headers if raw is not None else {}):
                    async for read in reads:
                        yield read

    async def _ask(self, call: ChatRequest, **more: Any) -> Any:
        if self._url is None or self._key is None:
            return await self._call(call, more | {"model": call.alias})
        await self.warm_up()
        if not is_chat_model(call.alias):
            raise ModelNotAllowed(
                "litellm would ask it through the Responses API, the wire would not"
            )
        fields = {
            "model": f"openai/{call.alias}",
            "api_base": self._url,
            "extra_body": gateway_fields(call),
            "extra_headers": {"traceparent": call.traceparent},
        }
        with self._key.in_use() as key:
            return await self._call(call, more | fields | {"api_key": key})

    async def _call(self, call: ChatRequest, fields: dict[str, Any]) -> Any:
        async with our_errors(call.deadline):
            await self.warm_up()
            return await load_litellm().acompletion(
                **fields, **request_fields(call), max_retries=0, timeout=self._timeout
            )
