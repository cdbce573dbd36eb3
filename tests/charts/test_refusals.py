"""What cannot work is refused before it is installed, in a sentence that says what to do."""

from typing import Any

import pytest
import yaml

from rendering import FETCHED_WITHIN_SECONDS, SOLUTION, Helm, examples_of

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

EXAMPLE = examples_of(SOLUTION)
SECRET = "sk-" + "0" * 20


def env(**values: Any) -> dict[str, Any]:
    return {"api": {"env": values}}


def entry(**words: Any) -> dict[str, Any]:
    return {"api": {"extraEnvVars": [words]}}


def litellm(image: str) -> dict[str, Any]:
    return {"api": {"extraContainers": [{"name": "litellm", "image": image}]}}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a version that moves", {"api": {"image": {"tag": "latest"}}}, "api.image.tag is latest"),
    ("a name that is nearly right", env(LLM_GATEWAY_ULR="x"), "LLM_GATEWAY_ULR is no variable"),
    ("the gateway's key as a value", env(LLM_GATEWAY_API_KEY=SECRET), "named in api.envVars"),
    ("Redis with its password", env(REDIS_URL="redis://:p@h/0"), "named in api.envVars"),
    ("a provider's key in the service", env(GEMINI_API_KEY="x"), "the container litellm alone"),
    ("a secret's text in a list", entry(name="APP_TOKEN", value="x"), "a secret is not a value"),
    (
        "a provider's key by its secret",
        entry(name="MISTRAL_API_KEY", valueFrom={"secretKeyRef": {"name": "p", "key": "k"}}),
        "a provider's key, which the service must not have",
    ),
    ("a key under another name", env(APP_MODE=SECRET), "looks like a key"),
    ("a number that is none", env(LLM_TIMEOUT_SECONDS="5m"), "LLM_TIMEOUT_SECONDS"),
    ("a key that nobody reads", {"api": {"replicas": 3}}, "replicas"),
    ("another one", {"networkPolicies": {}}, "networkPolicies"),
    ("replicas that share nothing", {"api": {"replicaCount": 2}}, "needs redis.mode"),
    ("the same by the autoscaler", {"api": {"autoscaling": {"enabled": True}}}, "needs redis.mode"),
    ("a gateway that is not there", {"api": {"extraContainers": []}}, "name the shared gateway"),
    ("two gateways", env(LLM_GATEWAY_URL="https://g.example.com/v1"), "take it out"),
    ("a gateway of any version", litellm("ghcr.io/berriai/litellm:main-latest"), "name a version"),
    ("a gateway without a version", litellm("ghcr.io/berriai/litellm"), "name a version"),
    ("too short a drain", {"api": {"terminationGracePeriodSeconds": 10}}, "takes 27 s"),
    ("secrets from nowhere", {"externalSecrets": {"enabled": True}}, "store.name is not set"),
]


@pytest.mark.parametrize(
    ("values", "sentence"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_it_is_refused(helm: Helm, values: dict[str, Any], sentence: str) -> None:
    said = helm.refused(values, EXAMPLE["sidecar"])
    assert sentence in said
    assert SECRET not in said


@pytest.mark.parametrize("missing", ["repository", "tag"])
def test_a_values_file_without_an_image_says_what_is_missing(helm: Helm, missing: str) -> None:
    values = yaml.safe_load(EXAMPLE["sidecar"].read_text())
    del values["api"]["image"][missing]
    said = helm.refused(values)
    assert f"api.image.{missing} is not set: name the" in said


@pytest.mark.parametrize("missing", ["KEYCLOAK_ISSUER_URL", "KEYCLOAK_AUDIENCE"])
def test_a_realm_has_to_be_named(helm: Helm, missing: str) -> None:
    values = yaml.safe_load(EXAMPLE["sidecar"].read_text())
    del values["api"]["env"][missing]
    assert f"api.env.{missing} is not set: name the realm" in helm.refused(values)


def test_the_shared_gateway_needs_no_container(helm: Helm) -> None:
    assert helm.render(None, EXAMPLE["shared"])
