"""Where a secret is, and where none is: in the Compose files, and in what their scripts write."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from api.settings import Settings, load_settings
from composing import FILES, SERVICES, Service
from local.config_check import CONFIG
from local.run.config import read, references
from local.run.environments import POLICY, TRACES
from running import ROOT
from runtime_mcp.allowlist import allowlist
from runtime_mcp.settings import Settings as ToolGatewaySettings

each = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
SECRET = re.compile(r"(PASSWORD|TOKEN|SECRET\w*|_KEY|SALT|REDIS_AUTH)$")
PROVIDERS = {name for _, name in references(read(CONFIG)["model_list"])}
LANGFUSE = {"LANGFUSE_HOST", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY"}
NEEDS_ITS_OWN_FILES = {
    "keycloak": "it builds itself anew at each start in dev mode",
    "langfuse-web": "Prisma and Next.js write beside their code",
    "langfuse-worker": "the same",
    "langfuse-clickhouse": "its entry point writes the user into its config",
    "langfuse-minio": "it writes into its home",
    "ollama": "it writes into its home",
}
ROOT_OF_ITS_OWN = {
    "langfuse-minio": "a volume of its image is root's",
    "ollama": "the same",
    "ollama-model": "it writes for others",
}
SETS_ITS_USER = {"keycloak", "openfga", "langfuse-web", "langfuse-worker"}
"""Images that are not root of themselves."""


def test_the_only_variables_that_the_files_ask_for_are_ports_and_each_has_a_default() -> None:
    """And the project's name, which Compose sets of itself."""
    for file in FILES:
        text = file.read_text().replace("${COMPOSE_PROJECT_NAME}", "")
        asked = re.findall(r"(?<!\$)\$\{?\w+[^}\s]*\}?", text)
        assert all(re.fullmatch(r"\$\{([A-Z]+_)*PORT:-\d+\}", said) for said in asked), file


@each
def test_no_secret_has_a_value_in_the_files(service: Service) -> None:
    assert not [name for name in service.environment if SECRET.search(name)]
    for volume, name, value in service.writes:
        if SECRET.search(name):
            copied = {f"@/{other}/{key}" for other, key, _ in everything_written()}
            assert value in copied or re.fullmatch(r"(sk-local-|[ps]k-lf-)?random", value), volume


def everything_written() -> list[tuple[str, str, str]]:
    return [written for service in SERVICES.values() for written in service.writes]


def test_a_secret_is_made_before_it_is_copied() -> None:
    for service in SERVICES.values():
        made: set[str] = set()
        for volume, name, value in service.writes:
            assert not value.startswith("@") or value[1:] in made, name
            made.add(f"/{volume}/{name}")


def test_the_keys_of_providers_reach_the_gateway_and_no_other_service() -> None:
    for service in SERVICES.values():
        passed = service.from_the_shell - LANGFUSE
        if service.name == "gateway":
            assert passed == {name for name in PROVIDERS if not name.startswith("VERTEXAI_")}
        else:
            assert not passed, service.name
        assert not service.environment.keys() & PROVIDERS
        assert "env_file" not in service.said


def test_a_service_is_given_the_variables_that_are_its_own() -> None:
    ours = {"api": {name.upper() for name in Settings.model_fields}}
    ours["gateway"] = POLICY | TRACES | PROVIDERS | {"LITELLM_MASTER_KEY"}
    ours["runtime-mcp"] = {name.upper() for name in ToolGatewaySettings.model_fields}
    for volume, name, _ in everything_written():
        if (reader := volume.removeprefix("for-")) in ours and not name.startswith("keys/"):
            assert name in ours[reader]
    for name in ("api", "api-2"):
        service = SERVICES[name]
        assert service.environment.keys() | service.from_the_shell <= ours["api"]
    tools = SERVICES["runtime-mcp"]
    assert tools.environment.keys() | tools.from_the_shell <= ours["runtime-mcp"]
    theirs = SERVICES["gateway"].environment.keys() | SERVICES["gateway"].from_the_shell
    assert theirs <= ours["gateway"] | {"LOCAL_LLM_URL", "FAULT_MODELS_URL"}


@each
def test_a_service_reads_the_variables_of_its_own_and_nobody_elses(service: Service) -> None:
    for mount in service.mounts:
        if str(mount.source).startswith("for-"):
            written = mount.source in {volume for volume, _, _ in service.writes}
            reader = str(mount.source).removeprefix("for-")
            assert (
                service.name.startswith(reader)
                or (written and not mount.read_only)
                or (service.name, mount.source)
                in {
                    ("load", "for-api"),
                    ("variables", "for-gateway"),
                    ("variables", "for-runtime-mcp"),
                }
                or (service.name, mount.source) == ("auth-variables", "for-openfga")
            )


@each
def test_nobody_may_gain_a_right_and_what_can_do_without_has_no_user_root_and_no_files_of_its_own(
    service: Service,
) -> None:
    said = service.said
    assert said["cap_drop"] == ["ALL"]
    assert said["security_opt"] == ["no-new-privileges:true"]
    assert said.get("read_only", False) == (service.name not in NEEDS_ITS_OWN_FILES)
    writes_for_others = service.name == "load" or any(service.writes)
    if said.get("user") == "0:0":
        assert writes_for_others
    elif service.name not in ROOT_OF_ITS_OWN.keys() | SETS_ITS_USER and not service.is_ours:
        assert re.fullmatch(r"[1-9]\d+:\d+", said["user"])


def test_the_api_takes_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    given = SERVICES["api"].environment
    for name, value in (given | {"LLM_GATEWAY_API_KEY": "sk-local-0"}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.host == "0.0.0.0"
    assert settings.auth_mode == "disabled"


def sh(script: str, *words: object, check: bool = True) -> str:
    command = ["sh", str(ROOT / "compose" / script), *map(str, words)]
    return subprocess.run(command, check=check, capture_output=True, text=True).stdout


def test_a_secret_is_made_once_and_what_is_said_is_written_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        sh("write.sh", f"{tmp_path}/KEY=sk-random", f"{tmp_path}/SAID=a b={number}")
        if number == 1:
            first = (tmp_path / "KEY").read_text()
    assert re.fullmatch(r"sk-[0-9a-f]{64}", first)
    assert (tmp_path / "KEY").read_text() == first
    assert (tmp_path / "SAID").read_text() == "a b=2"
    sh("write.sh", f"{tmp_path}/OTHER=random", f"{tmp_path}/COPY=@{tmp_path}/KEY")
    assert (tmp_path / "COPY").read_text() == first
    assert (tmp_path / "OTHER").read_text() not in first
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o644}


def test_what_cannot_be_written_ends_it(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        sh("write.sh", f"{tmp_path}/COPY=@{tmp_path}/NOT_THERE", f"{tmp_path}/NEXT=1")
    assert not [*tmp_path.iterdir()]


def test_each_file_of_a_folder_is_a_variable_of_the_command(tmp_path: Path) -> None:
    sh("write.sh", f"{tmp_path}/SAID=two words, $HOME and 'quotes'")
    (tmp_path / ".unfinished").write_text("x")
    said = sh("with.sh", tmp_path, "sh", "-c", 'printf %s "$SAID"')
    assert said == "two words, $HOME and 'quotes'"
    (empty := tmp_path / "empty").mkdir()
    assert sh("with.sh", empty, "echo", "ran") == "ran\n"


def test_the_realm_of_the_profile_is_the_one_that_is_imported() -> None:
    realm: dict[str, Any] = yaml.safe_load((ROOT / "identity/realm.json").read_text())
    written = {name: value for volume, name, value in everything_written() if volume == "for-api"}
    assert written["KEYCLOAK_ISSUER_URL"].endswith(f"/realms/{realm['realm']}")
    assert f"/realms/{realm['realm']}/" in written["KEYCLOAK_JWKS_URL"]
    assert written["KEYCLOAK_AUDIENCE"] in (ROOT / "identity/realm.json").read_text()
    local = ROOT / "packages" / "runtime-mcp" / "local" / "allowlist.yaml"
    agents = {grant.name for grant in allowlist.parse(local.read_text()).agents}
    assert agents - {"local"} <= {user["id"] for user in realm["users"]}
    assert len(agents) == 2
    assert SERVICES["auth-variables"].writes.__next__() == ("for-api", "AUTH_MODE", "keycloak")
