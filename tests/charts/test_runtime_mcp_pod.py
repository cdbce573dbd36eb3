"""The tool gateway as its chart starts it: `helm test` tries it, and changed files reach it."""

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from hearsay import heard
from kubelet import files_of, mount, pod
from local.run.ports import free_port
from marked import marked
from rendering import FETCHED_WITHIN_SECONDS, TOOL_GATEWAY, Helm, Manifest, examples_of
from running import wait_until_ready
from tool_gateway import Upstream, served

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

KEY = marked("agent-of-the-chart")
NEW_KEY = marked("new-of-the-chart")
TAKEN_WITHIN_SECONDS = 5


@dataclass(frozen=True)
class InPod:
    """The gateway as the pod starts it, with the pod's folders below another one."""

    url: str
    folder: Path

    def gets(self, agents: list[Any] | str) -> None:
        """What the kubelet does when the ConfigMap of the allowlist is another."""
        text = agents if isinstance(agents, str) else yaml.safe_dump({"agents": agents})
        self._mount("etc/runtime-mcp", {"allowlist.yaml": text})

    def gets_servers(self, servers: dict[str, Any]) -> None:
        """The same for the servers."""
        self._mount("etc/runtime-mcp", {"upstreams.yaml": yaml.safe_dump({"servers": servers})})

    def gets_keys(self, **keys: str) -> None:
        """The same for the Secret with the keys."""
        self._mount("mnt/secrets", {"agent-keys": keys_file(**keys)})

    def _mount(self, where: str, files: dict[str, str]) -> None:
        folder = self.folder / where
        kept = {file.name: file.read_text() for file in folder.iterdir() if file.is_file()}
        mount(folder, kept | files)

    async def servers(self) -> list[str]:
        """Those that are connected."""
        async with httpx2.AsyncClient() as http:
            said = (await http.get(f"{self.url}/health/ready")).json()
        return [each["server"] for each in said["upstreams"] if each["up"]]

    async def verify(self, **variables: str) -> tuple[int | None, list[str]]:
        process = await asyncio.create_subprocess_exec(
            *("sh", TOOL_GATEWAY / "verify.sh"),
            env=os.environ | {"TOOL_GATEWAY_URL": self.url, "PROJECT": "helm-test"} | variables,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode, said.decode().splitlines()

    async def until(self, line: str, key: str = KEY) -> list[str]:
        """What `verify.sh` says once this is its last line."""
        async with asyncio.timeout(TAKEN_WITHIN_SECONDS):
            while True:
                code, said = await self.verify(TOKEN=key)
                if said[-1].startswith(line):
                    assert code == 0
                    return said
                await asyncio.sleep(0.1)


@asynccontextmanager
async def in_pod(manifests: list[Manifest], folder: Path) -> AsyncIterator[InPod]:
    spec = pod(manifests)
    (container,) = spec["containers"]
    volumes = {each["name"]: each for each in spec["volumes"]}
    for each in container["volumeMounts"]:
        path = folder / each["mountPath"].lstrip("/")
        if each["name"] == "files":
            mount(path, files_of(manifests, volumes["files"]))
        elif each["name"] == "secrets":
            mount(path, {"agent-keys": keys_file(ada=KEY)})
        else:
            path.mkdir(parents=True)
    port = str(free_port())
    given = {
        each["name"]: below(folder, each["value"]) for each in container["env"] if "value" in each
    }
    # The Secret of this pod has none of those that it may lack.
    secret = [each["valueFrom"]["secretKeyRef"] for each in container["env"] if "value" not in each]
    assert all(each["optional"] for each in secret)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "runtime_mcp"),
        env={"PATH": os.environ["PATH"]} | given | {"HOST": "127.0.0.1", "PORT": port},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        await wait_until_ready(process, url + container["readinessProbe"]["httpGet"]["path"])
        yield InPod(url, folder)
    finally:
        if process.returncode is None:
            process.terminate()
        said, _ = await process.communicate()
        heard("the tool gateway of the chart", said)
    assert process.returncode == 0


def keys_file(**keys: str) -> str:
    """The keys of these agents."""
    agents = [
        {"name": name, "organisation": "acme", "sha256": hashlib.sha256(key.encode()).hexdigest()}
        for name, key in keys.items()
    ]
    return yaml.safe_dump({"agents": agents})


def below(folder: Path, value: str) -> str:
    """A value of the pod's, whose paths are below another folder."""
    for path in ("/etc/runtime-mcp", "/mnt/secrets", "/var/lib/runtime-mcp"):
        value = value.replace(path, f"{folder}{path}")
    return value


@pytest.fixture(scope="module")
async def running(
    helms: Mapping[str, Helm], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[InPod]:
    manifests = helms["4"].of(TOOL_GATEWAY).render(None, examples_of(TOOL_GATEWAY)["keys"])
    async with in_pod(manifests, tmp_path_factory.mktemp("pod")) as started:
        yield started


READY = "ok     the tool gateway is ready: it can record calls, and tell agents"
CLOSED = "ok     without a key or a token nobody gets in"
HELLO = {"name": "ada", "organisation": "acme", "tools": [{"tool": "hello_world"}]}


async def test_helm_test_tries_each_step_and_says_what_it_could_not_try(running: InPod) -> None:
    running.gets([HELLO])
    said = await running.until("ok     a tool is called")
    assert said == [
        READY,
        CLOSED,
        "ok     the agent sees a tool, as the allowlist says",
        "ok     a tool is called, and so the call is in the record",
    ]
    code, said = await running.verify()
    assert (code, said[:-1]) == (0, [READY, CLOSED])
    assert said[-1].startswith("NOT TRIED: a call. Name a Secret")


async def test_helm_test_fails_where_the_key_is_nobodys(running: InPod) -> None:
    code, said = await running.verify(TOKEN=marked("nobody-of-the-chart"))
    assert code == 1
    assert said[2].startswith("FAILED the tools cannot be listed: ")
    assert said[-1] == "status=401"


async def test_helm_test_fails_where_nobody_answers(tmp_path: Path) -> None:
    code, said = await InPod("http://127.0.0.1:9", tmp_path).verify()
    assert code != 0
    assert not [line for line in said if line.startswith("ok")]


async def test_a_list_that_the_kubelet_brings_counts_in_a_pod_that_runs(running: InPod) -> None:
    running.gets([HELLO])
    await running.until("ok     a tool is called")
    running.gets([{"name": "ada", "tools": []}])
    await running.until("NOT TRIED: a call. The allowlist")
    running.gets([HELLO])
    await running.until("ok     a tool is called")


async def test_a_bad_list_that_the_kubelet_brings_changes_nothing(running: InPod) -> None:
    running.gets([HELLO])
    await running.until("ok     a tool is called")
    running.gets("agents: [{name: ada, tools: everything}]")
    await asyncio.sleep(2.5)
    await running.until("ok     a tool is called")


async def test_servers_that_the_kubelet_brings_are_there_in_a_pod_that_runs(
    running: InPod,
) -> None:
    async with served(Upstream().app()) as behind:
        for servers in ({"files": {"url": f"{behind}/mcp"}}, {}):
            running.gets_servers(servers)
            async with asyncio.timeout(TAKEN_WITHIN_SECONDS):
                while await running.servers() != list(servers):
                    await asyncio.sleep(0.1)


async def test_a_key_that_the_kubelet_takes_away_opens_nothing_in_a_pod_that_runs(
    running: InPod,
) -> None:
    running.gets([HELLO])
    running.gets_keys(ada=NEW_KEY)
    await running.until("ok     a tool is called", NEW_KEY)
    code, said = await running.verify(TOKEN=KEY)
    assert (code, said[-1]) == (1, "status=401")
    running.gets_keys(ada=KEY)
    await running.until("ok     a tool is called")
