"""What the pod promises: who has which key, who outlives whom, and what makes it a new one."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import Settings
from chassis.server.server import GRACE_SECONDS, LAST_WORDS_SECONDS
from kubelet import pod
from local.run.environments import OFFLINE_LITELLM
from rendering import FETCHED_WITHIN_SECONDS, SOLUTION, Helm, called, examples_of, only
from running import ROOT

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

PROVIDER_SECRETS = "provider-secrets"
EXAMPLE = examples_of(SOLUTION)
each_example_of_it = pytest.mark.parametrize("example", EXAMPLE.values(), ids=EXAMPLE)
MOUNTED = f"{SOLUTION.name}-gateway"
VALUES = yaml.safe_load((SOLUTION / "values.yaml").read_text())


def containers(spec: Any) -> dict[str, Any]:
    """All of a pod, by name."""
    return {each["name"]: each for each in spec.get("initContainers", []) + spec["containers"]}


def variables(container: Any) -> dict[str, Any]:
    names = [each["name"] for each in container["env"]]
    assert len(names) == len(set(names))
    return {each["name"]: each for each in container["env"]}


@each_example_of_it
def test_provider_keys_are_mounted_only_into_the_gateway(helm: Helm, example: Path) -> None:
    manifests = helm.render(None, example)
    for manifest in manifests:
        if manifest["kind"] == "Pod":
            assert PROVIDER_SECRETS not in str(manifest)
    for name, container in containers(pod(manifests)).items():
        assert (PROVIDER_SECRETS in str(container)) == (name == "litellm")
    assert PROVIDER_SECRETS not in str(pod(manifests).get("volumes", ""))


def test_a_plain_value_suppresses_the_secret_of_the_same_name(helm: Helm) -> None:
    plain = helm.render({"api": {"env": {"LANGFUSE_HOST": "http://here"}}}, EXAMPLE["sidecar"])
    env = variables(containers(pod(plain))["api"])
    assert env["LANGFUSE_HOST"] == {"name": "LANGFUSE_HOST", "value": "http://here"}
    untouched = variables(containers(pod(helm.render(None, EXAMPLE["sidecar"])))["api"])
    assert "configMapKeyRef" in untouched["LANGFUSE_HOST"]["valueFrom"]


def test_of_two_entries_the_operators_counts(helm: Helm) -> None:
    key = {"name": "REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "url"}}}
    env = variables(
        containers(pod(helm.render({"api": {"extraEnvVars": [key]}}, EXAMPLE["sidecar"])))["api"]
    )
    assert env["REDIS_URL"] == key


def test_the_pod_is_another_when_the_gateways_config_is(
    helms: dict[str, Helm], tmp_path: Path
) -> None:
    helm = replace(helms["4"], charts=tmp_path / "charts")
    shutil.copytree(helms["4"].charts, helm.charts)
    before = only(helm.render(None, EXAMPLE["sidecar"]), "Deployment")
    config = helm.chart / "gateway" / "config.yaml"
    config.write_text(config.read_text() + "\n# changed\n")
    said = helm.refused({}, EXAMPLE["sidecar"])
    assert "gateway/ was changed" in said
    checksum = said.partition("checksum/gateway to ")[2].split()[0]
    changed = {"api": {"podAnnotations": {"checksum/gateway": checksum}}}
    after = only(helm.render(changed, EXAMPLE["sidecar"]), "Deployment")
    assert before["spec"]["template"] != after["spec"]["template"]


def test_the_gateway_mounts_its_folder_byte_for_byte(helm: Helm) -> None:
    manifests = helm.render(None, EXAMPLE["sidecar"])
    (config_map,) = (each for each in manifests if called(each) == f"ConfigMap/{MOUNTED}")
    (volume,) = (each for each in pod(manifests)["volumes"] if each["name"] == "gateway")
    mounts = containers(pod(manifests))["litellm"]["volumeMounts"]
    assert {"name": "gateway", "mountPath": "/etc/litellm", "readOnly": True} in mounts
    assert volume["configMap"]["name"] == MOUNTED
    mounted = {each["path"]: each["key"] for each in volume["configMap"]["items"]}
    assert set(mounted.values()) == set(config_map["data"])
    folder = SOLUTION / "gateway"
    files = [file for file in folder.rglob("*") if file.is_file() and file.suffix != ".pyc"]
    assert {path: config_map["data"][key].encode() for path, key in mounted.items()} == {
        file.relative_to(folder).as_posix(): file.read_bytes() for file in files
    }


def test_a_volume_that_lacks_a_file_of_the_gateway_is_refused(helm: Helm) -> None:
    volumes = yaml.safe_load((SOLUTION / "values.yaml").read_text())["api"]["extraVolumes"]
    lost = volumes[0]["configMap"]["items"].pop()
    said = helm.refused({"api": {"extraVolumes": volumes}}, EXAMPLE["sidecar"])
    assert f"the volume of the gateway does not mount {lost['path']}" in said


def test_the_gateway_starts_first_and_ends_last_as_a_native_sidecar(helm: Helm) -> None:
    plain = pod(helm.render(None, EXAMPLE["sidecar"]))
    native = pod(helm.render(None, EXAMPLE["native"]))
    assert [each["name"] for each in plain["containers"]] == ["api", "litellm"]
    assert [each["name"] for each in native["containers"]] == ["api"]
    (sidecar,) = native["initContainers"]
    assert sidecar.pop("restartPolicy") == "Always"
    assert sidecar == plain["containers"][1]
    assert sidecar["startupProbe"]["httpGet"]["path"] == "/health/liveliness"


def test_a_shared_gateway_leaves_nothing_of_the_sidecar(helm: Helm) -> None:
    manifests = helm.render(None, EXAMPLE["shared"])
    assert list(containers(pod(manifests))) == ["api"]
    assert "volumes" not in pod(manifests)
    assert not [each for each in manifests if each["kind"] == "ConfigMap"]


@each_example_of_it
def test_no_probe_calls_a_model(helm_4: Helm, example: Path) -> None:
    allowed = {"/health/live", "/health/ready", "/health/liveliness", "/health/readiness"}
    for container in containers(pod(helm_4.render(None, example))).values():
        probes = [value for key, value in container.items() if key.endswith("Probe")]
        assert len(probes) == 3
        assert {probe["httpGet"]["path"] for probe in probes} <= allowed


def test_the_grace_of_the_pod_is_longer_than_the_services_and_the_gateway_outlives_it(
    helm_4: Helm,
) -> None:
    spec = pod(helm_4.render(None, EXAMPLE["sidecar"]))
    api, gateway = spec["containers"]
    sleeps = float(api["lifecycle"]["preStop"]["exec"]["command"][-1])
    drained = sleeps + GRACE_SECONDS + LAST_WORDS_SECONDS
    *_, script, port, waits = gateway["lifecycle"]["preStop"]["exec"]["command"]
    assert (SOLUTION / "gateway" / Path(script).name).exists()
    assert int(port) == api["ports"][0]["containerPort"]
    assert drained <= float(waits) < spec["terminationGracePeriodSeconds"]


def test_every_variable_of_the_service_is_known_and_has_its_own_default() -> None:
    known = {name.upper() for name in Settings.model_fields}
    text = (SOLUTION / "templates" / "_variables.tpl").read_text()
    assert {word for word in text.split('"')[1::2] if word.isupper()} == known
    env = VALUES["api"]["env"]
    assert set(env) <= known
    ours = {"LLM_GATEWAY_URL", "HOST"}
    for name, field in Settings.model_fields.items():
        if name.upper() in env and name.upper() not in ours:
            default = field.default
            shown = ",".join(default) if isinstance(default, tuple) else str(default)
            if isinstance(default, bool):
                shown = str(default).lower()
            if isinstance(default, float | int) and not isinstance(default, bool):
                assert float(env[name.upper()]) == default, name
            else:
                assert env[name.upper()] == shown, name


def test_the_gateway_fetches_nothing_at_its_start_as_on_a_laptop() -> None:
    (sidecar,) = VALUES["api"]["extraContainers"]
    env = {each["name"]: each.get("value") for each in sidecar["env"]}
    assert env.items() >= OFFLINE_LITELLM.items()


def test_the_gateways_image_is_of_the_version_that_is_tested() -> None:
    (sidecar,) = VALUES["api"]["extraContainers"]
    locked = (ROOT / "requirements" / "gateway.txt").read_text()
    version = sidecar["image"].rpartition(":v")[2]
    assert f"litellm=={version} " in locked


def test_every_variable_of_the_gateways_config_is_wired() -> None:
    (sidecar,) = VALUES["api"]["extraContainers"]
    named = {each["name"] for each in sidecar["env"]}
    config = (SOLUTION / "gateway" / "config.yaml").read_text()
    asked = {
        word.strip("\"'},")
        for word in config.split("os.environ/")[1:]
        for word in [word.split()[0]]
    }
    assert asked <= named
