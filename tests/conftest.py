"""Started once for the whole run: the scripted provider, the gateway, the local LLM behind it."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from asking import PROJECT_KEYS, Caller
from make_run import Run, make_run
from provider import Provider, create_app
from running import ROOT, RunningGateway, end_all, listening, running_gateway


@dataclass(frozen=True)
class RunningProvider:
    url: str
    seen: Provider


@pytest.fixture(scope="session")
async def provider() -> AsyncIterator[RunningProvider]:
    seen = Provider()
    async with listening(create_app(seen)) as url:
        yield RunningProvider(f"{url}/v1", seen)


@pytest.fixture(scope="session")
async def gateway(provider: RunningProvider) -> AsyncIterator[RunningGateway]:
    async with running_gateway(provider.url) as running:
        yield running


@pytest.fixture(scope="session")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway with a policy has the keys of its projects from."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    file.write_text(json.dumps(PROJECT_KEYS))
    return file


@pytest.fixture(scope="session")
async def policed(provider: RunningProvider, key_file: Path) -> AsyncIterator[RunningGateway]:
    """A gateway with a policy that the tests can run into."""
    overlay = ROOT / "tests" / "policy_overlay.yaml"
    async with running_gateway(provider.url, overlay, PROJECT_KEYS_FILE=str(key_file)) as running:
        yield running


@pytest.fixture
async def with_key(policed: RunningGateway) -> AsyncIterator[Callable[[str], Caller]]:
    """A caller of that gateway, by its key."""
    async with aiohttp.ClientSession() as http:
        yield lambda key: Caller(http, policed.url, key)


@pytest.fixture
def service(policed: RunningGateway, with_key: Callable[[str], Caller]) -> Caller:
    """The one caller of that gateway that speaks for every project."""
    return with_key(policed.key)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """All that `make run` starts, for the tests of the gateway."""
    with make_run(tmp_path_factory.mktemp("run")) as running:
        yield running


@pytest.fixture(scope="session", autouse=True)
async def services() -> AsyncIterator[None]:
    """Ends the APIs that the tests share."""
    yield
    await end_all()


@pytest.fixture(params=["wire", "litellm"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes: what is asked of one is asked of the other."""
    return str(request.param)
