"""The gateway as an HTTP peer: where it is, the key it wants, whether it is ready."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from api.errors import GatewayError, GatewayTimeout, GatewayUnavailable, UpstreamFailed
from api.gateway.error_table import NOT_JSON, counted, error_of_body
from api.gateway.key import GatewayKey
from chassis.http.client_body import (
    BodyCut,
    BodyError,
    BodyTooLarge,
    DeadlineOver,
    loop_time,
    read_whole,
    until,
)

CONNECT_SECONDS = 5.0
READINESS_SECONDS = 2.0


class ModelId(msgspec.Struct):
    id: str


class ModelList(msgspec.Struct):
    data: list[ModelId]


class Gateway:
    """One pooled client for everything that goes to the gateway over our own wire.

    aiohttp and not httpx: with 50 connections it takes an eighth of the processor time.
    """

    def __init__(self, url: str, key: GatewayKey) -> None:
        self.url = url
        self.key = key
        self._readiness: asyncio.Task[bool] | None = None
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
            headers={"Accept-Encoding": "identity"},
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._readiness is not None:
            self._readiness.cancel()
            await asyncio.wait({self._readiness})
        await self._session.close()

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        deadline: float,
        body: bytes | None = None,
        traceparent: str | None = None,
        also: Collection[int] = (),
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A request under the gateway's base URL; leaving the block early closes its connection.

        Args:
            deadline: until when, in the loop's time, the headers must have come.
            also: other statuses than 200 that are an answer.

        Raises:
            GatewayError: it could not be made, or was answered with another status than 200.
        """
        headers: dict[str, str] = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if traceparent is not None:
            headers["traceparent"] = traceparent
        with self.key.in_use() as key:
            headers["Authorization"] = f"Bearer {key}"
            try:
                with gateway_errors():
                    async with until(deadline):
                        response = await self._session.request(
                            method,
                            self.url + path,
                            data=body,
                            headers=headers,
                            allow_redirects=False,
                        )
            except (aiohttp.ClientError, OSError) as error:
                raise GatewayUnavailable(f"{type(error).__name__}: {error}"[:300]) from None
            try:
                with counted(response.headers), gateway_errors():
                    if response.status != 200 and response.status not in also:
                        raise await error_of_response(response, deadline)
                    yield response
            finally:
                response.close()

    async def models(self) -> list[str]:
        """The aliases this service's key may use, in the gateway's order.

        Raises:
            GatewayError: the gateway did not say.
        """
        deadline = loop_time() + CONNECT_SECONDS
        async with self.request("GET", "/models", deadline=deadline) as response:
            body = await read_whole(response, deadline)
        try:
            listed = msgspec.json.decode(body, type=ModelList)
        except NOT_JSON as error:
            raise UpstreamFailed(f"not a model list: {error}") from None
        return [model.id for model in listed.data]

    async def is_ready(self) -> bool:
        """Whether LiteLLM's readiness says yes; this asks no model and costs nothing.

        It is asked once for all who want to know at the same time, for a probe has no token.
        """
        if self._readiness is None:
            self._readiness = asyncio.create_task(self._says_ready())
            self._readiness.add_done_callback(self._was_told)
        return await asyncio.shield(self._readiness)

    def _was_told(self, _: "asyncio.Task[bool]") -> None:
        self._readiness = None

    async def _says_ready(self) -> bool:
        root = self.url.removesuffix("/v1")
        try:
            async with (
                asyncio.timeout(READINESS_SECONDS),
                self._session.get(f"{root}/health/readiness", allow_redirects=False) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False


async def error_of_response(response: aiohttp.ClientResponse, deadline: float) -> GatewayError:
    """The error of another status than 200; when its body was cut, the status says enough."""
    try:
        body = await read_whole(response, deadline)
    except (BodyCut, BodyTooLarge):
        body = b""
    return error_of_body(response.status, body, response.headers)


@contextmanager
def gateway_errors() -> Generator[None]:
    """A body that cannot be read in the block is an error of the gateway.

    Raises:
        GatewayTimeout: the deadline is over.
        UpstreamFailed: the answer was cut, or is too large.
    """
    try:
        yield
    except DeadlineOver as error:
        raise GatewayTimeout(str(error)) from None
    except BodyError as error:
        raise UpstreamFailed(str(error)) from None
