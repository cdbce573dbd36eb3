"""The trace of a call, read back from Langfuse: asked for until it is there, within ten seconds.

`docs/decisions/reading-a-trace-back.md` says why this is not the SDK of Langfuse.
"""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from api.self_test import TraceUnknown
from chassis.http.client_body import BodyError, loop_time, read_whole

ARRIVAL_SECONDS = 10.0
PAUSE_SECONDS = 0.25
ANSWER_SECONDS = 3.0
CLOCK_SKEW = timedelta(hours=1)
GENERATION = "GENERATION"
NO_SUCH_ROUTE = {404, 501}


class Generation(msgspec.Struct):
    """One call of a model, as the trace has it."""

    type: str
    tags: list[str] = []

    @property
    def projects(self) -> set[str]:
        """Those that it is booked on."""
        return {tag.removeprefix("project:") for tag in self.tags if tag.startswith("project:")}


class Observations(msgspec.Struct):
    data: list[Generation]


class OldTrace(msgspec.Struct):
    """A trace of Langfuse 3, where its tags are its own."""

    tags: list[str]
    observations: list[Generation]


class Project(msgspec.Struct):
    id: str


class Projects(msgspec.Struct):
    data: list[Project]


Body = TypeVar("Body", Observations, OldTrace, Projects)


class TraceReader:
    """
    Args:
        host: Langfuse's URL.
        public_key, secret_key: of its project.
    """

    def __init__(self, host: str, public_key: str, secret_key: str) -> None:
        self._host = host.rstrip("/")
        self._headers = {"Authorization": aiohttp.encode_basic_auth(public_key, secret_key)}
        self._project_id: str | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(ANSWER_SECONDS),
        )
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._http.close()

    async def projects(self, trace_id: str) -> list[Collection[str]]:
        """See `TraceProof.projects`."""
        return [generation.projects for generation in await self.generations(trace_id)]

    async def generations(self, trace_id: str) -> list[Generation]:
        """Those of this trace; at least one.

        Raises:
            TraceUnknown: none has arrived in time, or Langfuse cannot be asked.
        """
        deadline = loop_time() + ARRIVAL_SECONDS
        while not (found := await self._generations(trace_id)):
            if loop_time() >= deadline:
                raise TraceUnknown(f"the trace has not arrived in {ARRIVAL_SECONDS:g} s")
            await asyncio.sleep(PAUSE_SECONDS)
        return found

    async def url(self, trace_id: str) -> str:
        """Where a person looks at this trace.

        Raises:
            TraceUnknown: Langfuse does not say which project the keys are for.
        """
        if self._project_id is None:
            body = await self._get("projects")
            projects = decoded(body, Projects).data if body else []
            if not projects:
                raise TraceUnknown("Langfuse names no project for its keys")
            self._project_id = projects[0].id
        return f"{self._host}/project/{quote(self._project_id, safe='')}/traces/{trace_id}"

    async def _generations(self, trace_id: str) -> list[Generation]:
        since = (datetime.now(UTC) - CLOCK_SKEW).strftime("%Y-%m-%dT%H:%M:%SZ")
        body = await self._get(
            "v2/observations",
            traceId=trace_id,
            type=GENERATION,
            fields="core,trace_context",
            fromStartTime=since,
        )
        if body is not None:
            return decoded(body, Observations).data
        body = await self._get(f"traces/{trace_id}")
        if body is None:
            return []
        trace = decoded(body, OldTrace)
        return [
            Generation(GENERATION, trace.tags) for o in trace.observations if o.type == GENERATION
        ]

    async def _get(self, path: str, **query: str) -> bytes | None:
        """What is there, or None where nothing is."""
        url = f"{self._host}/api/public/{path}"
        try:
            async with self._http.get(url, params=query, allow_redirects=False) as response:
                if response.status in NO_SUCH_ROUTE:
                    return None
                if response.status in (401, 403):
                    raise TraceUnknown("Langfuse refuses the keys")
                if response.status != 200:
                    raise TraceUnknown(f"Langfuse answers with {response.status}")
                return await read_whole(response, loop_time() + ANSWER_SECONDS)
        except TimeoutError:
            raise TraceUnknown(f"Langfuse has not answered in {ANSWER_SECONDS:g} s") from None
        except (aiohttp.ClientError, OSError):
            raise TraceUnknown("Langfuse cannot be reached") from None
        except BodyError:
            raise TraceUnknown("Langfuse's answer was cut, or is too long") from None


def decoded(body: bytes, kind: type[Body]) -> Body:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise TraceUnknown("Langfuse's answer is not what its API documents") from None
