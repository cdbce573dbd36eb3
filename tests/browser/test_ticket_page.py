"""The README's `EventSource` with a token in a real browser: a ticket, a stream, a cut."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from chromium import NO_CHROMIUM, Browser
from guarded import Guarded, guarded

pytestmark = NO_CHROMIUM

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
SECTION = README.partition("### An `EventSource` with a token")[2]
SNIPPET = SECTION.partition("```js\n")[2].partition("```")[0]
WORDS = 30


def on_a_page(scene: Guarded, prompt: str, model: str) -> str:
    """The README's snippet, with a token, a prompt and an element to show the text in."""
    body = json.dumps({"prompt": prompt, "model": model})
    snippet, count = re.subn(r"JSON\.stringify\(\{ prompt: \"Hello\" \}\)", f"'{body}'", SNIPPET)
    assert count == 1
    return f"""
        globalThis.shown = '';
        globalThis.tickets = 0;
        const show = (text) => globalThis.shown += text;
        const token = '{scene.token()}';
        const plain = globalThis.fetch;
        globalThis.fetch = (...asked) => {{
            if (asked[0] === '/llm/stream-ticket') globalThis.tickets += 1;
            return plain(...asked);
        }};
        {snippet}
        open();
    """


@asynccontextmanager
async def relay(scene: Guarded) -> AsyncIterator[tuple[str, Callable[[], None]]]:
    """The service by another address, and what cuts all that is connected there."""
    writers: set[asyncio.StreamWriter] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = int(scene.service.url.rpartition(":")[2])
        there, to_service = await asyncio.open_connection("127.0.0.1", port)
        writers.update((writer, to_service))
        await asyncio.gather(copy(reader, to_service), copy(there, writer))

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()
        writers.clear()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
        cut()


async def test_the_snippet_shows_the_answer_and_leaves_no_token_in_an_address(
    chromium: Browser,
) -> None:
    async with guarded() as scene:
        async with chromium.page(f"{scene.service.url}/docs") as page:
            await page.run(f"(() => {{ {on_a_page(scene, 'Hello', 'ok')} }})()")
            await page.until("globalThis.shown.endsWith('France.')")
            addresses = await page.run(
                "performance.getEntriesByType('resource').map((each) => each.name).join(' ')"
            )
        assert "/llm/stream?ticket=" in addresses
        assert scene.token()[:40] not in addresses
        assert "demo" not in addresses
        assert len(scene.calls) == 1


async def test_a_stream_that_is_cut_on_the_way_goes_on_where_it_was_with_another_ticket(
    chromium: Browser,
) -> None:
    async with guarded() as scene, relay(scene) as (url, cut):
        async with chromium.page(f"{url}/docs") as page:
            await page.run(f"(() => {{ {on_a_page(scene, 'Hello', f'drip-{WORDS}')} }})()")
            await page.until("globalThis.shown.includes('5 ')")
            cut()
            await page.until(f"globalThis.shown.endsWith('{WORDS - 1} ')")
            text = await page.run("globalThis.shown")
            tickets = await page.run("globalThis.tickets")
        assert text == "".join(f"{n} " for n in range(WORDS))
        assert tickets == 2
        assert len(scene.calls) == 1
