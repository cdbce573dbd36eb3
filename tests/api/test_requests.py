"""What a request has to be: the project, the body, the ids, the size."""

import asyncio
import json
import re
import types
from collections.abc import AsyncIterator
from typing import Any

import pytest

from conftest import RunningProvider
from reading import read_stream
from running import ROOT, serving, serving_alone, settings_for

SENTENCE = "Paris is the capital of France."
UUID = "7e8dcc46-6b53-4a5c-93a8-6a8a1f0cbb5c"


@pytest.mark.parametrize("project", ["demo", "my-analytics-project", "proj_42.a", UUID, "x" * 128])
async def test_slugs_and_uuids_are_projects(provider: RunningProvider, project: str) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.post("/llm/complete", project=project, prompt="hi") as r:
            assert r.status == 200
            assert (await r.json())["project_id"] == project


@pytest.mark.parametrize(
    "route", ["POST complete", "POST stream", "GET stream", "GET test", "GET models", "GET usage"]
)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ([], "project_missing"),
        ([("X-Project-ID", "")], "project_missing"),
        ([("X-Project-ID", "x" * 129)], "project_invalid"),
        ([("X-Project-ID", "../demo")], "project_invalid"),
        ([("X-Project-ID", "de mo")], "project_invalid"),
        ([("X-Project-ID", "démo")], "project_invalid"),
        ([("X-Project-ID", "demo,other")], "project_invalid"),
        ([("X-Project-ID", "demo"), ("X-Project-ID", "other")], "project_invalid"),
        ([("X-Project-ID", "demo"), ("X-Project-ID", "demo")], "project_invalid"),
    ],
)
async def test_without_one_well_formed_project_no_call_is_made(
    provider: RunningProvider, route: str, headers: list[tuple[str, str]], code: str
) -> None:
    method, path = route.split()
    before = len(provider.seen.calls)
    asked: dict[str, Any] = (
        {"json": {"prompt": "hi"}} if method == "POST" else {"params": {"prompt": "hi"}}
    )
    if path in {"test", "models", "usage"}:
        asked = {}
    async with serving(settings_for(provider.url)) as service:
        url = f"{service.url}/llm/{path}"
        async with service.http.request(method, url, headers=headers, **asked) as r:
            body = await r.json()
    assert (r.status, body["code"]) == (400, code)
    assert r.content_type == "application/problem+json"
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [
        (None, "demo", 200),
        ("demo", "demo", 200),
        ("demo", None, 200),
        ("demo", "other", 400),
        (None, "../demo", 400),
        (None, None, 400),
    ],
)
async def test_only_get_stream_takes_the_project_from_the_query(
    provider: RunningProvider, header: str | None, query: str | None, status: int
) -> None:
    headers = {} if header is None else {"X-Project-ID": header}
    params = {"prompt": "hi"} | ({} if query is None else {"project_id": query})
    async with serving(settings_for(provider.url)) as service:
        url = service.url + "/llm/stream"
        async with service.http.get(url, headers=headers, params=params) as r:
            assert r.status == status
        body = {"prompt": "hi", "project_id": "demo"}
        async with service.http.post(url + "?project_id=demo", json={"prompt": "hi"}) as r:
            assert (await r.json())["code"] == "project_missing"
        async with service.http.post(url, json=body, headers={"X-Project-ID": "demo"}) as r:
            assert r.status == 422


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {"prompt": "x" * 200_001},
        {"prompt": None},
        {"prompt": "hi", "messages": [{"role": "user", "content": "hi"}]},
        {"messages": []},
        {"messages": [{"role": "user", "content": "hi"}] * 501},
        {"messages": [{"role": "tool", "content": "hi"}]},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": "hi", "name": "x"}]},
        {"prompt": "hi", "max_tokens": 0},
        {"prompt": "hi", "max_tokens": 65_537},
        {"prompt": "hi", "max_tokens": "5"},
        {"prompt": "hi", "max_tokens": 1.5},
        {"prompt": "hi", "max_tokens": True},
        {"prompt": "hi", "temperature": -0.1},
        {"prompt": "hi", "temperature": 2.1},
        {"prompt": "hi", "temperature": "hot"},
        {"prompt": "hi", "session_id": ""},
        {"prompt": "hi", "session_id": "a\nb"},
        {"prompt": "hi", "model": ""},
        {"prompt": "hi", "model": "../secret"},
        {"prompt": "hi", "api_base": "http://127.0.0.1:9"},
        {"prompt": "hi", "metadata": {"project_id": "other"}},
        {"prompt": "\ud800"},
        [],
        "hi",
    ],
)
async def test_a_body_that_is_not_valid_is_refused_without_a_call(
    provider: RunningProvider, body: Any
) -> None:
    before = len(provider.seen.calls)
    headers = {"X-Project-ID": "demo", "Content-Type": "application/json"}
    async with serving(settings_for(provider.url)) as service:
        for path in ("/llm/complete", "/llm/stream"):
            async with service.http.post(
                service.url + path, data=json.dumps(body), headers=headers
            ) as r:
                problem = await r.json()
            assert (r.status, problem["code"]) == (422, "invalid_request")
            assert problem["errors"][0].keys() == {"loc", "msg", "type"}, "not the input"
    assert len(provider.seen.calls) == before


async def test_a_body_that_is_not_json_is_refused(provider: RunningProvider) -> None:
    headers = {"X-Project-ID": "demo", "Content-Type": "application/json"}
    async with serving(settings_for(provider.url)) as service:
        for data in (b"{", b"\xff\xfe", b"[" * 50_000):
            async with service.http.post(
                service.url + "/llm/complete", data=data, headers=headers
            ) as r:
                assert (r.status, (await r.json())["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused(provider: RunningProvider, chunked: bool) -> None:
    settings = settings_for(provider.url, max_body_bytes=4096)
    body = json.dumps({"prompt": "x" * 5000}).encode()

    async def pieces() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    headers = {"X-Project-ID": "demo", "Content-Type": "application/json"}
    async with serving(settings) as service:
        async with service.http.post(
            service.url + "/llm/complete", data=pieces() if chunked else body, headers=headers
        ) as r:
            problem = await r.json()
    assert (r.status, problem["code"]) == (413, "request_too_large")
    assert r.content_type == "application/problem+json"


@pytest.mark.parametrize("path", ["/llm/stream?prompt=Hello&model=hang", "/llm/test"])
async def test_a_body_over_the_limit_is_refused_where_none_is_expected(
    provider: RunningProvider, path: str
) -> None:
    settings = settings_for(provider.url, max_body_bytes=4096, llm_default_model="hang")
    async with serving_alone(settings) as service, asyncio.timeout(10):
        async with service.http.get(
            service.url + path, data=endless(), headers={"X-Project-ID": "demo"}
        ) as r:
            assert (r.status, (await r.json())["code"]) == (413, "request_too_large")


async def test_a_body_that_goes_on_while_a_stream_is_read_harms_no_stream(
    provider: RunningProvider,
) -> None:
    settings = settings_for(provider.url, max_body_bytes=4096)
    path = "/llm/stream?prompt=Hello&model=drip-20"
    async with serving_alone(settings) as service:
        async with service.http.get(
            service.url + path, data=endless(), headers={"X-Project-ID": "demo"}
        ) as r:
            assert r.status == 200
            assert (await read_stream(r))[-1].name == "done"


async def endless() -> AsyncIterator[bytes]:
    """A body that is small until its answer may have begun, and does not end."""
    yield b"x"
    while True:
        await asyncio.sleep(0.3)
        yield b"x" * 5000


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "not_found"),
        ("GET", "/llm/complete", 405, "method_not_allowed"),
        ("DELETE", "/llm/stream", 405, "method_not_allowed"),
    ],
)
async def test_an_address_that_is_not_there_is_a_problem_too(
    provider: RunningProvider, method: str, path: str, status: int, code: str
) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.http.request(method, service.url + path) as r:
            problem = await r.json()
    assert (r.status, problem["code"]) == (status, code)
    assert problem["request_id"] == r.headers["X-Request-ID"]


async def test_a_request_id_is_kept_when_it_is_safe(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        for given, kept in (("abc-123", True), ("a" * 129, False), ("a b", False)):
            headers = {"X-Request-ID": given, "X-Project-ID": "demo"}
            async with service.http.get(service.url + "/health", headers=headers) as r:
                assert (r.headers["X-Request-ID"] == given) is kept


async def test_the_models_are_those_the_gateway_serves(gateway: Any) -> None:
    settings = settings_for(
        gateway.url,
        llm_default_model="openai/gemini-3.5-flash",
        llm_fallback_models=("openai/claude-opus-4-8",),
    )
    async with serving(settings) as service, service.get("/llm/models") as r:
        models = {model.pop("id"): model for model in (await r.json())["models"]}
    assert models["gemini-3.5-flash"] == {"default": True, "fallback": False, "thinking": True}
    assert models["claude-opus-4-8"] == {"default": False, "fallback": True, "thinking": False}
    assert "ollama/llama3.1" in models


async def test_the_root_leads_to_the_docs(provider: RunningProvider) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with service.http.get(service.url + "/") as r:
            assert r.status == 200
            assert str(r.url).endswith("/docs")


async def test_the_route_of_the_readme_works_as_it_stands(provider: RunningProvider) -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    module = types.ModuleType("jokes")
    exec(code, module.__dict__)  # noqa: S102 -- the README's own lines
    async with serving_alone(settings_for(provider.url), module.router) as service:
        async with service.get("/jokes/gateways", project="beta") as r:
            assert await r.json() == {"joke": SENTENCE, "status": "complete"}
        async with service.http.get(service.url + "/jokes/gateways") as r:
            assert (r.status, (await r.json())["code"]) == (400, "project_missing")
    (call,) = provider.seen.for_prompt("Tell a joke about gateways.")
    assert call.body["metadata"]["project_id"] == "beta"
