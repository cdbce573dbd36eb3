"""The README's "Break it", pasted: a 429, a cut stream, and a 503 that comes at once."""

import asyncio
import json
import re
import shutil

import pytest

from local.run.ports import free_port
from make_run import MASTER_KEY, ROOT, Run, pasted
from running import Service, serving_alone, settings_for

pytestmark = pytest.mark.skipif(
    not shutil.which("curl"), reason="there is no curl to paste the lines for"
)
_, _, AFTER = (ROOT / "README.md").read_text().partition("## Break it")
LINES = re.findall(r"^curl .*$", AFTER.partition("## Who may call")[0], re.MULTILINE)


async def paste(line: str, service: Service) -> tuple[list[str], str]:
    """The lines of the head, and the body."""
    there = re.sub(r"http://127\.0\.0\.1:\d+", service.url, line)
    said = await asyncio.to_thread(pasted, there)
    head, _, body = said.partition("\n\n") if line.startswith("curl -si") else ("", "", said)
    return head.splitlines(), body


async def test_the_lines_show_a_429_and_a_cut_stream(run: Run) -> None:
    limited, cut, _ = LINES
    async with serving_alone(settings_for(run.gateway, MASTER_KEY)) as service:
        head, body = await paste(limited, service)
        assert head[0].startswith("HTTP/1.1 429")
        assert "retry-after: 10" in head
        outcomes = [attempt["outcome"] for attempt in json.loads(body)["attempts"]]
        assert outcomes == ["rate_limited"] * 3

        _, stream = await paste(cut, service)
        events = re.findall(r"^event: (\w+)$", stream, re.MULTILINE)
        assert events == ["meta", *["delta"] * 4, "error"]
        assert '"code":"stream_interrupted"' in stream


async def test_the_lines_show_a_503_and_from_the_fourth_on_it_comes_at_once() -> None:
    *_, unavailable = LINES
    settings = settings_for(f"http://127.0.0.1:{free_port()}/v1")
    receipts = []
    async with serving_alone(settings) as service:
        for _ in range(4):
            head, body = await paste(unavailable, service)
            assert head[0].startswith("HTTP/1.1 503")
            receipts.append([attempt["outcome"] for attempt in json.loads(body)["attempts"]])
    assert receipts[-1] == ["skipped"]
