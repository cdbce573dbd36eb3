"""Provider keys reach the LiteLLM proxy, and neither the API nor the local LLM."""

from pathlib import Path

import pytest

from local.config_check import CONFIG
from local.run import processes
from local.run.config import Config, read
from local.run.environments import for_api, for_local_provider, for_proxy, for_tool_gateway

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:4000/v1"
LOCAL = {"local_llm_url": "http://127.0.0.1:1/v1", "fault_models_url": "http://127.0.0.1:2/v1"}
SECRETS = {
    "GEMINI_API_KEY": "secret-1",
    "ANTHROPIC_API_KEY": "secret-2",
    "OPENAI_API_KEY": "secret-3",
    "COHERE_API_KEY": "secret-4",
    "TEAM_TOKEN": "secret-5",
    "LITELLM_MASTER_KEY": "secret-6",
}
ENVIRON = SECRETS | {
    "PATH": "/bin",
    "DATABASE_URL": "postgresql://db",
    "LANGFUSE_SECRET_KEY": "sk-lf",
    "OLLAMA_API_BASE": "http://ollama:11434",
    "LLM_CLIENT": "litellm",
    "HOST": "somewhere",
    "PORT": "1",
    "LLM_GATEWAY_API_KEY_FILE": "/old/key",
}


@pytest.fixture
def written() -> Config:
    config = read(CONFIG)
    private = {"model": "openai/x", "api_key": "os.environ/TEAM_TOKEN"}
    config["model_list"].append({"model_name": "private", "litellm_params": private})
    return config


def test_the_local_providers_know_no_key() -> None:
    assert set(for_local_provider(ENVIRON)) == {"PATH", "PYTHONUNBUFFERED"}


def test_the_api_gets_no_key_but_the_gateways(written: Config) -> None:
    environment = for_api(ENVIRON, written, port=8000, gateway_url=ADDRESS, key="sk-local-1")
    assert not set(SECRETS) & set(environment)
    assert not set(SECRETS.values()) & set(environment.values())
    assert environment["LLM_GATEWAY_API_KEY"] == "sk-local-1"
    assert environment["LLM_GATEWAY_URL"] == ADDRESS
    assert "LLM_GATEWAY_API_KEY_FILE" not in environment


def test_the_api_gets_everything_else_and_listens_on_loopback(written: Config) -> None:
    environment = for_api(ENVIRON, written, port=8000, gateway_url=ADDRESS, key="sk-local-1")
    for name in ("PATH", "DATABASE_URL", "LANGFUSE_SECRET_KEY", "OLLAMA_API_BASE", "LLM_CLIENT"):
        assert environment[name] == ENVIRON[name]
    assert (environment["HOST"], environment["PORT"]) == ("127.0.0.1", "8000")
    assert environment["AUTH_MODE"] == "disabled"


def test_the_api_keeps_an_auth_mode_that_is_set(written: Config) -> None:
    environ = {"AUTH_MODE": "keycloak"}
    environment = for_api(environ, written, port=8000, gateway_url=ADDRESS, key="k")
    assert environment["AUTH_MODE"] == "keycloak"


def test_the_tool_gateway_gets_no_secret_of_the_others(written: Config) -> None:
    environ = ENVIRON | {"REDIS_URL": "secret-7", "OPENFGA_API_TOKEN": "secret-8"}
    environment = tool_gateway(environ, written)
    assert not (SECRETS.keys() | {"LANGFUSE_SECRET_KEY"}) & environment.keys()
    assert not [value for value in environment.values() if "secret-" in value]
    assert environment["LLM_SERVICE_URL"] == "http://127.0.0.1:8000"
    assert (environment["HOST"], environment["PORT"]) == ("127.0.0.1", "8004")


def test_a_run_is_recorded_in_its_own_folder_whatever_database_is_named(written: Config) -> None:
    environment = tool_gateway(ENVIRON, written)
    assert environment["DATABASE_URL"] == "sqlite:////run/audit.db"


def test_the_tool_gateway_has_the_local_files_unless_others_are_named(written: Config) -> None:
    environment = tool_gateway({"UPSTREAMS_FILE": "/mine.yaml", "ALLOWLIST_FILE": ""}, written)
    assert environment["ALLOWLIST_FILE"] == "/local/allowlist.yaml"
    assert environment["UPSTREAMS_FILE"] == "/mine.yaml"


def tool_gateway(environ: dict[str, str], written: Config) -> dict[str, str]:
    return for_tool_gateway(
        environ,
        written,
        port=8004,
        files=Path("/local"),
        record=Path("/run/audit.db"),
        api="http://127.0.0.1:8000",
    )


def test_the_proxy_gets_the_keys_its_config_refers_to_and_no_database(written: Config) -> None:
    environment = for_proxy(ENVIRON, written, key="sk-local-1", **LOCAL)
    for name in ("GEMINI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "TEAM_TOKEN"):
        assert environment[name] == SECRETS[name]
    assert environment["LITELLM_MASTER_KEY"] == "sk-local-1"
    assert environment["LOCAL_LLM_URL"] == LOCAL["local_llm_url"]
    assert environment["FAULT_MODELS_URL"] == LOCAL["fault_models_url"]
    assert environment["LANGFUSE_SECRET_KEY"] == ENVIRON["LANGFUSE_SECRET_KEY"]
    assert not {"DATABASE_URL", "COHERE_API_KEY", "PORT"} & set(environment)


def test_googles_credentials_reach_the_proxy_and_not_the_api(written: Config) -> None:
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/a/file", "CLOUDSDK_CONFIG": "/a/folder"}
    proxy = for_proxy(environ, written, key="k", **LOCAL)
    assert environ.items() <= proxy.items()
    assert not set(environ) & set(for_api(environ, written, port=1, gateway_url=ADDRESS, key="k"))


def test_the_proxy_calls_the_local_llm_directly_where_the_network_has_a_proxy(
    written: Config,
) -> None:
    environ = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "intern"}
    environment = for_proxy(environ, written, key="k", **LOCAL)
    assert environment["HTTP_PROXY"] == "http://proxy:3128"
    assert environment["NO_PROXY"] == environment["no_proxy"] == "intern,127.0.0.1,localhost"
    elsewhere = for_proxy(
        environ,
        written,
        key="k",
        local_llm_url="http://local-llm:8080/v1",
        fault_models_url="http://fault-models:8080/v1",
    )
    assert elsewhere["NO_PROXY"] == "intern,127.0.0.1,localhost,fault-models,local-llm"


def test_a_run_has_a_langfuse_of_its_own_whose_keys_are_new_unless_one_is_named() -> None:
    (spec,), found = processes.langfuse({"PATH": "/bin", "LANGFUSE_SECRET_KEY": "sk-lf"})
    assert found["LANGFUSE_HOST"] == spec.url
    keys = {name: found[name] for name in ("LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY")}
    assert keys.items() <= spec.environment.items()
    assert "sk-lf" not in keys.values()
    _, another = processes.langfuse({})
    assert not set(keys.values()) & set(another.values())
    named = {"LANGFUSE_HOST": "https://langfuse.example"}
    assert processes.langfuse(named) == ([], named)
