"""The README's "Operate it": its lines, as they stand there, against a real API server."""

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest
import yaml

from api_server import Cluster, pod_of
from chassis.identity.api_keys import ApiKey, parse_keys
from rendering import SOLUTION, TOOL_GATEWAY, Helm, examples_of, only
from running import ROOT

pytestmark = pytest.mark.timeout(900)

NAMESPACE = f"em-{SOLUTION.name}"
DEPLOYMENT = f"{SOLUTION.name}-api"
NEEDS_A_NODE = ("logs", "exec")
"""What a kubelet answers: the server finds the container's node, and has no address of it."""
SIDECAR = examples_of(SOLUTION)["sidecar"]
TOOLS = f"{SOLUTION.name}-runtime-mcp"
SECRETS = f"{SOLUTION.name}-secrets"


def section() -> str:
    text = (ROOT / "README.md").read_text()
    return text.partition("\n## Operate it\n")[2].partition("\n## ")[0]


def lines(title: str) -> str:
    """The shell lines under this title."""
    return "\n".join(blocks(title))


def blocks(title: str) -> list[str]:
    """The same, where something is to be done between them."""
    part = section().partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    return re.findall(r"```sh\n(.*?)```", part, re.DOTALL)


@pytest.fixture(scope="module")
def release(cluster: Cluster, helm_4: Helm) -> Helm:
    """The release of the README, in its namespace, with its secrets."""
    cluster.succeed("create", "namespace", NAMESPACE)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    here = f"--namespace={NAMESPACE}"
    cluster.succeed("create", here, "--filename=-", said=yaml.safe_dump(account))
    secret = ("create", here, "secret", "generic", SECRETS)
    cluster.succeed(*secret, "--from-literal=llm-gateway-api-key=old", "--from-literal=kept=yes")
    helm_4.upgrade(cluster.config, NAMESPACE, None, SIDECAR)
    return helm_4


def pasted(
    cluster: Cluster, helm: Helm, folder: Path, text: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """What a shell makes of these lines, in which `kubectl` and `helm` are the real ones."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, program in (("kubectl", cluster.kubectl), ("helm", helm.program)):
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to(program)
    env = os.environ | {"KUBECONFIG": str(cluster.config), "HELM_DATA_HOME": str(folder)}
    env |= {"PATH": f"{programs}:{os.environ['PATH']}", "KUBECACHEDIR": str(folder / "cache")}
    return subprocess.run(
        ["/bin/sh", "-ec", text],
        cwd=folder,
        env=env | more,
        check=False,
        capture_output=True,
        text=True,
    )


def deployment(cluster: Cluster, name: str = DEPLOYMENT) -> Any:
    return cluster.get("deployment", name, f"--namespace={NAMESPACE}")


def test_a_rotated_key_is_in_the_secret_beside_the_others_and_new_pods_are_made(
    cluster: Cluster, release: Helm, tmp_path: Path
) -> None:
    before = deployment(cluster)["metadata"]["generation"]
    done = pasted(cluster, release, tmp_path, lines("Rotate a key"))
    assert done.returncode == 0, done.stderr
    data = cluster.get("secret", SECRETS, f"--namespace={NAMESPACE}")["data"]
    assert set(data) == {"llm-gateway-api-key", "kept"}
    assert len(data["llm-gateway-api-key"]) > len("old") * 10
    assert deployment(cluster)["metadata"]["generation"] == before + 1


def test_a_changed_limit_and_an_added_model_reach_the_pods(
    cluster: Cluster, release: Helm, tmp_path: Path
) -> None:
    (entry,) = re.findall(r"```yaml\n(.*?)```", section(), re.DOTALL)
    shutil.copytree(ROOT / "charts", tmp_path / "charts", ignore=shutil.ignore_patterns("*.tgz"))
    for folder in ("tools", "requirements"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "README.md", tmp_path)
    file = tmp_path / SOLUTION.relative_to(ROOT) / "gateway" / "config.yaml"
    config = file.read_text().replace("\nprojects:\n", "\nprojects:\n  demo: {rpm: 2}\n")
    models = f"\nmodel_list:\n{indent(entry, '  ')}"
    file.write_text(config.replace("\nmodel_list:\n", models, 1))
    before = deployment(cluster)
    # `make chart` without its set-up: the environment is here already.
    chart = f"{ROOT}/.venv/bin/python tools/chart_values.py && tools/chart.sh"
    words = lines("Change a limit").replace("make chart", f"({chart})")
    done = pasted(cluster, release, tmp_path, words)
    assert done.returncode == 0, done.stdout + done.stderr
    after = deployment(cluster)
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    maps = cluster.get("configmaps", f"--namespace={NAMESPACE}")["items"]
    (served,) = (each["data"]["config.yaml"] for each in maps if "config.yaml" in each["data"])
    read = yaml.safe_load(served)
    assert read["projects"]["demo"] == {"rpm": 2}
    assert read["model_list"][0] == yaml.safe_load(entry)[0]


def test_a_drain_asks_for_the_pods_of_the_node_and_for_no_other(
    cluster: Cluster, release: Helm, tmp_path: Path
) -> None:
    for name in ("drained", "kept"):
        put_on_node(cluster, release, name)
    words = lines("Drain a node").strip() + " --dry-run=server"
    done = pasted(cluster, release, tmp_path, words, NODE="drained")
    assert done.returncode == 0, done.stderr
    assert "drained-pod" in done.stdout
    assert "kept-pod" not in done.stdout


def put_on_node(
    cluster: Cluster, release: Helm, name: str, values: Path = SIDECAR, of: str = DEPLOYMENT
) -> None:
    """A pod of the release that is on a node of this name, where no kubelet is."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
    cluster.succeed("create", "--filename=-", said=yaml.safe_dump(node))
    pod = pod_of(only(release.render(None, values, namespace=NAMESPACE), "Deployment"))
    pod["spec"]["nodeName"] = name
    pod["metadata"] |= {"ownerReferences": [owner(cluster, of)], "name": f"{name}-pod"}
    cluster.succeed("create", "--filename=-", said=yaml.safe_dump(pod))


def owner(cluster: Cluster, name: str) -> dict[str, Any]:
    """What makes a pod one that comes back elsewhere."""
    spec = deployment(cluster, name)["spec"]
    replicas = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"selector": spec["selector"], "template": spec["template"]},
    }
    cluster.succeed("apply", "--filename=-", said=yaml.safe_dump(replicas))
    made = cluster.get("replicaset", name, f"--namespace={NAMESPACE}")
    identity = {"name": name, "uid": made["metadata"]["uid"], "controller": True}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet"} | identity


def test_what_is_looked_at_when_the_gateway_is_down_names_what_is_there(
    cluster: Cluster, release: Helm, tmp_path: Path
) -> None:
    put_on_node(cluster, release, "looked-at")
    for line in lines("The gateway is down").strip().splitlines():
        done = pasted(cluster, release, tmp_path, line)
        if any(f" {word} " in line for word in NEEDS_A_NODE):
            assert "no preferred addresses found" in done.stderr, line
        else:
            assert done.returncode == 0, done.stderr


def test_the_alerts_and_the_codes_that_it_names_exist() -> None:
    files = ROOT.glob("charts/*/observability/alerts.yaml")
    alerts = "".join(file.read_text() for file in files)
    named = set(re.findall(r"`((?:Llm|Mcp)[A-Za-z]+)`", section()))
    assert named
    assert all(f"alert: {name}\n" in alerts for name in named)
    errors = "".join(
        (ROOT / "packages" / name / "src" / name / "errors.py").read_text()
        for name in ("api", "chassis")
    )
    for code in ("rate_limited", "budget_exhausted", "draining", "gateway_unavailable"):
        assert f"`{code}`" in section()
        assert code in errors


@pytest.fixture(scope="module")
def tool_gateway(cluster: Cluster, release: Helm) -> Helm:
    """The release of the tool gateway beside it."""
    helm = release.of(TOOL_GATEWAY)
    helm.upgrade(cluster.config, NAMESPACE, None, examples_of(TOOL_GATEWAY)["keys"])
    return helm


def test_an_agents_key_is_rotated_in_the_secret_beside_the_others(
    cluster: Cluster, tool_gateway: Helm, tmp_path: Path
) -> None:
    old = {"name": "ada", "organisation": "acme", "sha256": "0" * 64}
    before = {"stringData": {"agent-keys": yaml.safe_dump({"agents": [old]})}}
    patch = f"--patch={json.dumps(before)}"
    cluster.succeed("patch", f"--namespace={NAMESPACE}", "secret", SECRETS, patch)
    fetched, brought = blocks("Rotate an agent's key")
    done = pasted(cluster, tool_gateway, tmp_path, fetched + 'printf "%s" "$key" > key')
    assert done.returncode == 0, done.stderr
    file = tmp_path / "agent-keys.yaml"
    assert parse_keys(file.read_text()).agents == [ApiKey.model_validate(old)]
    new = {"name": "ada", "organisation": "acme"} | yaml.safe_load(done.stdout)
    assert new["sha256"] == hashlib.sha256((tmp_path / "key").read_bytes()).hexdigest()
    file.write_text(yaml.safe_dump({"agents": [old, new]}))
    done = pasted(cluster, tool_gateway, tmp_path, brought)
    assert done.returncode == 0, done.stderr
    data = cluster.get("secret", SECRETS, f"--namespace={NAMESPACE}")["data"]
    assert base64.b64decode(data["agent-keys"]).decode() == file.read_text()
    assert {"kept", "llm-gateway-api-key"} <= set(data)


def test_a_tool_is_allowed_without_a_new_pod(
    cluster: Cluster, tool_gateway: Helm, tmp_path: Path
) -> None:
    (tmp_path / "dist").mkdir()
    tool_gateway.succeed("package", tool_gateway.chart, "--destination", tmp_path / "dist/charts")
    agents = [{"name": "ada", "tools": [{"tool": "hello_world"}, {"tool": "files.write"}]}]
    values = yaml.safe_dump({"allowlist": {"agents": agents}})
    (tmp_path / "my-allowlist-and-servers.yaml").write_text(values)
    before = deployment(cluster, TOOLS)
    upgrade, _, looked = lines("Let an agent call a tool").partition("kubectl")
    done = pasted(cluster, tool_gateway, tmp_path, upgrade)
    assert done.returncode == 0, done.stderr
    assert deployment(cluster, TOOLS)["metadata"]["generation"] == before["metadata"]["generation"]
    said = cluster.get("configmap", "runtime-mcp-allowlist", f"--namespace={NAMESPACE}")["data"]
    assert yaml.safe_load(said["allowlist.yaml"]) == {"agents": agents}
    assert looked


def test_what_is_looked_at_in_the_tool_gateway_is_in_its_pod_and_its_image(
    cluster: Cluster, tool_gateway: Helm, tmp_path: Path
) -> None:
    put_on_node(cluster, tool_gateway, "of-tools", examples_of(TOOL_GATEWAY)["keys"], TOOLS)
    titles = ("Let an agent call a tool", "Accept a tool that changed", "Tool calls cannot be rec")
    asked = [
        line
        for title in titles
        for line in section().partition(f"\n### {title}")[2].partition("\n### ")[0].splitlines()
        if line.startswith("kubectl")
    ]
    assert len(asked) == 5
    for line in asked:
        done = pasted(cluster, tool_gateway, tmp_path, line)
        assert "no preferred addresses found" in done.stderr, line
        words = shlex.split(line.partition(" -- ")[2])
        if words[:1] == ["runtime-mcp"]:
            program = str(Path(sys.executable).with_name("runtime-mcp"))
            help_of = [program, *words[1:], "--help"]
            assert subprocess.run(help_of, check=False, capture_output=True).returncode == 0, line
