"""A caller may only what OpenFGA says; when it cannot be asked, nothing."""

import asyncio

import aiohttp
import pytest

from guarded import ADA, CALLS, VERA, Guarded, guarded
from local.run.ports import free_port


def as_vera(scene: Guarded) -> str:
    return f"Bearer {scene.token(sub=VERA)}"


async def assert_refused(response: aiohttp.ClientResponse, status: int, code: str) -> None:
    assert response.status == status, await response.text()
    problem = await response.json()
    assert problem["code"] == code
    assert "demo" not in str(problem)
    assert ADA not in str(problem)


async def test_who_may_execute_calls_and_who_may_read_looks() -> None:
    async with guarded() as scene:
        for method, path in CALLS:
            async with scene.ask(method, path, authorization=as_vera(scene)) as response:
                if path in {"/llm/models", "/llm/usage"}:
                    assert response.status == 200
                else:
                    await assert_refused(response, 403, "permission_denied")
        assert scene.calls == []


async def test_a_caller_of_one_project_gets_nothing_of_another() -> None:
    async with guarded() as scene:
        for method, path in CALLS:
            async with scene.ask(method, path, project="other") as response:
                await assert_refused(response, 403, "permission_denied")
        assert scene.calls == []


async def test_the_project_in_the_query_is_checked_as_well() -> None:
    async with guarded() as scene:
        path = "/llm/stream?prompt=Hello&project_id=other"
        async with scene.ask("GET", path, project=None) as response:
            await assert_refused(response, 403, "permission_denied")
        async with scene.ask("GET", path, project="demo") as response:
            assert (response.status, (await response.json())["code"]) == (400, "project_invalid")
        assert scene.calls == []


async def test_what_one_caller_asked_for_by_name_another_does_not_get() -> None:
    async with guarded() as scene:
        scene.openfga.allowed.add((f"user:{VERA}", "can_execute", "project:demo"))
        name = {"Idempotency-Key": "one"}
        for authorization in ("", as_vera(scene)):
            async with scene.ask(headers=name, authorization=authorization) as response:
                assert response.status == 200
                assert "Idempotent-Replayed" not in response.headers
        assert len(scene.calls) == 2
        back = name | {"Last-Event-ID": "1"}
        async with scene.ask(path="/llm/stream", headers=name) as response:
            assert response.status == 200
            await response.read()
        async with scene.ask(
            path="/llm/stream", headers=back, authorization=as_vera(scene)
        ) as response:
            assert response.status == 204


async def test_the_same_subject_of_another_organisation_is_somebody_else() -> None:
    async with guarded() as scene:
        for organisation in ("acme", "globex"):
            authorization = f"Bearer {scene.token(org_id=organisation)}"
            async with scene.ask(
                headers={"Idempotency-Key": "one"}, authorization=authorization
            ) as response:
                assert response.status == 200
                assert "Idempotent-Replayed" not in response.headers


async def test_a_decision_is_asked_for_once_by_many_at_the_same_time() -> None:
    async with guarded() as scene:

        async def ask() -> int:
            async with scene.ask() as response:
                await response.read()
                return int(response.status)

        assert await asyncio.gather(*(ask() for _ in range(50))) == [200] * 50
        assert scene.openfga.asked == [(f"user:{ADA}", "can_execute", "project:demo")]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
async def test_whatever_openfga_fails_with_nobody_gets_in(status: int) -> None:
    async with guarded() as scene:
        scene.openfga.status = status
        async with scene.ask() as response:
            await assert_refused(response, 503, "access_unavailable")
            assert response.headers["Retry-After"] == "5"
        assert scene.calls == []
        assert len(scene.openfga.asked) <= 2
        scene.openfga.status = 200
        async with scene.ask() as response:
            assert response.status == 200


@pytest.mark.parametrize("status", [200, 201, 204, 400, 418, 500])
@pytest.mark.parametrize("body", [b"null", b"", b"<html>", b"[" * 5000, b'{"allowed": true'])
async def test_whatever_stands_in_openfgas_place_nobody_gets_in(status: int, body: bytes) -> None:
    async with guarded() as scene:
        scene.openfga.status, scene.openfga.body = status, body
        async with scene.ask() as response:
            await assert_refused(response, 503, "access_unavailable")
        assert scene.calls == []


@pytest.mark.parametrize(
    "answer",
    [
        *({"allowed": odd} for odd in (None, 1, "true", "false", "yes", [True], {"allowed": True})),
        *({"resolution": "yes"}, {"Allowed": True}, [True]),
    ],
)
async def test_only_a_true_is_a_yes(answer: object) -> None:
    async with guarded() as scene:
        scene.openfga.answer = answer
        async with scene.ask() as response:
            await assert_refused(response, 503, "access_unavailable")
        assert scene.calls == []


async def test_an_openfga_that_hangs_is_not_waited_for_long() -> None:
    async with guarded() as scene:
        scene.openfga.delay = 30
        async with asyncio.timeout(10), scene.ask() as response:
            await assert_refused(response, 503, "access_unavailable")
        assert scene.calls == []


async def test_an_openfga_that_is_not_there_lets_nobody_in() -> None:
    async with guarded(openfga_api_url=f"http://127.0.0.1:{free_port()}") as scene:
        for method, path in CALLS:
            async with scene.ask(method, path) as response:
                await assert_refused(response, 503, "access_unavailable")
        assert scene.calls == []


async def test_openfgas_own_key_goes_to_openfga_and_the_callers_token_does_not() -> None:
    async with guarded(openfga_api_token="key-of-openfga") as scene:
        async with scene.ask() as response:
            assert response.status == 200
        assert scene.openfga.authorizations == ["Bearer key-of-openfga"]
        assert "authorization" not in {
            name for name, value in scene.calls[0].headers.items() if scene.token()[:20] in value
        }


async def test_without_openfga_a_token_opens_any_project() -> None:
    async with guarded(openfga_api_url=None, openfga_store_id=None) as scene:
        async with scene.ask(project="any-project") as response:
            assert response.status == 200
        async with scene.ask(project="any-project", authorization=None) as response:
            assert response.status == 401
