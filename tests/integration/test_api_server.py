"""The charts before a real API server that takes no pod but a restricted one.

Every manifest is stored as it is, upgrades are made by Helm, and what a manifest selects is there.
"""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from api_server import Cluster, applied, pod_of
from rendering import (
    SOLUTION,
    TOOL_GATEWAY,
    Helm,
    Manifest,
    called,
    each_chart,
    each_example,
    examples_of,
    only,
)

BUILT_WITHIN_SECONDS = 900

pytestmark = pytest.mark.timeout(BUILT_WITHIN_SECONDS)

EXAMPLE = examples_of(SOLUTION)


def stored(cluster: Cluster, text: str) -> dict[str, Manifest]:
    """What the server has of these manifests, by their names, with who set which field when.

    Without the version: it counts writes of the same bytes, too, as a volume claim's second one is.
    """
    there = cluster.get("--filename=-", "--show-managed-fields", said=text)["items"]
    for each in there:
        del each["metadata"]["resourceVersion"]
    return {called(each): each for each in there}


def workloads(manifests: list[Manifest]) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in {"Deployment", "StatefulSet"}]


@each_example
def test_the_server_takes_every_manifest_and_the_same_again_changes_nothing(
    cluster: Cluster, helm_4: Helm, namespace: str, example: Path
) -> None:
    manifests = helm_4.having(example).render(None, example, namespace=namespace)
    text = yaml.safe_dump_all(manifests)
    cluster.succeed(*applied(), said=text)
    before = stored(cluster, text)
    assert sorted(before) == sorted(map(called, manifests))
    cluster.succeed(*applied(), said=text)
    assert stored(cluster, text) == before


@pytest.mark.parametrize("kind", ["Deployment", "NetworkPolicy", "HTTPRoute", "ExternalSecret"])
def test_a_field_that_the_server_does_not_know_is_refused(
    cluster: Cluster, helm_4: Helm, namespace: str, kind: str
) -> None:
    manifests = helm_4.render(None, EXAMPLE["everything"], namespace=namespace)
    manifest = next(each for each in manifests if each["kind"] == kind)
    manifest["spec"]["unheardOf"] = True
    said = cluster.refused(*applied("--dry-run=server"), said=yaml.safe_dump(manifest))
    assert "unheardOf" in said


@each_example
def test_the_pods_of_every_workload_are_restricted_ones(
    cluster: Cluster, helm_4: Helm, namespace: str, example: Path
) -> None:
    manifests = helm_4.having(example).render(None, example, namespace=namespace)
    cluster.succeed(*applied(), said=yaml.safe_dump_all(manifests))
    pods = [pod_of(each) for each in workloads(manifests)]
    assert pods
    for pod in pods:
        cluster.succeed("create", "--dry-run=server", "--filename=-", said=yaml.safe_dump(pod))


def test_a_pod_that_may_gain_privileges_is_refused(
    cluster: Cluster, helm_4: Helm, namespace: str
) -> None:
    careless = {"api": {"securityContext": {"allowPrivilegeEscalation": True}}}
    manifests = helm_4.render(careless, EXAMPLE["sidecar"], namespace=namespace)
    cluster.succeed(*applied(), said=yaml.safe_dump(only(manifests, "ServiceAccount")))
    pod = yaml.safe_dump(pod_of(only(manifests, "Deployment")))
    said = cluster.refused("create", "--dry-run=server", "--filename=-", said=pod)
    assert 'violates PodSecurity "restricted' in said
    assert "allowPrivilegeEscalation != false" in said


@each_chart
def test_helm_upgrades_from_each_example_to_the_next_and_leaves_nothing_of_the_last(
    cluster: Cluster, helm: Helm, namespace: str, chart: Path
) -> None:
    helm = helm.of(chart)
    first, *others = examples_of(chart).values()
    for example in [first, *others, first]:
        helm.upgrade(cluster.config, namespace, None, example)
        there = {
            called(each)
            for each in cluster.get(
                "deployments,statefulsets,configmaps,networkpolicies,hpa,pdb,ingresses,httproutes,"
                "servicemonitors,prometheusrules,externalsecrets,services",
                f"--namespace={namespace}",
                "--selector=app.kubernetes.io/managed-by=Helm",
            )["items"]
        }
        rendered = helm.render(None, example, namespace=namespace)
        elsewhere = {"Pod", "PersistentVolumeClaim", "ServiceAccount"}
        assert there == {called(each) for each in rendered if each["kind"] not in elsewhere}


def test_an_upgrade_makes_new_pods_when_the_gateways_config_is_another_and_only_then(
    cluster: Cluster, helm: Helm, namespace: str, tmp_path: Path
) -> None:
    changed = replace(helm, charts=tmp_path / "charts")
    shutil.copytree(helm.charts, changed.charts)
    config = changed.chart / "gateway" / "config.yaml"
    config.write_text(config.read_text() + "\n# changed\n")
    checksum = (
        changed.refused({}, EXAMPLE["sidecar"]).partition("checksum/gateway to ")[2].split()[0]
    )

    def generation() -> Any:
        (deployment,) = cluster.get("deployments", f"--namespace={namespace}")["items"]
        return deployment["metadata"]["generation"]

    helm.upgrade(cluster.config, namespace, None, EXAMPLE["sidecar"])
    first = generation()
    helm.upgrade(cluster.config, namespace, None, EXAMPLE["sidecar"])
    assert generation() == first
    values = {"api": {"podAnnotations": {"checksum/gateway": checksum}}}
    changed.upgrade(cluster.config, namespace, values, EXAMPLE["sidecar"])
    assert generation() == first + 1


def selectors(manifests: list[Manifest]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Of each manifest that selects: its name, what it selects, and by which labels."""
    for each in manifests:
        spec = each.get("spec", {})
        match each["kind"]:
            case "Service":
                yield called(each), "pods", spec["selector"]
            case "PodDisruptionBudget":
                yield called(each), "pods", spec["selector"]["matchLabels"]
            case "NetworkPolicy":
                yield called(each), "pods", spec["podSelector"]["matchLabels"]
            case "ServiceMonitor":
                yield called(each), "services", spec["selector"]["matchLabels"]


@pytest.mark.parametrize(
    ("chart", "example"),
    [
        (SOLUTION, "everything"),
        (SOLUTION, "redis"),
        (SOLUTION, "shared"),
        (TOOL_GATEWAY, "everything"),
        (TOOL_GATEWAY, "volume"),
    ],
)
def test_what_a_manifest_selects_or_names_is_there(
    cluster: Cluster, helm_4: Helm, namespace: str, chart: Path, example: str
) -> None:
    manifests = helm_4.of(chart).render(None, examples_of(chart)[example], namespace=namespace)
    cluster.succeed(*applied(), said=yaml.safe_dump_all(manifests))
    for workload in workloads(manifests):
        cluster.succeed("create", "--filename=-", said=yaml.safe_dump(pod_of(workload)))
    here = f"--namespace={namespace}"
    seen = set()
    for name, selected, labels in selectors(manifests):
        wanted = ",".join(f"{key}={value}" for key, value in labels.items())
        found = cluster.get(selected, here, f"--selector={wanted}")["items"]
        assert len(found) == 1, name
        seen.add(name.partition("/")[0])
    assert {"Service", "PodDisruptionBudget", "NetworkPolicy"} <= seen
    for each in manifests:
        if each["kind"] == "HorizontalPodAutoscaler":
            target = each["spec"]["scaleTargetRef"]
            cluster.get(target["kind"].lower(), target["name"], here, "--subresource=scale")
        if each["kind"] == "HTTPRoute":
            for backend in (ref for rule in each["spec"]["rules"] for ref in rule["backendRefs"]):
                service = cluster.get("service", backend["name"], here)
                assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
