"""Lane 1, the default: one attempt on the OpenAI wire. Bytes in, one parse, one read handed on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any

import aiohttp
import msgspec

from api.chat_format import StreamDecoder, decode_reply, request_fields
from api.gateway import Gateway, read_whole, until
from api.lane import Call, Read, Reply

PATH = "/chat/completions"
DRAIN_SECONDS = 0.05


class WireLane:
    """The lane that speaks to the gateway itself."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def warm_up(self) -> None:
        """Nothing to load."""

    async def complete(self, call: Call) -> Reply:
        """See `Lane.complete`."""
        async with self._request(call, encode(call)) as response:
            async with until(call.deadline):
                body = await read_whole(response)
            return decode_reply(body, response.headers)

    async def stream(self, call: Call) -> AsyncGenerator[Read]:
        """See `Lane.stream`."""
        body = encode(call, stream=True, stream_options={"include_usage": True})
        async with self._request(call, body) as response:
            decoder = StreamDecoder(response.headers)
            while True:
                async with until(call.deadline):
                    read = await response.content.readany()
                brought = decoder.feed(read) if read else Read([], decoder.ending())
                if brought is not None:
                    yield brought
                    if brought.ending is not None:
                        break
            await drain(response)

    def _request(
        self, call: Call, body: bytes
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


def encode(call: Call, **more: Any) -> bytes:
    """The body of the request: the bare alias, and metadata made for this request alone."""
    return msgspec.json.encode(
        {"model": call.alias, "metadata": call.attribution.metadata()} | request_fields(call) | more
    )
