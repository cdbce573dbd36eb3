"""What cannot work is refused by the chart of the tool gateway, in a sentence that helps."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from marked import marked
from rendering import FETCHED_WITHIN_SECONDS, TOOL_GATEWAY, Helm, examples_of

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

EXAMPLE = examples_of(TOOL_GATEWAY)
POSTGRES, KEYS, VOLUME = (EXAMPLE[name] for name in ("postgres", "keys", "volume"))
SECRET = "sk-" + "0" * 20
PASSWORD = marked("database").removeprefix("sk-")
OF_POSTGRES = f"postgresql://tools:{PASSWORD}@postgres/tools"


def env(**values: Any) -> dict[str, Any]:
    return {"mcp": {"env": values}}


def mcp(**values: Any) -> dict[str, Any]:
    return {"mcp": values}


def tools(*entries: Any) -> dict[str, Any]:
    return {"allowlist": {"agents": [{"name": "ada", "tools": list(entries)}]}}


def server(name: str = "files", **values: Any) -> dict[str, Any]:
    return {"upstreams": {"servers": {name: {"url": "https://files.example.com/mcp"} | values}}}


ENTRY = {"name": "DATABASE_URL", "value": OF_POSTGRES}

REFUSED: list[tuple[str, Path, dict[str, Any], str]] = [
    ("a version that moves", POSTGRES, mcp(image={"tag": "latest"}), "mcp.image.tag is latest"),
    ("a name that is nearly right", POSTGRES, env(AUDIT_CAPTURE="x"), "AUDIT_CAPTURE is no variab"),
    ("a key that nobody reads", POSTGRES, mcp(replicas=3), "replicas"),
    ("another one", POSTGRES, {"allowlists": {}}, "allowlists"),
    ("a database with its password", POSTGRES, env(DATABASE_URL=OF_POSTGRES), "is a secret"),
    ("the same in a list", POSTGRES, mcp(extraEnvVars=[ENTRY]), "a secret is not a value"),
    ("a secret's text", POSTGRES, env(SEARCH_TOKEN="x"), "a secret is not a value"),
    ("a key under another name", POSTGRES, env(APP_MODE=SECRET), "looks like a key"),
    ("a key in a server", POSTGRES, server(url=f"https://f?key={SECRET}"), "upstreams: what is"),
    ("a key in the list", POSTGRES, tools({"tool": SECRET}), "allowlist: what is there looks"),
    ("no record", POSTGRES, mcp(envVars=[]), "mcp.envVars has no DATABASE_URL"),
    ("a record that is read-only", KEYS, env(DATABASE_URL="sqlite:///a.db"), "is not below sqlite"),
    ("replicas with SQLite", KEYS, mcp(replicaCount=2), "more than one replica needs Postgres"),
    ("the same by itself", KEYS, mcp(autoscaling={"enabled": True}), "needs Postgres"),
    ("a claim nobody mounts", KEYS, mcp(persistence={"enabled": True}), "mounts no claim"),
    ("two pods, a claim", VOLUME, mcp(strategy={"type": "RollingUpdate"}), "has to be Recreate"),
    ("everybody", KEYS, env(AUTH_MODE="disabled"), "it is keycloak or keys"),
    ("nobody's mode", KEYS, env(AUTH_MODE="token"), "AUTH_MODE"),
    ("a number that is none", POSTGRES, env(TOOL_TIMEOUT_SECONDS="5m"), "TOOL_TIMEOUT_SECONDS"),
    ("another port", POSTGRES, env(PORT="8000"), "they are the same port"),
    ("too short a drain", POSTGRES, mcp(terminationGracePeriodSeconds=10), "takes 25 s"),
    ("a tool that is none", POSTGRES, tools({"tool": "a.b.c"}), "allowlist"),
    ("a word nobody reads", POSTGRES, tools({"tool": "a", "allow": True}), "allow"),
    ("a server's name", POSTGRES, server("Files"), "Files"),
    ("a server's word", POSTGRES, server(timeout=3), "timeout"),
    ("a server's patience", POSTGRES, server(timeout_seconds=3600), "timeout_seconds"),
    (
        "a file alone",
        POSTGRES,
        mcp(
            volumeMounts=[
                {"name": "files", "mountPath": "/etc/a.yaml", "subPath": "allowlist.yaml"}
            ]
        ),
        "by subPath",
    ),
]


@pytest.mark.parametrize(
    ("example", "values", "sentence"),
    [case[1:] for case in REFUSED],
    ids=[case[0] for case in REFUSED],
)
def test_it_is_refused(helm: Helm, example: Path, values: dict[str, Any], sentence: str) -> None:
    said = helm.of(TOOL_GATEWAY).refused(values, example)
    assert sentence in said
    assert SECRET not in said
    assert PASSWORD not in said


@pytest.mark.parametrize("missing", ["repository", "tag"])
def test_without_an_image_it_says_what_is_missing(helm: Helm, missing: str) -> None:
    values = yaml.safe_load(POSTGRES.read_text())
    del values["mcp"]["image"][missing]
    said = helm.of(TOOL_GATEWAY).refused(values)
    assert f"mcp.image.{missing} is not set: name the" in said


@pytest.mark.parametrize("missing", ["KEYCLOAK_ISSUER_URL", "KEYCLOAK_AUDIENCE"])
def test_a_realm_has_to_be_named(helm: Helm, missing: str) -> None:
    values = yaml.safe_load(POSTGRES.read_text())
    del values["mcp"]["env"][missing]
    assert f"mcp.env.{missing} is not set: name the realm" in helm.of(TOOL_GATEWAY).refused(values)
