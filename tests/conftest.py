"""Started once for the whole run: the scripted provider, the gateway, the local LLM behind it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from make_run import Run, make_run
from provider import Provider, create_app
from running import RunningGateway, end_all, listening, running_gateway


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
