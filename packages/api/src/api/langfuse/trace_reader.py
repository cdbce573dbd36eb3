"""The trace of a call, read back from Langfuse: asked for until it is there, within ten seconds."""

import asyncio
from collections.abc import Awaitable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import httpx
from langfuse.api import AsyncLangfuseAPI
from langfuse.api.core import ApiError, RequestOptions
from pydantic import BaseModel

from api.self_test import TraceUnknown
from chassis.http.bounded_get import http_client

ARRIVAL_SECONDS = 10.0
PAUSE_SECONDS = 0.25
ANSWER_SECONDS = 3.0
CLOCK_SKEW = timedelta(hours=1)
GENERATION = "GENERATION"
NO_SUCH_ROUTE = {404, 501}
ONCE: RequestOptions = {"max_retries": 0}

Answer = TypeVar("Answer")


class OldObservation(BaseModel):
    type: str


class OldTrace(BaseModel):
    """A trace of Langfuse 3, where its tags are its own."""

    tags: list[str]
    observations: list[OldObservation]


class TraceReader:
    """
    Args:
        host: Langfuse's URL.
        keys: the public and the secret one of its project.
    """

    def __init__(self, host: str, keys: tuple[str, str]) -> None:
        self._host = host
        self._keys = keys
        self._project_id: str | None = None

    async def __aenter__(self) -> Self:
        self._http = http_client()
        self._http.auth, self._http.timeout = self._keys, ANSWER_SECONDS
        self._langfuse = AsyncLangfuseAPI(base_url=self._host, httpx_client=self._http)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def projects(self, trace_id: str) -> list[Collection[str]]:
        """See `TraceProof.projects`."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + ARRIVAL_SECONDS
        while not (found := await answered(self._projects(trace_id))):
            if clock() >= deadline:
                raise TraceUnknown(f"the trace has not arrived in {ARRIVAL_SECONDS:g} s")
            await asyncio.sleep(PAUSE_SECONDS)
        return found

    async def url(self, trace_id: str) -> str:
        """See `TraceProof.url`."""
        if self._project_id is None:
            projects = await answered(self._langfuse.projects.get(request_options=ONCE))
            if not projects.data:
                raise TraceUnknown("Langfuse names no project for its keys")
            self._project_id = projects.data[0].id
        return f"{self._host}/project/{quote(self._project_id, safe='')}/traces/{trace_id}"

    async def _projects(self, trace_id: str) -> list[Collection[str]]:
        try:
            found = await self._langfuse.observations.get_many(
                trace_id=trace_id,
                type=GENERATION,
                fields="core,trace_context",
                from_start_time=datetime.now(UTC) - CLOCK_SKEW,
                request_options=ONCE,
            )
        except ApiError as error:
            if error.status_code in NO_SUCH_ROUTE:
                return await self._projects_of_version_3(trace_id)
            raise
        return [projects_of(observation.tags or ()) for observation in found.data]

    async def _projects_of_version_3(self, trace_id: str) -> list[Collection[str]]:
        """As Langfuse 3 says it, which the SDK of version 5 cannot ask."""
        response = await self._http.get(f"{self._host}/api/public/traces/{trace_id}")
        if response.status_code in NO_SUCH_ROUTE:
            return []
        if response.status_code != 200:
            raise ApiError(status_code=response.status_code)
        trace = OldTrace.model_validate_json(response.content)
        return [projects_of(trace.tags) for one in trace.observations if one.type == GENERATION]


async def answered(asking: Awaitable[Answer]) -> Answer:
    """What Langfuse answers.

    Raises:
        TraceUnknown: it does not, or not as its API documents.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asking
    except (TimeoutError, httpx.TimeoutException):
        raise TraceUnknown(f"Langfuse has not answered in {ANSWER_SECONDS:g} s") from None
    except httpx.HTTPError:
        raise TraceUnknown("Langfuse cannot be reached") from None
    except ApiError as error:
        if error.status_code in (401, 403):
            raise TraceUnknown("Langfuse refuses the keys") from None
        if error.status_code != 200:
            raise TraceUnknown(f"Langfuse answers with {error.status_code}") from None
        raise TraceUnknown("Langfuse's answer is not what its API documents") from None
    except (ValueError, RecursionError):
        raise TraceUnknown("Langfuse's answer is not what its API documents") from None


def projects_of(tags: Iterable[str]) -> set[str]:
    """Those that a generation with these tags is booked on."""
    return {tag.removeprefix("project:") for tag in tags if tag.startswith("project:")}
