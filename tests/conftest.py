"""Started once for the whole run: the scripted provider, the gateway, the local LLM behind it."""

import json
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

import aiohttp
import pytest
import yaml

import hearsay
from api_process import RunningApi
from api_server import GVISOR, Cluster, running_api_server
from asking import PROJECT_KEYS, Caller
from chassis.logs import configure_logs
from chassis.redaction import redacting
from chromium import Browser, running_chromium
from identity.keycloak import Keycloak
from identity.openfga import Store
from identity.peers import start_keycloak, start_openfga
from identity_peers import PASSWORD, Asking, between, supervised
from local.run.ports import free_port
from make_run import Run, make_run
from marked import seen_in
from postgres_server import PostgresServer, running_postgres
from provider import Provider, create_app
from rendering import MAJORS, Helm, copied_charts, kubernetes_tools
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


@pytest.fixture(scope="session")
async def chromium(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with running_chromium(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture(scope="session", autouse=True)
async def services() -> AsyncIterator[None]:
    """Ends the APIs that the tests share; then no secret may be in what was said in this run.

    Set up first, so taken down when all others are, and have said their last.
    """
    configure_logs("DEBUG", redacting(cast(TextIO, hearsay.Log())))
    yield
    await end_all()
    if places := seen_in(hearsay.FOLDER):
        pytest.fail("\n".join([f"secrets are in {hearsay.FOLDER}:", *places[:20]]), pytrace=False)
    shutil.rmtree(hearsay.FOLDER, ignore_errors=True)


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    with supervised(tmp_path_factory.mktemp("keycloak")) as supervision:
        running = start_keycloak(supervision, free_port())
        running.set_passwords(PASSWORD)
        yield running


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with supervised(tmp_path_factory.mktemp("openfga")) as supervision:
        token = secrets.token_urlsafe()
        yield Store.loaded(start_openfga(supervision, free_port(), token), token)


@pytest.fixture(scope="session")
async def guarded_api(
    tmp_path_factory: pytest.TempPathFactory,
    keycloak: Keycloak,
    store: Store,
    gateway: RunningGateway,
) -> AsyncIterator[RunningApi]:
    """The API that asks both who may call."""
    folder = tmp_path_factory.mktemp("api")
    async with between(keycloak, store, gateway, folder) as running:
        yield running


@pytest.fixture
def ask(guarded_api: RunningApi, keycloak: Keycloak) -> Asking:
    return Asking(guarded_api, keycloak)


@pytest.fixture(params=["wire", "litellm"])
def lane(request: pytest.FixtureRequest) -> str:
    """Both lanes: what is asked of one is asked of the other."""
    return str(request.param)


@pytest.fixture(scope="session")
def helms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Helm]:
    """Both, by their major version."""
    programs = kubernetes_tools("helm")
    charts = copied_charts(programs / "helm-4", tmp_path_factory.mktemp("helm"))
    return {major: Helm(programs / f"helm-{major}", charts) for major in MAJORS}


@pytest.fixture(params=MAJORS, ids=lambda major: f"helm-{major}")
def helm(request: pytest.FixtureRequest, helms: dict[str, Helm]) -> Helm:
    """What is asked of one is asked of the other."""
    return helms[request.param]


@pytest.fixture(scope="session")
def helm_4(helms: dict[str, Helm]) -> Helm:
    return helms["4"]


@pytest.fixture(scope="session")
def definitions() -> Path:
    """The folder with the definitions of custom resources."""
    return kubernetes_tools("crds")


@pytest.fixture(scope="session")
def cluster(definitions: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    programs, clients = kubernetes_tools("api-server"), kubernetes_tools("helm")
    folder = tmp_path_factory.mktemp("cluster")
    with running_api_server(programs, clients / "kubectl", folder) as running:
        running.succeed("create", f"--filename={definitions}")
        running.succeed("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        running.succeed("create", "--filename=-", said=yaml.safe_dump(GVISOR))
        yield running


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    return cluster.new_namespace()


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PostgresServer]:
    async with running_postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'audit.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.url
