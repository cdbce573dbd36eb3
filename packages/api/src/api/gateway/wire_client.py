"""Lane 1, the default: one attempt on the OpenAI wire. Bytes in, one parse, one read handed on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from functools import partial
from typing import Any

import aiohttp
import msgspec

from api.gateway.chat_client import ChatAnswer, ChatRead, ChatRequest
from api.gateway.chat_format import decode_reply, gateway_fields, request_fields
from api.gateway.peer import Gateway
from api.gateway.stream_reader import reads_of_bytes
from chassis.http.client_body import next_read, read_whole

PATH = "/chat/completions"
DRAIN_SECONDS = 0.05


class WireClient:
    """The lane that speaks to the gateway itself."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def complete(self, call: ChatRequest) -> ChatAnswer:
        """See `ChatClient.complete`."""
        async with self._request(call, encode(call)) as response:
            return decode_reply(await read_whole(response, call.deadline), response.headers)

    async def stream(self, call: ChatRequest) -> AsyncGenerator[ChatRead]:
        """See `ChatClient.stream`."""
        body = encode(call, stream=True, stream_options={"include_usage": True})
        async with self._request(call, body) as response:
            next_of = partial(next_read, response)
            async with aclosing(reads_of_bytes(next_of, response.headers, call.deadline)) as reads:
                async for read in reads:
                    yield read
            await drain(response)

    def _request(
        self, call: ChatRequest, body: bytes
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._gateway.request(
            "POST", PATH, deadline=call.deadline, body=body, traceparent=call.traceparent
        )


async def drain(response: aiohttp.ClientResponse) -> None:
    """Reads to the end of a stream that is over, so that its connection can be used again."""
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while await response.content.readany():
                pass


def encode(call: ChatRequest, **more: Any) -> bytes:
    """The body of the request, with the bare alias."""
    return msgspec.json.encode(
        {"model": call.alias} | gateway_fields(call) | request_fields(call) | more
    )
