"""What each process may know. Provider keys reach the LiteLLM proxy and nobody else."""

import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from local.run.config import Config, references

Environment = dict[str, str]

SYSTEM = {
    "PATH", "HOME", "USER", "LANG", "TZ", "TMPDIR", "TERM", "PYTHONUTF8",
    "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
}  # fmt: skip
NETWORK = {
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
}  # fmt: skip
GOOGLE = {
    "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG", "GCE_METADATA_HOST", "GCE_METADATA_IP",
}  # fmt: skip
"""Where Google's application default credentials come from, for Vertex AI."""
POLICY = {"PROJECT_KEYS_FILE", "REDIS_URL", "SPEND_FILE"}
LANGFUSE_HOST = "LANGFUSE_HOST"
TRACES = {
    LANGFUSE_HOST, "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "LANGFUSE_TRACING_ENVIRONMENT",
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "OTEL_SERVICE_NAME",
}  # fmt: skip
SECRETS_OF_THE_API = {
    "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "OPENFGA_API_TOKEN", "REDIS_URL",
}  # fmt: skip
TOOL_FILES = {"ALLOWLIST_FILE": "allowlist.yaml", "UPSTREAMS_FILE": "upstreams.yaml"}
LOOPBACK = "127.0.0.1,localhost"
MASTER_KEY = "LITELLM_MASTER_KEY"
LOCAL_LLM_URL = "LOCAL_LLM_URL"
FAULT_MODELS_URL = "FAULT_MODELS_URL"

OFFLINE_LITELLM = {
    "LITELLM_MODE": "PRODUCTION",  # else it reads any .env file above its own folder
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_LOCAL_BLOG_POSTS": "True",
    "LITELLM_LOCAL_AUTOROUTER_PRESETS": "True",
    "LITELLM_LOCAL_POLICY_TEMPLATES": "True",
    "DISABLE_ADMIN_UI": "True",
    "NO_DOCS": "True",
    "NO_REDOC": "True",
}


def chosen(environ: Mapping[str, str], names: set[str]) -> Environment:
    return {name: environ[name] for name in sorted(names) if environ.get(name)}


def for_local_provider(environ: Mapping[str, str]) -> Environment:
    """What every process needs, and nothing else."""
    return chosen(environ, SYSTEM) | {"PYTHONUNBUFFERED": "1"}


def new_langfuse_keys() -> Environment:
    """The keys of a Langfuse that is there for one run."""
    return {
        "LANGFUSE_PUBLIC_KEY": f"pk-lf-local-{secrets.token_hex(16)}",
        "LANGFUSE_SECRET_KEY": f"sk-lf-local-{secrets.token_hex(16)}",
    }


def for_proxy(
    environ: Mapping[str, str],
    config: Config,
    *,
    key: str,
    local_llm_url: str,
    fault_models_url: str,
) -> Environment:
    """What the config and its policy refer to, the way out, and no database.

    Args:
        environ: the runner's own.
        config: as it was written, with every reference to a variable.
        key: the master key.
        local_llm_url, fault_models_url: OpenAI-compatible, end in `/v1`.
    """
    names = SYSTEM | NETWORK | GOOGLE | POLICY | TRACES
    names |= {name for _, name in references(config)}
    hosts = {urlsplit(url).hostname or "" for url in (local_llm_url, fault_models_url)}
    ours = sorted(hosts - {"", *LOOPBACK.split(",")})
    said = environ.get("NO_PROXY") or environ.get("no_proxy")
    around = ",".join(filter(None, (said, LOOPBACK, *ours)))
    return (
        chosen(environ, names)
        | OFFLINE_LITELLM
        | {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
        | {"NO_PROXY": around, "no_proxy": around}
        | {MASTER_KEY: key, LOCAL_LLM_URL: local_llm_url, FAULT_MODELS_URL: fault_models_url}
    )


def for_api(
    environ: Mapping[str, str], config: Config, *, port: int, key: str, gateway_url: str
) -> Environment:
    """Everything but the secrets of the gateway, and where the gateway is.

    Args:
        config: the gateway's, as it was written.
        key: the gateway's.
        gateway_url: OpenAI-compatible, ends in `/v1`.
    """
    return (
        {"AUTH_MODE": "disabled"}
        | without_secrets(environ, config)
        | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            "LLM_GATEWAY_URL": gateway_url,
            "LLM_GATEWAY_API_KEY": key,
        }
    )


def without_secrets(environ: Mapping[str, str], config: Config) -> Environment:
    """All but the secrets of the gateway, and what anybody's key is called."""
    referred = {name for key, name in references(config) if key != "api_base"}
    secrets = referred | GOOGLE | {MASTER_KEY}
    return {
        name: value
        for name, value in environ.items()
        if name not in secrets and not name.endswith(("_API_KEY", "_API_KEY_FILE"))
    }


def for_tool_gateway(
    environ: Mapping[str, str], config: Config, *, port: int, files: Path, record: Path, api: str
) -> Environment:
    """Everything but the secrets of the gateway and of the API, and where its own things are.

    The record is this run's, and in no database that the environment may name for something else.

    Args:
        config: the gateway's, as it was written.
        files: a folder with an `allowlist.yaml` and an `upstreams.yaml`, where none is named.
        record: the file of the record.
        api: the API's address, without a path.
    """
    passed = without_secrets(environ, config)
    return (
        {"AUTH_MODE": "disabled"}
        | {name: value for name, value in passed.items() if name not in SECRETS_OF_THE_API}
        | {
            variable: environ.get(variable) or str(files / name)
            for variable, name in TOOL_FILES.items()
        }
        | {
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "PYTHONUNBUFFERED": "1",
            "DATABASE_URL": f"sqlite:///{record.absolute()}",
            "LLM_SERVICE_URL": api,
        }
    )
