"""The environment: a senseless value is one line that names its variable, never a secret."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from api import NAME
from api.errors import GatewayKeyRejected
from api.litellm_client.client import LitellmClient
from api.settings import Settings, load_settings, odd_values
from chassis.settings import SettingsError

SECRET = "sk-very-secret-7f3a"
ENOUGH = {
    "LLM_GATEWAY_URL": "http://127.0.0.1:4000/v1",
    "LLM_GATEWAY_API_KEY": SECRET,
    "AUTH_MODE": "disabled",
}
KEYCLOAK = {
    "KEYCLOAK_ISSUER_URL": "https://keycloak.example/realms/craft",
    "KEYCLOAK_AUDIENCE": "solution-api",
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
        "AUTH_DISABLED_OFF_LOOPBACK": False,
        "KEYCLOAK_ISSUER_URL": None,
        "KEYCLOAK_AUDIENCE": None,
        "KEYCLOAK_JWKS_URL": None,
        "OPENFGA_API_URL": None,
        "OPENFGA_STORE_ID": None,
        "OPENFGA_API_TOKEN": None,
        "LANGFUSE_HOST": None,
        "LANGFUSE_PUBLIC_KEY": None,
        "LANGFUSE_SECRET_KEY": None,
        "LANGFUSE_GENERATIONS": "gateway",
        "LANGFUSE_CAPTURE_CONTENT": True,
        "OTEL_ENABLED": True,
        "OTEL_TRACES_ENABLED": True,
        "OTEL_EXPORTER_OTLP_ENDPOINT": None,
        "OTEL_EXPORTER_OTLP_PROTOCOL": None,
        "OTEL_EXPORTER_OTLP_HEADERS": None,
        "OTEL_SERVICE_NAME": None,
        "OTEL_TRACE_SAMPLE_RATE": 1,
        "SOLUTION": NAME,
        "LOG_LEVEL": "INFO",
        "ROOT_PATH": "",
        "CORS_ALLOW_ORIGINS": (),
        "HOST": "127.0.0.1",
        "PORT": 8000,
    }


def test_without_auth_mode_it_is_keycloak_which_needs_an_issuer_and_an_audience(
    environment: Environment,
) -> None:
    assert environment.refused(AUTH_MODE=None) == [
        "KEYCLOAK_ISSUER_URL: required with AUTH_MODE=keycloak, and not set",
        "KEYCLOAK_AUDIENCE: required with AUTH_MODE=keycloak, and not set",
    ]
    assert environment.refused(AUTH_MODE="keycloak", KEYCLOAK_ISSUER_URL="") == (
        environment.refused(AUTH_MODE=None)
    )
    assert environment.load(AUTH_MODE=None, **KEYCLOAK).auth_mode == "keycloak"


def test_the_issuer_stays_as_it_was_written_and_leads_to_the_keys(environment: Environment) -> None:
    settings = environment.load(AUTH_MODE="keycloak", **KEYCLOAK)
    assert settings.keycloak_issuer_url == KEYCLOAK["KEYCLOAK_ISSUER_URL"]
    certs = f"{KEYCLOAK['KEYCLOAK_ISSUER_URL']}/protocol/openid-connect/certs"
    assert settings.jwks_url() == certs
    inside = "http://keycloak:8080/realms/craft/protocol/openid-connect/certs"
    settings = environment.load(AUTH_MODE="keycloak", **KEYCLOAK, KEYCLOAK_JWKS_URL=inside)
    assert settings.jwks_url() == inside


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "solution.example", "127.0.0.1.nip"])
def test_without_authentication_it_keeps_to_loopback_unless_that_is_said_twice(
    environment: Environment, host: str
) -> None:
    (line,) = environment.refused(AUTH_MODE="disabled", HOST=host)
    assert line.startswith("HOST: AUTH_MODE=disabled lets anybody in")
    assert environment.load(HOST=host, AUTH_DISABLED_OFF_LOOPBACK="true").host == host
    assert environment.load(AUTH_MODE="keycloak", **KEYCLOAK, HOST=host).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_is_loopback_by_any_name(environment: Environment, host: str) -> None:
    assert environment.load(AUTH_MODE="disabled", HOST=host).host == host


@pytest.mark.parametrize(
    "half", [{"OPENFGA_API_URL": "http://openfga:8080"}, {"OPENFGA_STORE_ID": "01JD"}]
)
def test_openfga_and_its_store_are_set_together(
    environment: Environment, half: dict[str, str]
) -> None:
    (line,) = environment.refused(**half)
    assert line.endswith("OPENFGA_API_URL and OPENFGA_STORE_ID are set together, or not at all")


LANGFUSE = {
    "LANGFUSE_HOST": "langfuse.example",
    "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
    "LANGFUSE_SECRET_KEY": SECRET,
}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("langfuse.example", "https://langfuse.example"),
        ("langfuse.example:3000/", "https://langfuse.example:3000"),
        ("http://langfuse:3000/", "http://langfuse:3000"),
        ("https://langfuse.example/traces", "https://langfuse.example/traces"),
    ],
)
def test_langfuse_is_named_by_a_url_or_by_a_host_that_is_asked_over_https(
    environment: Environment, host: str, url: str
) -> None:
    settings = environment.load(**LANGFUSE | {"LANGFUSE_HOST": host})
    assert settings.langfuse_host == url
    assert SECRET not in repr(settings)


def test_what_is_missing_for_langfuse_is_named_unless_all_is(environment: Environment) -> None:
    assert environment.load().missing_for_langfuse() == []
    some = LANGFUSE | {"LANGFUSE_PUBLIC_KEY": "", "LANGFUSE_SECRET_KEY": ""}
    assert environment.load(**some).missing_for_langfuse() == [
        "LANGFUSE_PUBLIC_KEY",
        "LANGFUSE_SECRET_KEY",
    ]
    assert environment.load(**LANGFUSE).missing_for_langfuse() == []


def test_values_that_are_let_pass_but_look_like_a_mistake_are_known(
    environment: Environment,
) -> None:
    environment.load(LLM_GATEWAY_API_KEY=f"{SECRET}\n", OPENFGA_API_URL="")
    assert odd_values() == {
        "LLM_GATEWAY_API_KEY": "ends in a line break",
        "OPENFGA_API_URL": "is set, and empty",
    }


URL = "http://127.0.0.1:4000"
NO_ORIGINS = [
    "*",
    "https://*.example",
    "https://ui.example, *",
    "null",
    "ui.example",
    "https://",
    "https://ui.example/",
    "https://ui.example/app",
    "https://ui.example?x",
    "https://ui.example#x",
    "https://user:password@ui.example",
    "https://UI.example",
    "HTTPS://ui.example",
    "https://ui.example:443",
    "http://ui.example:80",
    "https://ui.example:0443",
    "https://ui.example:99999",
    "https://\u00fci.example",
    "https://ui.example https://other.example",
    "file:///home",
    "ws://ui.example",
    "javascript:alert(1)",
]
SENSELESS = [
    ("KEYCLOAK_ISSUER_URL", "keycloak"),
    ("KEYCLOAK_ISSUER_URL", "https://user:pass@keycloak/realms/craft"),
    ("KEYCLOAK_JWKS_URL", "file:///etc/passwd"),
    ("OPENFGA_API_URL", "openfga:8080"),
    ("AUTH_MODE", "none"),
    ("AUTH_DISABLED_OFF_LOOPBACK", "perhaps"),
    ("LANGFUSE_HOST", "ftp://langfuse.example"),
    ("LANGFUSE_HOST", "pk:sk@langfuse.example"),
    ("LANGFUSE_SECRET_KEY", "sk-a\nsk-b"),
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
    *(("ROOT_PATH", path) for path in ("/", "api", "/api/", "//evil.example", "/a//b", "/a b")),
    *(("ROOT_PATH", path) for path in ("/../api", "/api/.", "/api?x", "/api'", "https://x")),
    *(("CORS_ALLOW_ORIGINS", origin) for origin in NO_ORIGINS),
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
        "KEYCLOAK_ISSUER_URL",
        "KEYCLOAK_AUDIENCE",
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
    settings = environment.load(LLM_FALLBACK_MODELS=value, LLM_THINKING_MODELS=value)
    assert settings.llm_fallback_models == models
    assert settings.llm_thinking_models == models


@pytest.mark.parametrize(
    "origins",
    [
        (),
        ("https://ui.example",),
        ("http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000"),
        ("https://xn--i-zfa.example", "https://ui.example:8443"),
    ],
)
def test_origins_are_kept_as_browsers_send_them(
    environment: Environment, origins: tuple[str, ...]
) -> None:
    settings = environment.load(CORS_ALLOW_ORIGINS=", ".join(origins))
    assert settings.cors_allow_origins == origins


def test_the_line_about_a_star_says_why_there_is_none(environment: Environment) -> None:
    (line,) = environment.refused(CORS_ALLOW_ORIGINS="*")
    assert line == "CORS_ALLOW_ORIGINS: `*` would let in pages of anybody; name each origin"


@pytest.mark.parametrize("path", ["", "/llm-api", "/team/v1.2/llm_api~"])
def test_a_path_prefix_is_nothing_or_a_path(environment: Environment, path: str) -> None:
    assert environment.load(ROOT_PATH=path).root_path == path


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


def test_a_variable_with_a_secrets_name_has_a_secrets_type() -> None:
    smells = re.compile("key|token|secret|password|credential|redis_url|headers")
    named_after_it = {"llm_min_tokens_thinking", "keycloak_issuer_url"}
    named_after_it |= {"keycloak_audience", "keycloak_jwks_url"}
    for name, field in Settings.model_fields.items():
        if smells.search(name) and not name.endswith("_file") and name not in named_after_it:
            assert field.annotation == SecretStr | None, name


def test_no_repr_of_what_holds_a_secret_shows_it(environment: Environment) -> None:
    password = "pass-of-redis"
    settings = environment.load(REDIS_URL=f"redis://:{password}@127.0.0.1:6379/0")
    key = settings.gateway_key()
    for holder in (settings, key, LitellmClient(1, URL, key), GatewayKeyRejected()):
        for text in (repr(holder), str(holder)):
            assert SECRET not in text
            assert password not in text


def test_a_validation_error_does_not_show_what_it_was_given() -> None:
    wrong: dict[str, Any] = {"llm_gateway_url": SECRET, "llm_gateway_api_key": f"{SECRET} "}
    with pytest.raises(ValidationError) as raised:
        Settings(**wrong)
    assert SECRET not in str(raised.value)


def test_settings_cannot_be_changed_after_they_were_read(environment: Environment) -> None:
    settings = environment.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1
