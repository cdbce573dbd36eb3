"""Nobody gets in without a token, by whatever spelling; what needs none is a list."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from api.main import PUBLIC
from chassis.identity.access_tokens import LEEWAY_SECONDS
from guarded import ADA, BODY, CALLS, Guarded, guarded
from hearsay import said
from local.run.ports import free_port
from reading import read_stream, text_of
from realm import private_key
from running import serving_alone, settings_for


@pytest.fixture(scope="module")
async def scene() -> AsyncIterator[Guarded]:
    async with guarded() as running:
        yield running


async def assert_unauthenticated(response: aiohttp.ClientResponse) -> None:
    problem = await response.json()
    assert (response.status, problem["code"]) == (401, "unauthenticated")
    assert response.content_type == "application/problem+json"
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert problem["detail"] == "Missing or invalid bearer token; please log in again."
    assert problem.keys() == {
        *("type", "title", "status", "detail", "code", "request_id", "trace_id"),
    }


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_with_a_token_every_route_answers(scene: Guarded, method: str, path: str) -> None:
    async with scene.ask(method, path) as response:
        assert response.status == 200, await response.text()
        await response.read()


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_a_token_no_route_does(scene: Guarded, method: str, path: str) -> None:
    before = len(scene.calls)
    async with scene.ask(method, path, authorization=None) as response:
        await assert_unauthenticated(response)
    assert len(scene.calls) == before


async def test_the_caller_is_the_user_of_the_trace_and_of_the_log_line(scene: Guarded) -> None:
    before = len(said("api.log"))
    async with scene.ask(json={"prompt": "whose"}) as response:
        assert response.status == 200
    async with scene.ask(path="/llm/stream", json={"prompt": "whose"}) as response:
        await read_stream(response)
    async with scene.ask("GET", "/llm/test") as response:
        assert response.status == 200
    users = [call.body["metadata"]["trace_user_id"] for call in scene.calls[-3:]]
    assert users == [ADA] * 3
    lines = [line for line in said("api.log")[before:].splitlines() if "llm_call" in line]
    assert [ADA in line for line in lines] == [True] * 3


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR", "Bearer  "])
async def test_the_scheme_may_be_written_in_any_case(scene: Guarded, scheme: str) -> None:
    async with scene.ask(authorization=f"{scheme} {scene.token()}") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "shape",
    [
        *("Basic {}", "{}", "Bearer", "Bearer ", "Bearer{}", "Bearer {} x", "Bearer {},{}"),
        *("Token {}", "Bearer: {}", 'Bearer "{}"', "Bearer token={}", "Bearer\t{}"),
    ],
)
async def test_what_is_not_one_bearer_token_is_refused(scene: Guarded, shape: str) -> None:
    token = scene.token()
    async with scene.ask(authorization=shape.format(token, token)) as response:
        await assert_unauthenticated(response)


@pytest.mark.parametrize("order", [1, -1])
async def test_two_authorization_headers_are_refused_in_any_order(
    scene: Guarded, order: int
) -> None:
    both = [("Authorization", f"Bearer {scene.token()}"), ("Authorization", "Bearer x.y.z")]
    headers = [("X-Project-ID", "demo"), *both[::order]]
    url = scene.service.url + "/llm/complete"
    async with scene.service.http.post(url, json=BODY, headers=headers) as response:
        await assert_unauthenticated(response)


@pytest.mark.parametrize(
    "query", ["access_token={}", "token={}", "Authorization=Bearer%20{}", "jwt={}"]
)
async def test_a_token_in_the_address_is_none(scene: Guarded, query: str) -> None:
    path = "/llm/stream?prompt=Hello&" + query.format(scene.token())
    async with scene.ask("GET", path, authorization=None) as response:
        await assert_unauthenticated(response)


@pytest.mark.parametrize(
    "path",
    [
        "/llm/%63omplete",
        "/llm/complete/",
        "//llm/complete",
        "/llm//complete",
        "/LLM/complete",
        "/llm/Complete",
        "/llm/complete%00",
        "/llm/complete;x=1",
        "/llm/complete%2f",
        "/llm%2fcomplete",
        "/./llm/complete",
        "/x/../llm/complete",
        "/health/../llm/complete",
        "/health/%2e%2e/llm/complete",
        "/health/live/../../llm/complete",
        "/docs/../llm/complete",
        "/docs/assets/../../llm/complete",
        "/docs/assets/%2e%2e/%2e%2e/llm/complete",
        "/metrics/../llm/complete",
        "/llm/complete?x=/health",
        "/llm/complete#/health",
        "/nowhere",
        "/llm",
        "/docs/",
        "/health/",
        "/healthz",
        "/openapi.json/",
        "/openapi.json%00",
        "/admin",
    ],
)
async def test_no_spelling_of_an_address_goes_round_the_door(scene: Guarded, path: str) -> None:
    before = len(scene.calls)
    for method in ("POST", "GET"):
        async with scene.ask(method, path, authorization=None) as response:
            # 1. Where the address is in a folder that is public there is nothing but files.
            if path.startswith("/docs/assets/"):
                assert response.status in (404, 405)
            else:
                await assert_unauthenticated(response)
    assert len(scene.calls) == before


@pytest.mark.parametrize(
    "header",
    [
        {"X-Original-URL": "/health"},
        {"X-Rewrite-URL": "/health"},
        {"X-Forwarded-Prefix": "/health"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-User": ADA},
        {"X-Auth-Request-User": ADA},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Method-Override": "OPTIONS"},
        {"Forwarded": "for=127.0.0.1"},
        {"Proxy-Authorization": "Bearer x.y.z"},
        {"Cookie": "token=x.y.z; KEYCLOAK_IDENTITY=x.y.z"},
        {"Host": "127.0.0.1"},
    ],
)
async def test_no_header_of_a_proxy_stands_for_a_token(
    scene: Guarded, header: dict[str, str]
) -> None:
    async with scene.ask(authorization=None, headers=header) as response:
        await assert_unauthenticated(response)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
async def test_no_other_method_goes_round_the_door(scene: Guarded, method: str) -> None:
    async with scene.ask(method, authorization=None) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_who_is_not_let_in_is_not_told_what_is_wrong_with_the_body(scene: Guarded) -> None:
    for data in (b"{", b'{"prompt": 7}', b"\xff" * 1000):
        headers = {"Content-Type": "application/json"}
        async with scene.ask(authorization=None, headers=headers, json=None, data=data) as response:
            await assert_unauthenticated(response)


async def test_an_expired_token_is_told_from_none_in_the_log_alone(scene: Guarded) -> None:
    before = len(said("api.log"))
    async with scene.ask(authorization=f"Bearer {scene.token(exp=1)}") as response:
        await assert_unauthenticated(response)
        body = await response.text()
    log = said("api.log")[before:]
    assert "ExpiredTokenError" in log
    assert "Expired" not in body


async def test_what_is_public_answers_without_a_token_and_nothing_else_does(
    scene: Guarded,
) -> None:
    for path in sorted(PUBLIC - {"/docs/assets/"}):
        async with scene.ask("GET", path, authorization=None) as response:
            assert response.status in (200, 307), path
    document = (await (await scene.ask("GET", "/openapi.json", authorization=None)).json())["paths"]
    guarded_paths = {path for path in document if path not in PUBLIC}
    assert guarded_paths == {path.partition("?")[0] for _, path in CALLS}


async def test_readiness_says_when_nobody_can_be_told() -> None:
    async with guarded() as scene:
        async with scene.ask("GET", "/health/ready", authorization=None) as response:
            assert (response.status, await response.json()) == (200, {"status": "ok"})
    nobody = f"http://127.0.0.1:{free_port()}/certs"
    async with guarded(keycloak_jwks_url=nobody) as scene:
        async with scene.ask("GET", "/health/ready", authorization=None) as response:
            assert response.status == 503
            assert await response.json() == {"status": "identity_unavailable"}
        async with scene.ask() as response:
            problem = await response.json()
            assert (response.status, problem["code"]) == (503, "identity_unavailable")
            assert response.headers["Retry-After"] == "10"
        assert scene.calls == []


async def test_a_flood_of_unknown_kids_reaches_the_realm_once() -> None:
    async with guarded() as scene:
        scene.realm.keys["flood"] = private_key()
        tokens = [
            scene.realm.token("flood", headers={"kid": f"kid-{n}"}, sub=ADA) for n in range(200)
        ]
        statuses = await asyncio.gather(*(status_of(scene, token) for token in tokens))
        assert set(statuses) == {401}
        assert scene.realm.fetches == 1


async def status_of(scene: Guarded, token: str) -> int:
    async with scene.ask(authorization=f"Bearer {token}") as response:
        await response.read()
        return int(response.status)


async def test_a_stream_goes_on_when_its_token_expires(scene: Guarded) -> None:
    token = scene.token(exp=int(time.time()) - LEEWAY_SECONDS + 2)
    body = {"prompt": "Hello", "model": "drip-40"}
    async with scene.ask(
        path="/llm/stream", authorization=f"Bearer {token}", json=body
    ) as response:
        events = await read_stream(response)
    assert events[-1].name == "done"
    assert text_of(events).startswith("0 1 2")


async def test_with_auth_disabled_anybody_calls_and_a_token_is_not_looked_at() -> None:
    async with guarded() as scene, serving_alone(settings_for("http://127.0.0.1:9/v1")) as service:
        for headers in ({}, {"Authorization": f"Bearer {scene.token(exp=1)}"}):
            url = service.url + "/llm/models"
            async with service.http.get(
                url, headers={"X-Project-ID": "demo"} | headers
            ) as response:
                assert response.status == 503
                assert (await response.json())["code"] == "gateway_unavailable"
