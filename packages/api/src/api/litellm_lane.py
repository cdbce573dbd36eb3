"""Lane 2 (`LLM_CLIENT=litellm`): one attempt through `litellm.acompletion`, as the seed shows it.

The only importer of litellm, and that off the start path. What keeps it honest:

1. `max_retries=0`: litellm would retry on its own, and several times over.
2. Metadata goes in `extra_body`, in a fresh object: `metadata=` never leaves the process.
3. Streams are read as bytes under litellm's wrapper, which costs many times as much for a chunk
   and invents a `finish_reason` when a stream is cut. A test holds the pinned version to it.
"""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from functools import cache
from typing import Any

import httpx

from api.chat_format import request_fields
from api.gateway import CONNECT_SECONDS, until
from api.gateway_key import GatewayKey
from api.lane import Call, Read, Reply
from api.litellm_answers import (
    ending_of_objects,
    raw_response,
    reads_of_bytes,
    reads_of_chunks,
)
from api.litellm_errors import error_of_exception


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
        async with self._our_errors(call.deadline):
            response = await self._ask(call)
            choice = response.choices[0]
            headers = getattr(response, "_response_headers", None) or {}
            ending = ending_of_objects(
                choice.finish_reason, getattr(response, "usage", None), headers
            )
        return Reply(choice.message.content or "", ending)

    async def stream(self, call: Call) -> AsyncGenerator[Read]:
        """See `Lane.stream`."""
        async with self._our_errors(call.deadline):
            wrapper = await self._ask(call, stream=True, stream_options={"include_usage": True})
        async with aclosing(wrapper):
            raw = raw_response(wrapper)
            reads = reads_of_chunks(wrapper) if raw is None else reads_of_bytes(raw)
            async with aclosing(reads):
                ended = False
                while not ended:
                    async with self._our_errors(call.deadline):
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

    @asynccontextmanager
    async def _our_errors(self, deadline: float) -> AsyncGenerator[None]:
        """Bounds the block by the deadline; whatever litellm raises becomes one of our errors."""
        used = self._key.current() if self._key else ""
        try:
            async with until(deadline):
                yield
        except Exception as error:  # noqa: BLE001 -- litellm raises a bare Exception too
            ours = error_of_exception(error)
            raise (self._key.judge(ours, used) if self._key else ours) from None
