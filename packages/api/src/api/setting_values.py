"""What the value of one variable must be; each check says in a few words what is wrong with it."""

from importlib.util import find_spec
from pathlib import Path

from pydantic import HttpUrl, RedisDsn, SecretStr, TypeAdapter, ValidationError, ValidationInfo

from api.gateway.key import GatewayKey, checked_key
from chassis.addresses import is_loopback
from chassis.setting_values import http_url


def gateway_url(value: str) -> str:
    url = TypeAdapter(HttpUrl).validate_python(value)
    if url.username or url.password or url.query or url.fragment:
        raise ValueError("must have no user, password, query or fragment")
    base = str(url).rstrip("/")
    if not base.endswith("/v1"):
        raise ValueError("must be the gateway's OpenAI base URL, ending in /v1")
    return base


def one_line_key(value: SecretStr | None) -> SecretStr | None:
    return None if value is None else SecretStr(checked_key(value.get_secret_value()))


def readable_key_file(value: Path | None) -> Path | None:
    try:
        if value is not None:
            GatewayKey.from_file(value)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror})") from None
    return value


def unless_both(value: Path | None, info: ValidationInfo) -> Path | None:
    is_at_fault_itself = "llm_gateway_api_key" not in info.data
    if is_at_fault_itself or (info.data["llm_gateway_api_key"] is None) != (value is None):
        return value
    if value is None:
        mistake = "required but not set, here or in LLM_GATEWAY_API_KEY_FILE"
    else:
        mistake = "set it, or LLM_GATEWAY_API_KEY_FILE, not both"
    raise ValueError(f"LLM_GATEWAY_API_KEY: {mistake}")


def with_litellm(value: str | bool) -> str | bool:
    if value in ("litellm", True) and find_spec("litellm") is None:
        raise ValueError("litellm is not installed; install the extra `litellm`")
    return value


def langfuse_url(value: str | None) -> str | None:
    """The platform gives Langfuse's host with its scheme and without."""
    if value is None:
        return None
    url = value if "://" in value else f"https://{value}"
    return str(http_url(url)).rstrip("/")


def set_with_openfga(value: str | None, info: ValidationInfo) -> str | None:
    if (value is None) != (info.data.get("openfga_api_url") is None):
        raise ValueError("OPENFGA_API_URL and OPENFGA_STORE_ID are set together, or not at all")
    return value


def reachable_by_whom(value: str, info: ValidationInfo) -> str:
    said_twice = info.data.get("auth_disabled_off_loopback")
    if info.data.get("auth_mode") == "disabled" and not said_twice and not is_loopback(value):
        raise ValueError(
            "AUTH_MODE=disabled lets anybody in who reaches this address; keep to 127.0.0.1, or "
            "say it twice: AUTH_DISABLED_OFF_LOOPBACK=true"
        )
    return value


def url_of_redis(value: SecretStr | None) -> SecretStr | None:
    if value is not None:
        try:
            TypeAdapter(RedisDsn).validate_python(value.get_secret_value())
        except ValidationError:
            raise ValueError("must be the URL of a Redis, as in redis://host:6379/0") from None
    return value


def model_name(value: str) -> str:
    if not value.removeprefix("openai/").strip():
        raise ValueError("names no model")
    return value


def general_models(value: tuple[str, ...]) -> tuple[str, ...]:
    for model in map(model_name, value):
        if model.endswith("-customtools"):
            raise ValueError(f"{model} is made for tool-heavy agents and must not be a fallback")
    return value
