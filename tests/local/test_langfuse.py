"""The stand-in for Langfuse, written to and read by the real SDK, of today and of version 4."""

import asyncio
import gzip
import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from langfuse_sdk import GROUPS, TRACE, read_by_version_4, sdk, written_by
from langfuse_stand_in import Langfuse, create_app
from local.langfuse.app import MOST_BYTES, PROTOBUF, TRACES, Keys
from local.langfuse.memory import Memory
from local.langfuse.observations import Record, observation_of
from local.langfuse.otlp import Span
from running import listening

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:opentelemetry")


@dataclass(frozen=True)
class Scene:
    langfuse: Langfuse
    url: str
    http: aiohttp.ClientSession

    @property
    def keys(self) -> Keys:
        return self.langfuse.keys

    async def send(self, body: bytes, **headers: str) -> int:
        given = {"Authorization": self.keys.header, "Content-Type": PROTOBUF} | headers
        async with self.http.post(self.url + TRACES, data=BytesIO(body), headers=given) as response:
            return response.status

    async def get(self, path: str, **query: str) -> tuple[int, Any]:
        headers = {"Authorization": self.keys.header}
        url = f"{self.url}/api/public/{path}"
        async with self.http.get(url, params=query, headers=headers) as response:
            return response.status, await response.json()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    keys = Keys(f"pk-lf-{secrets.token_hex(4)}", "sk-lf")  # the SDK has one client for each
    langfuse = Langfuse(keys, Memory(most_bytes=100_000, most_observations=50))
    async with (
        listening(create_app(langfuse)) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Scene(langfuse, url, http)


def export(number: int = 1, /, trace: bytes = b"\1" * 16, **attributes: Any) -> bytes:
    """An export of one span."""
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add()
    span.trace_id, span.span_id, span.name = trace, number.to_bytes(8, "big"), "call"
    span.start_time_unix_nano, span.end_time_unix_nano = number * 10**9, (number + 1) * 10**9
    for key, value in attributes.items():
        pair = span.attributes.add()
        pair.key, pair.value.string_value = key.replace("__", "."), value
    return bytes(request.SerializeToString())


def mapped(**attributes: Any) -> Record:
    said = {key.replace("__", "."): value for key, value in attributes.items()}
    return observation_of(Span("t", "s", "", "call", 10**9, 2 * 10**9, None, said, {}, 1)).record


async def test_what_the_real_sdk_writes_the_real_sdk_reads(scene: Scene) -> None:
    def work() -> tuple[list[Any], str | None]:
        with sdk(scene.url, scene.keys) as client:
            written_by(client)
            assert client.auth_check()
            page = client.api.observations.get_many(trace_id=TRACE, fields=",".join(GROUPS))
            return page.data, client.get_trace_url(trace_id=TRACE)

    observations, url = await asyncio.to_thread(work)
    generation, span = sorted(observations, key=lambda each: each.type)
    assert (generation.type, span.type) == ("GENERATION", "SPAN")
    assert generation.parent_observation_id == span.id
    assert (span.is_root_observation, generation.is_root_observation) == (True, False)
    assert (generation.name, generation.model) == ("attempt", "gpt-of-the-tests")
    assert (generation.level, generation.status_message) == ("WARNING", "truncated")
    assert json.loads(generation.input) == [{"role": "user", "content": "hello"}]
    assert generation.output == "bonjour"
    assert generation.usage_details == {"input": 3, "output": 4, "total": 7}
    assert generation.cost_details == {"input": 0.1, "output": 0.2, "total": pytest.approx(0.3)}
    assert 0 < generation.time_to_first_token <= generation.latency
    assert generation.metadata["finish_reason"] == "length"
    assert generation.model_parameters == {"max_tokens": 16}
    for each in observations:
        assert (each.trace_id, each.environment, each.release) == (TRACE, "tests", "r-1")
        assert (each.user_id, each.session_id) == ("ada", "s-1")
        assert each.tags == ["project:demo", "solution:tests"]
        assert each.trace_name == "a call"
    assert url == f"{scene.url}/project/local/traces/{TRACE}"
    async with scene.http.get(url) as response:
        assert response.status == 200


async def test_the_sdk_of_version_4_reads_the_same_as_a_trace(scene: Scene) -> None:
    def work() -> None:
        with sdk(scene.url, scene.keys) as client:
            written_by(client)

    await asyncio.to_thread(work)
    trace = await read_by_version_4(scene.url, scene.keys)
    assert (trace["id"], trace["name"], trace["userId"]) == (TRACE, "a call", "ada")
    assert trace["metadata"] == {"project_id": "demo"}
    assert trace["totalCost"] == pytest.approx(0.3)
    assert [each["type"] for each in trace["observations"]] == ["SPAN", "GENERATION"]
    assert trace["observations"][1]["usage"]["total"] == 7


@pytest.mark.parametrize(
    "headers",
    [{"Authorization": ""}, {"Authorization": "Basic cGs6c2s="}, {"Authorization": "Bearer x"}],
)
async def test_without_the_keys_nothing_is_taken_and_nothing_is_told(
    scene: Scene, headers: dict[str, str]
) -> None:
    assert await scene.send(export(), **headers) == 401
    for path in ("projects", "v2/observations", f"traces/{'01' * 16}"):
        url = f"{scene.url}/api/public/{path}"
        async with scene.http.get(url, headers=headers) as response:
            assert response.status == 401
    assert (len(scene.langfuse.memory), scene.langfuse.refused) == (0, 1)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", {}, 400),
        (export()[:-3], {}, 400),
        (export(trace=b"\1"), {}, 400),
        (export(), {"Content-Type": "application/json"}, 415),
        (export(), {"Content-Encoding": "br"}, 400),
        (gzip.compress(export())[:-25], {"Content-Encoding": "gzip"}, 400),
        (gzip.compress(bytes(MOST_BYTES + 1)), {"Content-Encoding": "gzip"}, 413),
        (bytes(MOST_BYTES + 1), {}, 413),
    ],
    ids=["noise", "cut", "no ids", "json", "unknown packing", "cut gzip", "a bomb", "too long"],
)
async def test_a_broken_export_is_refused_and_leaves_nothing(
    scene: Scene, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert await scene.send(body, **headers) == status
    assert len(scene.langfuse.memory) == 0
    assert await scene.send(gzip.compress(export()), **{"Content-Encoding": "gzip"}) == 200
    assert len(scene.langfuse.memory) == 1


async def test_an_export_that_is_sent_again_is_kept_once(scene: Scene) -> None:
    for _ in range(3):
        assert await scene.send(export()) == 200
    status, page = await scene.get("v2/observations")
    assert (status, len(page["data"]), page["meta"]) == (200, 1, {})


async def test_the_oldest_make_room_by_number_and_by_bytes(scene: Scene) -> None:
    for number in range(1, 61):
        await scene.send(export(number, trace=number.to_bytes(16, "big")))
    assert (len(scene.langfuse.memory), scene.langfuse.memory.dropped) == (50, 10)
    assert (await scene.get(f"traces/{10:032x}"))[0] == 404
    assert (await scene.get(f"traces/{11:032x}"))[0] == 200
    for number in range(61, 65):
        await scene.send(export(number, note="x" * 40_000))
    assert len(scene.langfuse.memory) == 2


async def test_a_page_leads_to_the_next_and_a_query_is_never_just_left_out(scene: Scene) -> None:
    for number in range(1, 8):
        await scene.send(export(number))
    seen, query = [], {"limit": "3"}
    for _ in range(3):
        _, page = await scene.get("v2/observations", **query)
        seen += [one["id"] for one in page["data"]]
        query["cursor"] = page["meta"].get("cursor", "")
    assert query["cursor"] == ""
    assert seen == [f"{number:016x}" for number in range(7, 0, -1)]
    assert set(page["data"][0]) >= {"id", "traceId", "type", "name", "level"}
    for bad in ({"filter": "[]"}, {"limit": "1001"}, {"cursor": "?"}, {"fromStartTime": "soon"}):
        assert (await scene.get("v2/observations", **bad))[0] == 400
    since = datetime.fromtimestamp(5, UTC).isoformat()
    _, page = await scene.get("v2/observations", fromStartTime=since)
    assert len(page["data"]) == 3


HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}'

PLACES = (
    "langfuse__trace__name",
    "langfuse__trace__metadata__project_id",
    "langfuse__observation__input",
    "langfuse__observation__model__name",
    "langfuse__observation__status_message",
    "langfuse__observation__metadata__x",
    "user__id",
)


async def test_the_page_shows_hostile_content_as_text_and_runs_nothing(scene: Scene) -> None:
    attributes: dict[str, Any] = dict.fromkeys(PLACES, HOSTILE)
    attributes["langfuse__trace__tags"] = json.dumps([HOSTILE])
    attributes["langfuse__trace__metadata__solution"] = '"\\ud800"'
    assert await scene.send(export(1, **attributes)) == 200
    for path in ("/", f"/project/local/traces/{'01' * 16}", f"/?project={HOSTILE}"):
        async with scene.http.get(scene.url + path) as response:
            page = await response.text()
            assert response.status == 200
            policy = response.headers["Content-Security-Policy"]
        assert "<script" not in page
        assert "<img" not in page
        assert "{{ 7 * 7 }}" in page
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy


async def test_a_trace_that_is_not_here_and_a_host_that_is_not_ours(scene: Scene) -> None:
    async with scene.http.get(f"{scene.url}/project/local/traces/{'02' * 16}") as response:
        assert response.status == 404
        assert "No such trace" in await response.text()
    async with scene.http.get(scene.url, headers={"Host": "rebound.example"}) as response:
        assert response.status == 403


def test_the_conventions_of_genai_are_read_where_langfuse_says_nothing() -> None:
    one = mapped(
        gen_ai__request__model="asked",
        gen_ai__response__model="answered",
        gen_ai__usage__input_tokens=3,
        gen_ai__usage__output_tokens=4,
        gen_ai__input__messages="hello",
        gen_ai__output__messages="bonjour",
    )
    assert (one["type"], one["model"], one["level"]) == ("GENERATION", "answered", "DEFAULT")
    assert one["usageDetails"] == {"input": 3, "output": 4, "total": 7}
    assert (one["costDetails"], one["totalCost"]) == ({}, None)
    assert (one["input"], one["output"]) == ("hello", "bonjour")
    assert mapped(gen_ai__request__model="x", langfuse__observation__type="span")["type"] == "SPAN"


def test_odd_values_are_no_numbers_no_tags_and_no_times() -> None:
    one = mapped(
        langfuse__observation__usage_details='{"input": -1, "output": NaN, "total": "7"}',
        langfuse__observation__cost_details="[1]",
        langfuse__trace__tags=json.dumps([1, "", "x" * 201, "kept"]),
        langfuse__observation__completion_start_time="yesterday",
        langfuse__observation__level="LOUD",
    )
    assert (one["usageDetails"], one["costDetails"], one["tags"]) == ({}, {}, ["kept"])
    assert (one["completionStartTime"], one["level"]) == (None, "DEFAULT")
    assert one["endTime"] - one["startTime"] == timedelta(seconds=1)
