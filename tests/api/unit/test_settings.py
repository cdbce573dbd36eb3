"""The environment: a senseless value is one line that names its variable, never a secret."""

import os
from pathlib import Path

import pytest

from api.settings import Settings, SettingsError, load_settings

SECRET = "sk-very-secret-7f3a"
ENOUGH = {
    "LLM_GATEWAY_URL": "http://127.0.0.1:4000/v1",
    "LLM_GATEWAY_API_KEY": SECRET,
    "AUTH_MODE": "disabled",
}


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


class Environment:
    """An environment that is good enough, with some changes; None takes a variable away."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def load(self, **changes: str | None) -> Settings:
        for name, value in (ENOUGH | changes).items():
            if value is not None:
                self._monkeypatch.setenv(name, value)
        return load_settings()

    def refused(self, **changes: str | None) -> list[str]:
        with pytest.raises(SettingsError) as raised:
            self.load(**changes)
        return raised.value.lines


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    return Environment(monkeypatch)


def test_a_url_a_key_and_the_mode_are_enough_and_the_rest_is_the_contracts_table(
    environment: Environment,
) -> None:
    settings = environment.load()
    assert settings.llm_gateway_url == "http://127.0.0.1:4000/v1"
    assert settings.llm_gateway_api_key is not None
    assert settings.llm_gateway_api_key.get_secret_value() == SECRET
    defaults = settings.model_dump(exclude={name.lower() for name in ENOUGH})
    assert {name.upper(): value for name, value in defaults.items()} == {
        "LLM_GATEWAY_API_KEY_FILE": None,
        "LLM_DEFAULT_MODEL": "openai/gemini-3.5-flash",
        "LLM_FALLBACK_MODELS": ("openai/claude-opus-4-8", "openai/gemini-3.1-pro-preview"),
        "LLM_CLIENT": "wire",
        "LLM_ALLOW_LOCAL_MODELS": False,
        "LLM_THINKING_MODELS": (
            "gemini-3.5-flash",
            "gemini-3.1-pro-preview",
            "gemini-3.1-pro-preview-customtools",
        ),
        "LLM_MIN_TOKENS_THINKING": 200,
        "LLM_REPAIR_EMPTY_ANSWERS": True,
        "LLM_STREAM_RESUME_SECONDS": 10,
        "REDIS_URL": None,
        "LLM_TIMEOUT_SECONDS": 120,
        "LLM_STREAM_PATIENCE_SECONDS": 10,
        "LLM_MAX_IN_FLIGHT": 1000,
        "MAX_BODY_BYTES": 2 * 1024 * 1024,
        "SOLUTION": "llm-access",
        "LOG_LEVEL": "INFO",
        "ROOT_PATH": "",
        "CORS_ALLOW_ORIGINS": (),
        "HOST": "127.0.0.1",
        "PORT": 8000,
    }


def test_without_auth_mode_it_is_keycloak_and_that_is_not_available_yet(
    environment: Environment,
) -> None:
    assert environment.refused(AUTH_MODE=None) == environment.refused(AUTH_MODE="keycloak")
    (line,) = environment.refused(AUTH_MODE="keycloak")
    assert line.startswith("AUTH_MODE: only `disabled`")


URL = "http://127.0.0.1:4000"
SENSELESS = [
    ("LLM_GATEWAY_URL", None),
    ("LLM_GATEWAY_URL", ""),
    ("LLM_GATEWAY_URL", "gateway"),
    ("LLM_GATEWAY_URL", "ftp://gateway/v1"),
    ("LLM_GATEWAY_URL", URL),
    ("LLM_GATEWAY_URL", URL + "/v2"),
    ("LLM_GATEWAY_URL", URL + "/v1/chat/completions"),
    ("LLM_GATEWAY_URL", URL + "/v1?key=x"),
    ("LLM_GATEWAY_API_KEY", None),
    ("LLM_GATEWAY_API_KEY", ""),
    ("LLM_GATEWAY_API_KEY_FILE", "/run/secrets/key"),
    ("LLM_DEFAULT_MODEL", ""),
    ("LLM_FALLBACK_MODELS", "openai/gemini-3.1-pro-preview-customtools"),
    ("LLM_FALLBACK_MODELS", "openai/claude-opus-4-8, gemini-3.1-pro-preview-customtools"),
    ("LLM_CLIENT", ""),
    ("LLM_CLIENT", "httpx"),
    ("LLM_CLIENT", "WIRE"),
    ("LLM_ALLOW_LOCAL_MODELS", "perhaps"),
    ("LLM_MIN_TOKENS_THINKING", "0"),
    ("LLM_TIMEOUT_SECONDS", "0"),
    ("LLM_TIMEOUT_SECONDS", "-1"),
    ("LLM_TIMEOUT_SECONDS", "2m"),
    ("LLM_TIMEOUT_SECONDS", "nan"),
    ("LLM_STREAM_PATIENCE_SECONDS", "0"),
    ("LLM_MAX_IN_FLIGHT", "0"),
    ("LLM_MAX_IN_FLIGHT", "1.5"),
    ("MAX_BODY_BYTES", "2 MiB"),
    ("MAX_BODY_BYTES", "10"),
    ("SOLUTION", ""),
    ("SOLUTION", "my solution"),
    ("SOLUTION", "x" * 129),
    ("AUTH_MODE", "none"),
    ("REDIS_URL", "host:6379"),
    ("LLM_STREAM_RESUME_SECONDS", "-1"),
    ("LLM_REPAIR_EMPTY_ANSWERS", "maybe"),
    ("LOG_LEVEL", "TRACE"),
    ("PORT", ""),
    ("PORT", "http"),
    ("PORT", "-1"),
    ("PORT", "65536"),
    ("LLM_TIMEOUT_SECONDS", "inf"),
    ("LLM_STREAM_PATIENCE_SECONDS", "inf"),
    ("LLM_GATEWAY_URL", "http://user:password@127.0.0.1:4000/v1"),
    ("LLM_GATEWAY_URL", "http://127.0.0.1:4000/?next=/v1"),
    ("LLM_GATEWAY_API_KEY", " "),
    ("LLM_GATEWAY_API_KEY", "sk-a\nsk-b"),
    ("LLM_GATEWAY_API_KEY", "sk-\u00e9"),
    ("LLM_DEFAULT_MODEL", "openai/"),
    ("LLM_DEFAULT_MODEL", " "),
    ("LLM_FALLBACK_MODELS", "openai/a,openai/"),
    ("HOST", ""),
]


@pytest.mark.parametrize(("name", "value"), SENSELESS)
def test_a_senseless_value_is_one_line_that_names_the_variable(
    environment: Environment, name: str, value: str | None
) -> None:
    (line,) = environment.refused(**{name: value})
    assert line.startswith(f"{name}: ")
    assert "\n" not in line
    assert SECRET not in line
    assert "Value error" not in line


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"sk-a\nsk-b\n"])
def test_a_file_without_a_key_is_refused_at_the_start(
    environment: Environment, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    (line,) = environment.refused(LLM_GATEWAY_API_KEY="", LLM_GATEWAY_API_KEY_FILE=str(file))
    assert line.startswith("LLM_GATEWAY_API_KEY_FILE: ")


def test_every_senseless_variable_has_a_line_of_its_own(environment: Environment) -> None:
    lines = environment.refused(LLM_GATEWAY_URL=None, LLM_CLIENT="httpx", PORT="http")
    assert [line.partition(":")[0] for line in lines] == ["LLM_GATEWAY_URL", "LLM_CLIENT", "PORT"]


def test_an_empty_environment_names_all_that_is_missing_at_once(environment: Environment) -> None:
    lines = environment.refused(LLM_GATEWAY_URL=None, LLM_GATEWAY_API_KEY=None, AUTH_MODE=None)
    assert [line.partition(":")[0] for line in lines] == [
        "LLM_GATEWAY_URL",
        "LLM_GATEWAY_API_KEY",
        "AUTH_MODE",
    ]


def test_a_line_never_shows_what_was_given(environment: Environment) -> None:
    wrong = {"LLM_CLIENT": SECRET, "PORT": SECRET, "LOG_LEVEL": SECRET, "SOLUTION": f"{SECRET} "}
    for line in environment.refused(**wrong):
        assert SECRET not in line


def test_the_line_break_that_a_secret_often_ends_with_is_no_part_of_the_key(
    environment: Environment,
) -> None:
    settings = environment.load(LLM_GATEWAY_API_KEY=f"{SECRET}\n")
    assert settings.gateway_key().current() == SECRET


def test_a_key_is_given_as_a_value_or_as_a_file_but_not_as_both(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(SECRET)
    (line,) = environment.refused(LLM_GATEWAY_API_KEY_FILE=str(tmp_path / "key"))
    assert line == "LLM_GATEWAY_API_KEY: set it, or LLM_GATEWAY_API_KEY_FILE, not both"


def test_a_file_alone_is_enough_and_so_is_a_value_beside_an_empty_file(
    environment: Environment, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    assert environment.load(LLM_GATEWAY_API_KEY_FILE="").llm_gateway_api_key_file is None
    settings = environment.load(LLM_GATEWAY_API_KEY="", LLM_GATEWAY_API_KEY_FILE=str(file))
    assert settings.llm_gateway_api_key is None
    assert settings.llm_gateway_api_key_file == file


@pytest.mark.parametrize("url", [URL + "/v1", URL + "/v1/", "HTTP://127.0.0.1:4000/v1"])
def test_the_gateways_url_is_kept_in_one_form(environment: Environment, url: str) -> None:
    assert environment.load(LLM_GATEWAY_URL=url).llm_gateway_url == URL + "/v1"


@pytest.mark.parametrize(
    ("value", "models"),
    [("", ()), (" , ", ()), ("a", ("a",)), ("openai/a, b ,,c", ("openai/a", "b", "c"))],
)
def test_a_list_is_separated_by_commas_and_may_be_empty(
    environment: Environment, value: str, models: tuple[str, ...]
) -> None:
    lists = {
        "LLM_FALLBACK_MODELS": value,
        "LLM_THINKING_MODELS": value,
        "CORS_ALLOW_ORIGINS": value,
    }
    settings = environment.load(**lists)
    assert settings.llm_fallback_models == models
    assert settings.llm_thinking_models == models
    assert settings.cors_allow_origins == models


def test_a_model_for_tools_may_be_asked_for_but_not_stand_in(environment: Environment) -> None:
    model = "openai/gemini-3.1-pro-preview-customtools"
    assert environment.load(LLM_DEFAULT_MODEL=model).llm_default_model == model
    (line,) = environment.refused(LLM_FALLBACK_MODELS=model)
    assert "must not be a fallback" in line


def test_thinking_models_are_known_with_the_prefix_and_without(environment: Environment) -> None:
    settings = environment.load(LLM_THINKING_MODELS="openai/a,b")
    assert settings.thinking_aliases == {"a", "b"}


def test_both_lanes_can_be_chosen_where_litellm_is_installed(environment: Environment) -> None:
    for lane in ("wire", "litellm"):
        assert environment.load(LLM_CLIENT=lane, LLM_ALLOW_LOCAL_MODELS="true").llm_client == lane


def test_the_key_is_in_no_text_of_the_settings(environment: Environment) -> None:
    settings = environment.load()
    for text in (repr(settings), str(settings), str(settings.model_dump())):
        assert SECRET not in text


def test_settings_cannot_be_changed_after_they_were_read(environment: Environment) -> None:
    settings = environment.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
