"""Pages of other origins in a real browser: what one may do that is named, and what others may not.

A page on `localhost` is of another site for a service on `127.0.0.1`.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from chromium import NO_CHROMIUM, Browser, Page
from conftest import RunningProvider
from running import Service, asking_for_tokens, listening, serving_alone, settings_for

pytestmark = NO_CHROMIUM

SENTENCE = "Paris is the capital of France."


@asynccontextmanager
async def another_page(
    chromium: Browser, provider: RunningProvider, *, named: bool, tokens: bool = False
) -> AsyncIterator[tuple[Page, Service]]:
    """An empty page of another site, and a service that knows its origin or does not."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Another</title>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", empty)
    async with listening(app) as url:
        origin = url.replace("127.0.0.1", "localhost")
        settings = settings_for(provider.url, cors_allow_origins=(origin,) if named else ())
        if tokens:
            settings = asking_for_tokens(settings)
        async with serving_alone(settings) as service, chromium.page(f"{origin}/") as page:
            yield page, service


async def fetched(page: Page, url: str, prompt: str, model: str = "ok") -> Any:
    """What a `fetch` of this page can read of an answer; the text `refused` where nothing."""
    body = json.dumps({"prompt": prompt, "model": model})
    headers = {"X-Project-ID": "demo", "Content-Type": "application/json"}
    headers |= {"Idempotency-Key": f"{prompt}-{model}"}
    asked = json.dumps({"method": "POST", "headers": headers, "body": body})
    return await page.run(
        f"fetch('{url}/llm/complete', {asked}).then(async (r) => "
        "({status: r.status, headers: Object.fromEntries(r.headers), body: await r.json()}), "
        "() => 'refused')"
    )


async def streamed(page: Page, url: str, prompt: str) -> str:
    """The text that an `EventSource` of this page gets; `refused` where none."""
    query = f"project_id=demo&prompt={prompt}"
    text: str = await page.run(
        f"""new Promise((done) => {{
            const answer = new EventSource('{url}/llm/stream?{query}');
            let text = '';
            answer.addEventListener('delta', (event) => text += JSON.parse(event.data).text);
            answer.addEventListener('done', () => {{ answer.close(); done(text); }});
            answer.addEventListener('error', () => {{ answer.close(); done('refused'); }});
        }})"""
    )
    return text


async def test_a_page_that_is_named_reads_answers_failures_and_streams(
    provider: RunningProvider, chromium: Browser
) -> None:
    async with another_page(chromium, provider, named=True) as (page, service):
        whole = await fetched(page, service.url, "named")
        again = await fetched(page, service.url, "named")
        failed = await fetched(page, service.url, "named", "status-429-after-30")
        text = await streamed(page, service.url, "named")
    assert (whole["status"], whole["body"]["text"]) == (200, SENTENCE)
    assert {"x-request-id", "server-timing"} <= whole["headers"].keys()
    assert again["headers"]["idempotent-replayed"] == "true"
    assert (failed["status"], failed["body"]["code"]) == (429, "rate_limited")
    assert failed["headers"]["retry-after"] == "30"
    assert text == SENTENCE


async def test_a_page_that_is_not_named_gets_nothing_and_no_call_is_made(
    provider: RunningProvider, chromium: Browser
) -> None:
    before = len(provider.seen.calls)
    async with another_page(chromium, provider, named=False) as (page, service):
        assert await fetched(page, service.url, "unnamed") == "refused"
        assert await streamed(page, service.url, "unnamed") == "refused"
        stream = f"{service.url}/llm/stream?project_id=demo&prompt=unnamed"
        await page.run(f"fetch('{stream}', {{mode: 'no-cors'}}).catch(() => 0)")
        await page.run(
            f"new Promise((done) => {{ const image = new Image(); image.onerror = () => done(0); "
            f"image.src = '{stream}'; }})"
        )
        await page.run(f"void (location = '{stream}')")
        await page.until("document.body && document.body.innerText.includes('foreign_page')")
    assert len(provider.seen.calls) == before


async def test_a_file_is_fetched_by_a_page_that_is_named_but_shown_by_none(
    provider: RunningProvider, chromium: Browser
) -> None:
    async with another_page(chromium, provider, named=True, tokens=True) as (page, service):
        image = f"{service.url}/docs/assets/favicon-32x32.png"
        assert await page.run(f"fetch('{image}').then((r) => r.status)") == 200
        shown = await page.run(
            "new Promise((done) => { const image = new Image(); image.onload = () => done('shown');"
            f" image.onerror = () => done('refused'); image.src = '{image}?again'; }})"
        )
    assert shown == "refused"
    assert any("NotSameOrigin" in each for each in page.complaints)


async def test_a_link_on_any_page_may_lead_to_the_docs(
    provider: RunningProvider, chromium: Browser
) -> None:
    async with another_page(chromium, provider, named=False) as (page, service):
        await page.run(f"void (location = '{service.url}/')")
        await page.until("document.querySelector('.opblock')")


async def test_no_page_can_show_another_in_a_frame(
    provider: RunningProvider, chromium: Browser
) -> None:
    async with another_page(chromium, provider, named=True) as (page, service):
        await page.run(
            "new Promise((done) => { const frame = document.createElement('iframe'); "
            f"frame.onload = () => done(0); frame.src = '{service.url}/docs'; "
            "document.body.append(frame); })"
        )
        await page.until("document.querySelector('iframe').contentDocument === null")
    assert any("frame-ancestors" in each for each in page.complaints)


@pytest.mark.parametrize("path", ["/docs", "/llm/stream?project_id=demo&prompt=rebound"])
async def test_a_name_that_was_bent_to_the_loopback_leads_nowhere(
    provider: RunningProvider, chromium: Browser, path: str
) -> None:
    before = len(provider.seen.calls)
    async with serving_alone(settings_for(provider.url)) as service:
        bent = service.url.replace("127.0.0.1", "rebound.example")
        async with chromium.page(bent + path) as page:
            await page.until("document.body && document.body.innerText.includes('foreign_page')")
    assert len(provider.seen.calls) == before
