"""A real Chromium without a window, driven by its DevTools protocol.

Source: chromedevtools.github.io/devtools-protocol. Every page is a tab of one browser.
"""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

CHROMIUM = shutil.which("chromium")
NO_CHROMIUM = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium (Debian: chromium)")
COMPLAINTS = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}


class Browser:
    """The browser's end of one WebSocket; answers are matched to commands by their number."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.pages: dict[str, Page] = {}

    async def read(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._answers.pop(said["id"]).set_result(said)
            elif (page := self.pages.get(said.get("sessionId"))) and said["method"] in COMPLAINTS:
                page.complaints.append(json.dumps(said["params"]))

    async def command(self, method: str, session: str | None = None, **params: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        named = {} if session is None else {"sessionId": session}
        await self._socket.send_json({"id": number, "method": method, "params": params} | named)
        said = await asyncio.wait_for(answer, 20)
        assert "error" not in said, said
        return said["result"]

    @asynccontextmanager
    async def page(self, url: str) -> AsyncIterator["Page"]:
        """A tab that shows this address, and what it complains of from the start."""
        target = (await self.command("Target.createTarget", url="about:blank"))["targetId"]
        attached = await self.command("Target.attachToTarget", targetId=target, flatten=True)
        page = self.pages[attached["sessionId"]] = Page(self, attached["sessionId"])
        for domain in ("Log", "Page", "Runtime"):
            await page.command(f"{domain}.enable")
        await page.command("Page.navigate", url=url)
        await page.until(f"location.href.startsWith({json.dumps(url)}) && document.body")
        yield page
        await self.command("Target.closeTarget", targetId=target)


@dataclass
class Page:
    """One tab; `complaints` are its errors, console lines and violations, as JSON."""

    browser: Browser
    session: str
    complaints: list[str] = field(default_factory=list)

    async def command(self, method: str, **params: Any) -> Any:
        return await self.browser.command(method, self.session, **params)

    async def run(self, script: str) -> Any:
        """What this expression comes to, after its promise is kept."""
        result = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def until(self, script: str) -> None:
        """Waits until this expression is true."""
        for _ in range(200):
            if await self.run(f"Boolean({script})"):
                return
            await asyncio.sleep(0.05)
        raise AssertionError(f"never true: {script}; {self.complaints}")

    async def click(self, selector: str, text: str = "") -> None:
        """Clicks the first of these elements that has this text, as soon as there is one."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find("
        found += f"(one) => one.textContent.includes({json.dumps(text)}))"
        await self.until(found)
        await self.run(f"{found}.click()")

    async def type(self, selector: str, text: str) -> None:
        """Types it into this field, and leaves the field."""
        await self.until(f"document.querySelector({json.dumps(selector)})")
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.command("Input.insertText", text=text)
        await self.run("document.activeElement.blur()")


@asynccontextmanager
async def running_chromium(folder: Path) -> AsyncIterator[Browser]:
    """
    Args:
        folder: for its profile, which is thrown away.
    """
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
        *("--host-resolver-rules=MAP *.example 127.0.0.1",),
        *("--remote-debugging-port=0", f"--user-data-dir={folder}", "--window-size=1200,1600"),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        port, path = await address_in(folder / "DevToolsActivePort")
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(f"ws://127.0.0.1:{port}{path}", max_msg_size=0) as socket,
        ):
            browser = Browser(socket)
            reading = asyncio.create_task(browser.read())
            yield browser
            await browser.command("Browser.close")
            await reading
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def address_in(file: Path) -> tuple[str, str]:
    """The port and the path that the browser writes down when it listens."""
    for _ in range(400):
        with suppress(OSError, ValueError):
            port, path = file.read_text().splitlines()  # noqa: ASYNC240 -- two lines
            return port, path
        await asyncio.sleep(0.05)
    raise AssertionError("chromium does not start")
