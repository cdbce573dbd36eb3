"""Each image as a pod starts it: on a root that it cannot write to, as nobody; here on loopback."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from api_process import RunningApi, running_api
from hearsay import heard
from image_processes import (
    PATH,
    assert_nobody_with_a_root_that_is_read_only,
    children,
    ended,
    first,
    status,
)
from images import Image, built
from local.run.ports import free_port
from running import MASTER_KEY, NOBODY, RunningGateway, wait_until_ready

pytestmark = pytest.mark.timeout(600)

PROMPT = "What is in the box?"


@pytest.fixture(scope="module")
def api_image() -> Iterator[Image]:
    with built("api") as image:
        yield image


@pytest.fixture(scope="module")
def gateway_image() -> Iterator[Image]:
    with built("gateway") as image:
        yield image


def variables(url: str, key: str, model: str = "ok") -> dict[str, str]:
    return {
        "HOST": "127.0.0.1",
        "PORT": str(free_port()),
        "AUTH_MODE": "disabled",
        "LLM_GATEWAY_URL": url,
        "LLM_GATEWAY_API_KEY": key,
        "LLM_DEFAULT_MODEL": model,
        "LLM_FALLBACK_MODELS": ",",
    }


@asynccontextmanager
async def started(image: Image, folder: Path, given: dict[str, str]) -> AsyncIterator[RunningApi]:
    command = image.sandboxed(*image.main, **given)
    async with running_api(folder, PATH, command) as api:
        yield api


async def test_the_api_starts_as_nobody_on_a_root_that_it_cannot_write_to_and_is_healthy(
    api_image: Image, gateway: RunningGateway, tmp_path: Path
) -> None:
    given = variables(gateway.url, gateway.key)
    async with started(api_image, tmp_path, given) as api:
        tini = first(api.process.pid)
        (server,) = children(tini)
        for pid in (tini, server):
            assert_nobody_with_a_root_that_is_read_only(pid)
        assert status(tini)["Name"] == ["tini"]
        assert api_image.healthy(**given)
    assert not api_image.healthy(**given)


async def test_the_api_answers_through_a_gateway_and_ends_with_0_on_a_sigterm(
    api_image: Image, gateway: RunningGateway, tmp_path: Path
) -> None:
    async with started(api_image, tmp_path, variables(gateway.url, gateway.key)) as api:
        assert await api.asks(prompt=PROMPT) == 200
        assert await gateway.recorded("booked", PROMPT)
        assert await ended(api.process) == 0


async def test_a_sigterm_while_the_api_still_imports_ends_it(api_image: Image) -> None:
    command = api_image.sandboxed(*api_image.main, **variables(f"{NOBODY}/v1", MASTER_KEY))
    process = await asyncio.create_subprocess_exec(*command, env=PATH)
    try:
        async with asyncio.timeout(10):
            while not started_by(process.pid):
                await asyncio.sleep(0.005)
        assert await ended(process) == 128 + signal.SIGTERM
    finally:
        with suppress(ProcessLookupError):
            process.kill()


def started_by(sandbox: int) -> bool:
    """Whether process 1 is there, and has started what it is there for."""
    try:
        return status(first(sandbox))["Name"] == ["tini"] and bool(children(first(sandbox)))
    except (ValueError, FileNotFoundError):
        return False


def test_a_command_in_the_pod_finds_curl_a_shell_and_the_doctor(api_image: Image) -> None:
    assert "https" in api_image.succeed("sh", "-c", "curl --version")
    assert api_image.succeed("sh", "-c", "printenv LLM_GATEWAY_URL | wc -c").strip() == "0"
    said = api_image.run(api_image.tag.partition("-api:")[0].rpartition("/")[2], "doctor")
    assert "LLM_GATEWAY_URL" in said.stdout + said.stderr


async def test_the_gateway_answers_the_api_and_both_are_images(
    api_image: Image, gateway_image: Image, tmp_path: Path
) -> None:
    given = {"GATEWAY_PORT": str(free_port()), "LITELLM_MASTER_KEY": MASTER_KEY}
    url = f"http://127.0.0.1:{given['GATEWAY_PORT']}"
    process = await asyncio.create_subprocess_exec(
        *gateway_image.sandboxed(*gateway_image.main, **given),
        env=PATH,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        await wait_until_ready(process, f"{url}/health/readiness")
        for pid in (first(process.pid), *children(first(process.pid))):
            assert_nobody_with_a_root_that_is_read_only(pid)
        assert gateway_image.healthy(**given)
        model = (await models(url))[0]
        async with started(api_image, tmp_path, variables(f"{url}/v1", MASTER_KEY, model)) as api:
            assert await api.asks(prompt=PROMPT) == 200
            assert await ended(api.process) == 0
        assert await ended(process) == 0
    finally:
        if process.returncode is None:
            process.kill()
        said, _ = await process.communicate()
        heard("the gateway's image", said)


async def models(url: str) -> list[str]:
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.get(f"{url}/v1/models") as response,
    ):
        assert response.status == 200
        return [model["id"] for model in (await response.json())["data"]]
