"""The Compose files in the hands of Docker Compose's own loader, and a profile with real peers."""

import json
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from compose_processes import Machine
from composing import MAIN, SERVICES, Mount
from identity.keycloak import Keycloak
from identity.peers import UnavailableError, fetched
from identity_peers import PASSWORD, supervised
from local.run.ports import free_port
from local.run.supervision import Supervision
from running import MASTER_KEY, RunningGateway

PROFILES = sorted({profile for service in SERVICES.values() for profile in service.profiles})


@pytest.fixture(scope="module")
def load() -> Callable[..., dict[str, Any]]:
    try:
        loader = fetched("compose_config")
    except UnavailableError as error:
        pytest.skip(str(error))

    def loaded(*profiles: str) -> dict[str, Any]:
        done = subprocess.run(
            [loader, MAIN, *profiles], env={}, check=True, capture_output=True, text=True
        )
        services: dict[str, Any] = json.loads(done.stdout)["services"]
        return services

    return loaded


@pytest.mark.parametrize("profiles", [[], *([name] for name in PROFILES), PROFILES], ids=str)
def test_a_profile_brings_its_services_and_needs_no_variable(
    load: Callable[..., dict[str, Any]], profiles: list[str]
) -> None:
    brought = {
        name
        for name, service in SERVICES.items()
        if not service.profiles or service.profiles & set(profiles)
    }
    assert load(*profiles).keys() == brought


def test_the_tests_read_the_files_as_docker_compose_does(
    load: Callable[..., dict[str, Any]],
) -> None:
    for name, read in load(*PROFILES).items():
        service = SERVICES[name]
        words = [*(read.get("entrypoint") or []), *(read.get("command") or [])]
        assert [word.replace("$$", "$") for word in words] == service.command
        given = read.get("environment", {})
        assert {key: value for key, value in given.items() if value is not None} == (
            service.environment
        )
        assert {key for key, value in given.items() if value is None} == service.from_the_shell
        mounts = {
            (mount["source"], mount["target"], mount.get("read_only", False))
            for mount in read.get("volumes", [])
        }
        assert mounts == {as_loaded(mount) for mount in service.mounts}
        ports = [
            (port["host_ip"], int(port["published"]), port["target"])
            for port in read.get("ports", [])
        ]
        assert ports == list(service.ports)


def as_loaded(mount: Mount) -> tuple[str, str, bool]:
    return str(mount.source), mount.target, mount.read_only


@dataclass(frozen=True)
class Guarded:
    """The API of the profile `auth`, and the Keycloak that its callers have tokens of."""

    url: str
    tools: str
    openfga: str
    keycloak: Keycloak
    password: str

    async def call(self, user: str | None) -> int:
        async with aiohttp.ClientSession() as http:
            body = {"prompt": "Who may ask?", "model": "ok"}
            url = f"{self.url}/llm/complete"
            async with http.post(url, json=body, headers=self.headers(user)) as response:
                await response.read()
                return response.status

    async def asks_the_tool_gateway(
        self, user: str | None, method: str, **params: Any
    ) -> tuple[int, str]:
        headers = self.headers(user) | {"Accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with aiohttp.ClientSession() as http:
            async with http.post(f"{self.tools}/mcp", json=body, headers=headers) as response:
                return response.status, await response.text()

    def headers(self, user: str | None) -> dict[str, str]:
        headers = {"X-Project-ID": "demo"}
        if user:
            token = self.keycloak.tokens(user, self.password)["access_token"]
            headers["Authorization"] = f"Bearer {token}"
        return headers


@pytest.fixture(scope="module")
async def guarded(
    tmp_path_factory: pytest.TempPathFactory, keycloak: Keycloak, gateway: RunningGateway
) -> AsyncIterator[Guarded]:
    """All that the profile starts; the realm is the tests', whose admin's password is its own."""
    machine = Machine(tmp_path_factory.mktemp("compose-auth"))
    openfga = f"http://127.0.0.1:{free_port()}"
    machine.elsewhere |= {
        "http://keycloak:8080": keycloak.url,
        "http://127.0.0.1:8080": keycloak.url,
        "http://openfga:8080": openfga,
        "http://127.0.0.1:8081": openfga,
        "http://gateway:4000/v1": gateway.url,
    }
    await machine.once("variables")
    await machine.once("auth-variables")
    (machine.volume("for-api") / "LLM_GATEWAY_API_KEY").write_text(MASTER_KEY)
    (machine.volume("for-load") / "KEYCLOAK_ADMIN_PASSWORD").write_text(keycloak.admin_password)
    with supervised(machine.folder) as supervision:
        start_openfga_of_the_profile(supervision, machine, int(openfga.rpartition(":")[2]))
        await machine.once("load")
        async with machine.running("api"), machine.running("runtime-mcp"):
            password = (machine.volume("for-load") / "DEMO_PASSWORD").read_text()
            url, tools = machine.url("api"), machine.url("runtime-mcp")
            yield Guarded(url, tools, openfga, keycloak, password)
    keycloak.set_passwords(PASSWORD)


def start_openfga_of_the_profile(supervision: Supervision, machine: Machine, port: int) -> None:
    """It finds its config in the folder that it is started in, as it does in /etc/openfga."""
    service = SERVICES["openfga"]
    command = ["sh", "-c", 'cd "$0" && exec "$@"', str(machine.volume("for-openfga"))]
    command += [str(fetched("openfga")), *service.command, f"--http-addr=127.0.0.1:{port}"]
    command += [f"--grpc-addr=127.0.0.1:{free_port()}", "--metrics-enabled=false"]
    process = supervision.start("OpenFGA", command, service.environment)
    supervision.wait_until_ready(process, port, ["/healthz"], seconds=30)


@pytest.mark.parametrize(("user", "status"), [("ada", 200), ("vera", 403), (None, 401)])
async def test_the_profile_auth_lets_in_who_may(
    guarded: Guarded, user: str | None, status: int
) -> None:
    assert await guarded.call(user) == status


async def test_its_tool_gateway_lets_ada_call_and_shows_vera_nothing(guarded: Guarded) -> None:
    question = {"prompt": "Who may call?", "model": "ok"}
    call = {"name": "llm_complete", "arguments": question}
    status, said = await guarded.asks_the_tool_gateway("ada", "tools/call", **call)
    assert status == 200
    assert '"project_id":"demo"' in said
    _, seen = await guarded.asks_the_tool_gateway("vera", "tools/list")
    assert '"tools":[]' in seen
    _, refused = await guarded.asks_the_tool_gateway("vera", "tools/call", **call)
    assert "Unknown tool: llm_complete" in refused
    assert (await guarded.asks_the_tool_gateway(None, "tools/list"))[0] == 401


async def test_its_openfga_answers_nobody_without_the_key_that_was_made(guarded: Guarded) -> None:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{guarded.openfga}/stores") as response,
    ):
        assert response.status == 401
