"""Requests and tokens per minute, held by the real gateway for aliases and for projects.

Each answer of `ok` has 18 tokens.
"""

import asyncio

import pytest

from api.errors import RateLimited
from api.gateway.error_table import error_of_body
from asking import Caller, Said
from conftest import RunningProvider


def refused(said: Said, message: str) -> None:
    assert said.error == (429, "rate_limit_exceeded")
    assert said.message == message
    assert 50 <= said.wait <= 60


async def settled(service: Caller, project: str, model: str = "ok") -> Said:
    """The first call that is refused; tokens are booked a moment after the answer."""
    for _ in range(20):
        said = await service.ask(model, project=project)
        if said.status != 200:
            return said
        await asyncio.sleep(0.2)
    raise AssertionError("never refused")


async def test_a_project_has_so_many_requests_whole_or_streamed(
    service: Caller, provider: RunningProvider
) -> None:
    before = len(provider.seen.calls)
    project = "three-requests"
    first = [await service.ask(project=project, stream=stream) for stream in (True, False, True)]
    assert [said.status for said in first] == [200] * 3
    for stream in (False, True):
        refused(
            await service.ask(project=project, stream=stream),
            "Rate limit exceeded: 3 requests per minute for project three-requests.",
        )
    assert len(provider.seen.calls) == before + 3
    assert (await service.ask(project="another")).status == 200


async def test_an_alias_has_so_many_requests(service: Caller) -> None:
    statuses = [(await service.ask("rpm-2", stream=stream)).status for stream in (True, False)]
    assert statuses == [200, 200]
    refused(
        await service.ask("rpm-2", project="another"),
        "Rate limit exceeded: 2 requests per minute for model rpm-2.",
    )


async def test_the_service_knows_it_for_what_it_is(service: Caller) -> None:
    said = await settled(service, "demo", "rpm-2")
    error = error_of_body(said.status, said.text.encode(), {"retry-after": str(said.wait)})
    assert isinstance(error, RateLimited)
    assert error.retry_after == said.wait


async def test_a_project_has_so_many_tokens_and_an_aborted_stream_counts(
    service: Caller,
) -> None:
    body = {
        "model": "drip",
        "messages": [{"role": "user", "content": "Count."}],
        "metadata": {"project_id": "thirty-tokens", "solution": "tests"},
        "stream": True,
    }
    headers = {"Authorization": f"Bearer {service.key}"}
    async with service.http.post(
        f"{service.url}/chat/completions", json=body, headers=headers
    ) as stream:
        assert stream.status == 200
        async with asyncio.timeout(10):
            while b'"content":"29 "' not in await stream.content.readline():
                pass
    refused(
        await settled(service, "thirty-tokens"),
        "Rate limit exceeded: 30 tokens per minute for project thirty-tokens.",
    )


async def test_an_alias_has_so_many_tokens_and_streams_count(service: Caller) -> None:
    statuses = [(await service.ask("tpm-30", stream=True)).status for _ in range(2)]
    assert statuses == [200, 200]
    refused(
        await settled(service, "demo", "tpm-30"),
        "Rate limit exceeded: 30 tokens per minute for model tpm-30.",
    )


@pytest.mark.parametrize("stream", [False, True])
async def test_a_providers_own_429_says_when_under_its_real_name(
    service: Caller, stream: bool
) -> None:
    said = await service.ask("status-429-after-90", stream=stream)
    assert (said.status, said.wait) == (429, 90)
