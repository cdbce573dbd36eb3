"""Every manifest against the schemas of Kubernetes, custom resources against their definitions."""

import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from rendering import (
    EXAMPLES,
    FETCHED_WITHIN_SECONDS,
    SOLUTION,
    Helm,
    Manifest,
    each_example,
    examples_of,
)

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

CUSTOM = ("gateway.networking.k8s.io", "monitoring.coreos.com", "external-secrets.io")


def known_versions() -> list[str]:
    """Of Kubernetes, the oldest first."""
    names = (
        each.name
        for each in files("kubernetes_validate").joinpath("kubernetes-json-schema").iterdir()
    )
    minors = {match[1] for name in names if (match := re.match(r"v?(1\.\d+)", name))}
    return sorted(minors, key=lambda minor: int(minor.partition(".")[2]))


NEWEST = known_versions()[-3:]


def is_custom(manifest: Manifest) -> bool:
    return str(manifest["apiVersion"]).partition("/")[0] in CUSTOM


def strict(schema: Any) -> Any:
    """A definition that lets no field through that it does not name, as the API server does not."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("pattern"), str):  # Go lets a flag stand anywhere
        made["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    is_open = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and not is_open:
        made.setdefault("additionalProperties", False)
    return made


def definition(folder: Path, manifest: Manifest) -> Any:
    """The schema of a custom resource, with what every resource has."""
    version = manifest["apiVersion"].partition("/")[2]
    for file in folder.iterdir():
        found = yaml.load(file.read_text(), yaml.CSafeLoader)
        if found["spec"]["names"]["kind"] == manifest["kind"]:
            (schema,) = (
                each["schema"]["openAPIV3Schema"]
                for each in found["spec"]["versions"]
                if each["name"] == version
            )
            made = strict(schema)
            made["properties"]["metadata"] = {"type": "object"}
            return made
    raise AssertionError(f"no definition of {manifest['kind']}")


@pytest.mark.parametrize("version", NEWEST)
@each_example
def test_every_manifest_is_one_of_kubernetes(helm_4: Helm, example: Path, version: str) -> None:
    checked = 0
    for manifest in helm_4.having(example).render(None, example):
        if not is_custom(manifest):
            kubernetes_validate.validate(manifest, version, strict=True)
            checked += 1
    assert checked >= 6


def test_a_field_that_does_not_exist_is_found(helm_4: Helm) -> None:
    manifests = helm_4.render(None, examples_of(SOLUTION)["everything"])
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readyProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, NEWEST[-1], strict=True)


def test_every_custom_resource_fits_its_definition(helm_4: Helm, definitions: Path) -> None:
    kinds = set()
    for example in EXAMPLES:
        for manifest in filter(is_custom, helm_4.having(example).render(None, example)):
            jsonschema.validate(manifest, definition(definitions, manifest))
            kinds.add(manifest["kind"])
    assert kinds == {"HTTPRoute", "ServiceMonitor", "PrometheusRule", "ExternalSecret"}


def test_a_custom_field_that_does_not_exist_is_found(helm_4: Helm, definitions: Path) -> None:
    everything = examples_of(SOLUTION)["everything"]
    (route,) = (each for each in helm_4.render(None, everything) if each["kind"] == "HTTPRoute")
    route["spec"]["rules"][0]["timeout"] = "1s"
    with pytest.raises(jsonschema.ValidationError, match="timeout"):
        jsonschema.validate(route, definition(definitions, route))
