"""The chart of the tool gateway: what it lets be said is what the gateway reads."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubelet import files_of, pod
from rendering import FETCHED_WITHIN_SECONDS, SOLUTION, TOOL_GATEWAY, Helm, examples_of
from runtime_mcp.allowlist import allowlist
from runtime_mcp.allowlist.allowlist import Allowlist, Entry, Grant
from runtime_mcp.settings import Settings
from runtime_mcp.upstreams import config
from runtime_mcp.upstreams.config import HttpServerConfig, StdioServerConfig, UpstreamsConfig

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

EXAMPLE = examples_of(TOOL_GATEWAY)
VALUES = yaml.safe_load((TOOL_GATEWAY / "values.yaml").read_text())
SCHEMA = json.loads((TOOL_GATEWAY / "values.schema.json").read_text())


@pytest.fixture
def charted(helm: Helm) -> Helm:
    return helm.of(TOOL_GATEWAY)


def test_every_variable_is_known_and_has_its_own_default() -> None:
    fields = {name.upper(): field for name, field in Settings.model_fields.items()}
    text = (TOOL_GATEWAY / "templates" / "_names.tpl").read_text()
    _, _, known = text.partition('"runtime-mcp.known"')
    assert {word for word in known.split('"')[1::2] if word.isupper()} == set(fields)
    env = VALUES["mcp"]["env"]
    of_the_pod = {"ALLOWLIST_FILE", "UPSTREAMS_FILE", "AGENT_KEYS_FILE", "LLM_SERVICE_URL", "HOST"}
    assert set(env) <= set(fields)
    for name in set(env) - of_the_pod:
        assert env[name] == str(fields[name].default).removesuffix(".0").lower().replace(
            "info", "INFO"
        ), name


@pytest.mark.parametrize(
    ("where", "model"),
    [
        (SCHEMA["properties"]["allowlist"], Allowlist),
        (SCHEMA["definitions"]["grant"], Grant),
        (SCHEMA["definitions"]["entry"], Entry),
        (SCHEMA["properties"]["upstreams"], UpstreamsConfig),
        (SCHEMA["definitions"]["httpServer"], HttpServerConfig),
        (SCHEMA["definitions"]["stdioServer"], StdioServerConfig),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_the_schema_lets_in_what_the_gateway_reads_and_no_more(where: Any, model: Any) -> None:
    assert set(where["properties"]) == set(model.model_fields)
    assert where["additionalProperties"] is False


@pytest.mark.parametrize("example", EXAMPLE.values(), ids=EXAMPLE)
def test_the_gateway_reads_the_files_as_they_were_said(charted: Helm, example: Path) -> None:
    manifests = charted.render(None, example)
    (volume,) = (each for each in pod(manifests)["volumes"] if each["name"] == "files")
    files = files_of(manifests, volume)
    said = yaml.safe_load(example.read_text())
    agents = said.get("allowlist", {}).get("agents", [])
    assert allowlist.parse(files["allowlist.yaml"]) == Allowlist.model_validate({"agents": agents})
    servers = said.get("upstreams", {}).get("servers", {})
    read = config.parse(files["upstreams.yaml"], {})
    assert read == UpstreamsConfig.model_validate({"servers": servers})


@pytest.mark.parametrize("example", EXAMPLE.values(), ids=EXAMPLE)
def test_every_file_that_a_variable_names_is_in_a_folder_that_is_mounted(
    charted: Helm, example: Path
) -> None:
    spec = pod(charted.render(None, example))
    (container,) = spec["containers"]
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    volumes = {each["name"] for each in spec["volumes"]}
    assert {each["name"] for each in mounts.values()} == volumes
    assert not any("subPath" in each for each in mounts.values())
    for variable in container["env"]:
        if variable["name"].endswith("_FILE"):
            assert str(Path(variable["value"]).parent) in mounts


def test_without_an_address_of_the_database_no_pod_starts(charted: Helm) -> None:
    (container,) = pod(charted.render(None, EXAMPLE["postgres"]))["containers"]
    (database,) = (each for each in container["env"] if each["name"] == "DATABASE_URL")
    assert database["valueFrom"] == {
        "secretKeyRef": {"name": f"{SOLUTION.name}-secrets", "key": "database-url"}
    }


def test_no_change_of_the_files_makes_new_pods(charted: Helm) -> None:
    maps = {
        each["metadata"]["name"]: each["metadata"]["annotations"]
        for each in charted.render(None, EXAMPLE["postgres"])
        if each["kind"] == "ConfigMap"
    }
    ignored = {name for name, said in maps.items() if "reloader.stakater.com/ignore" in said}
    assert ignored == {"runtime-mcp-allowlist", "runtime-mcp-upstreams"}


@pytest.mark.parametrize(
    ("which", "changed"),
    [
        ("allowlist", {"agents": [{"name": "ada", "tools": []}]}),
        ("upstreams", {"servers": {"files": {"url": "https://files.example.com/mcp"}}}),
    ],
)
def test_the_checksum_of_a_file_is_another_when_the_file_is(
    charted: Helm, which: str, changed: Any
) -> None:
    def checksums(values: dict[str, Any] | None) -> dict[str, str]:
        return {
            name: text
            for each in charted.render(values, EXAMPLE["postgres"])
            if each["kind"] == "ConfigMap"
            for name, text in each["metadata"]["annotations"].items()
        }

    one, other = checksums(None), checksums({which: changed})
    assert {name for name in one if one[name] != other[name]} == {f"checksum/{which}"}
