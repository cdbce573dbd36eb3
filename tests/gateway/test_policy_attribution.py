"""The real gateway makes no call that is not booked on somebody."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from api.gateway.chat_format import BOOKED_HEADER
from asking import PROJECT_KEYS, Caller
from conftest import RunningProvider
from metering import Scraper
from running import running_gateway

DEMO = PROJECT_KEYS["demo"]
MESSAGES = [{"role": "user", "content": "Where?"}]
BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": MESSAGES},
    "/v1/chat/completions": {"messages": MESSAGES},
    "/completions": {"prompt": "Where?"},
    "/v1/completions": {"prompt": "Where?"},
    "/embeddings": {"input": "Where?"},
    "/v1/embeddings": {"input": "Where?"},
    "/responses": {"input": "Where?"},
    "/v1/responses": {"input": "Where?"},
    "/v1/messages": {"messages": MESSAGES, "max_tokens": 300},
}


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize(
    ("metadata", "missing"),
    [
        (None, "project_id and solution"),
        ({"project_id": "demo"}, "solution"),
        ({"solution": "tests", "project_id": ""}, "project_id"),
        ({"solution": "tests", "project_id": 7}, "project_id"),
    ],
)
async def test_a_call_on_nobodys_account_is_refused_on_every_route(
    service: Caller,
    provider: RunningProvider,
    path: str,
    metadata: dict[str, object] | None,
    missing: str,
) -> None:
    before = len(provider.seen.calls)
    body = {"model": "ok", **BODIES[path]} | ({"metadata": metadata} if metadata else {})
    said = await service.send("POST", path, body)
    if path == "/v1/messages":
        assert said.error == (400, "invalid_request_error")  # the wire of Anthropic has its own
    else:
        assert said.error == (400, "attribution_missing")
    assert said.message == f"A call needs {missing} in its metadata."
    assert len(provider.seen.calls) == before


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/messages", "/responses"])
@pytest.mark.parametrize("place", ["metadata", "litellm_metadata"])
async def test_a_call_on_somebodys_account_passes(service: Caller, path: str, place: str) -> None:
    body = {"model": "anthropic-ok", "stream": True, **BODIES[path]}
    attributed = {place: {"project_id": "demo", "solution": "tests"}}
    said = await service.send("POST", path, body | attributed)
    assert said.status == 200, said.text
    assert said.headers[BOOKED_HEADER] == "demo"


async def test_a_projects_key_still_has_to_say_its_solution(
    with_key: Callable[[str], Caller],
) -> None:
    said = await with_key(DEMO).ask(project=None)
    assert (said.error, said.message) == (
        (400, "attribution_missing"),
        "A call needs solution in its metadata.",
    )


async def test_it_can_be_asked_to_warn_and_count_only(
    provider: RunningProvider, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("attribution: warn\n")
    async with running_gateway(provider.url, overlay) as gateway, aiohttp.ClientSession() as http:
        assert (await Caller(http, gateway.url, gateway.key).ask(project=None)).status == 200
        log = (gateway.folder / "gateway.log").read_text()
        assert "passed all the same: A call needs project_id and solution in its metadata." in log
        nobodys = {"model": "ok", "status": "200", "project_id": "", "solution": ""}
        await Scraper(http, gateway.url).until({(): 1}, "litellm_requests_total", **nobodys)
