"""What the README says is what the code does: its tables and its curl lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.errors import GatewayError
from api.main import PUBLIC
from api.settings import Settings
from api.telemetry.metrics import Metrics
from chassis.errors import ServiceError
from doctoring import report
from local.config_check import CONFIG
from local.run import announcement
from local.run.assembly import FAULT_MODELS
from local.run.config import Config, read, references
from metering import exposed
from running import settings_for

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
REQUIRED = {"llm_gateway_url"}


def table(first_column: str) -> dict[str, list[str]]:
    """The rows of the table with this heading, by the code in their first column."""
    rows: dict[str, list[str]] = {}
    inside = False
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if line.startswith(f"| {first_column} |"):
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not line.startswith("| ---"):
            rows[cells[0].strip("`")] = cells[1:]
    assert rows, f"no table with the heading {first_column!r}"
    return rows


def shown(value: Any) -> str:
    """A default as an environment variable holds it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def defaults() -> dict[str, str]:
    return {
        name.upper(): shown(field.default)
        for name, field in Settings.model_fields.items()
        if name not in REQUIRED
    }


def errors(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    if kind is not GatewayError and "code" in vars(kind):
        yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith(("api.", "chassis.")):
            yield from errors(child)


def test_the_table_of_variables_is_the_settings() -> None:
    rows = table("variable")
    assert rows.keys() == {name.upper() for name in Settings.model_fields}
    for name, default in defaults().items():
        assert rows[name][0].strip("`") in {default, "required, or the file"}, name


def test_the_example_environment_has_every_variable_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text()
    given = dict(re.findall(r"^(?:# )?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    assert given.keys() == {name.upper() for name in Settings.model_fields}
    commented = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", example, re.MULTILINE))
    commented.pop("LLM_GATEWAY_API_KEY_FILE")
    assert commented == {name: defaults()[name] for name in commented}


def test_the_list_of_what_is_reachable_without_a_token_is_what_the_code_lets_through() -> None:
    listed = {path.strip("`") for row in table("path without a token") for path in row.split(", ")}
    assert listed == {f"{path}*" if path.endswith("s/") else path for path in PUBLIC}


def test_the_table_of_failures_is_the_tree_of_errors() -> None:
    rows = table("`code`")
    tree = {error.code: error for error in errors()} | {"internal_error": ServiceError}
    assert rows.keys() == tree.keys()
    for code, (status, cause, done, operator) in rows.items():
        error = tree[code]
        assert int(status) == error.status, code
        assert cause, code
        assert operator == error.remedy, code
        first = done.partition(";")[0]
        assert issubclass(error, GatewayError) or first in {"no call made", "nothing"}, code
        if issubclass(error, GatewayError):
            retries = re.match(r"(\d) retr", done)
            assert (int(retries[1]) if retries else 0) == error.retries, code
            assert ("the fallbacks" in done) is error.falls_back, code


def test_the_tree_names_every_folder_and_module_of_the_services() -> None:
    tree = README.partition("## Where things are")[2].partition("```")[2].partition("```")[0]
    words = set(tree.split())
    for package in ("chassis", "api"):
        top = ROOT / "packages" / package / "src" / package
        folders = {f"{path.parent.name}/" for path in top.glob("*/__init__.py")}
        assert folders <= words, folders - words
    listed = {word for word in words if word.endswith("/") and word.count("/") == 1}
    folders = {f"{path.name}/" for path in ROOT.glob("packages/*/src/*/*") if path.is_dir()}
    others = {f"{path.name}/" for path in ROOT.glob("*") if path.is_dir()}
    assert listed <= folders | others | {"hooks/", "rules/", "ledgers/", "checks/"}


def test_the_table_of_fault_models_is_what_the_local_gateway_has() -> None:
    listed = [entry["model_name"] for entry in read(FAULT_MODELS)["model_list"]]
    assert list(table("fault model")) == listed


def provider_of(entry: Config) -> str:
    params = entry["litellm_params"]
    prefix = params["model"].partition("/")[0]
    if prefix == "openai" and "api_base" in params:
        return "vLLM"
    return {
        "openai": "OpenAI",
        "azure": "Azure OpenAI",
        "anthropic": "Anthropic",
        "gemini": "Gemini",
        "vertex_ai": "Vertex AI, with workload identity",
        "ollama_chat": "Ollama",
    }[prefix]


def test_the_table_of_providers_is_the_config_of_the_gateway() -> None:
    aliases: dict[str, list[str]] = {}
    variables: dict[str, set[str]] = {}
    for entry in read(CONFIG)["model_list"]:
        params = entry["litellm_params"]
        second = ", second" if params.get("order") == 2 else ""
        aliases.setdefault(provider_of(entry), []).append(f"`{entry['model_name']}`{second}")
        names = {name for _, name in references(params)}
        variables.setdefault(provider_of(entry), set()).update(names)
    rows = table("provider")
    assert rows.keys() == aliases.keys()
    for provider, (listed, to_set) in rows.items():
        assert re.findall(r"`[^`]+`(?:, second)?", listed) == aliases[provider]
        assert set(re.findall(r"`(\w+)`", to_set)) == variables[provider]


def test_the_table_of_metrics_is_what_the_service_exposes() -> None:
    rows = table("metric of the service")
    settings = settings_for("http://127.0.0.1:9/v1")
    assert {
        name: re.findall(r"`(\w+)`", re.sub(r":.*", "", labels))
        for name, (_, labels) in rows.items()
    } == exposed(Metrics(settings, "1", "wire").registry)


def test_the_first_curl_lines_are_those_that_the_runner_prints() -> None:
    said = announcement.everything(
        "http://127.0.0.1:8000",
        "http://127.0.0.1:1",
        "http://127.0.0.1:8004",
        "http://127.0.0.1:4000/v1",
        "$LITELLM_MASTER_KEY",
    )
    *of_the_api, of_the_gateway, of_the_tool_gateway = re.findall(r"^curl .*$", said, re.MULTILINE)
    to_try, _, _ = README.partition("## Break it")
    assert re.findall(r"^curl .*$", to_try, re.MULTILINE) == of_the_api
    _, _, gateway = README.partition("\n## The gateway\n")
    assert re.findall(r"^curl .*$", gateway, re.MULTILINE)[0] == of_the_gateway
    _, _, tools = README.partition("\n## The tool gateway\n")
    assert re.findall(r"^curl .*$", tools, re.MULTILINE)[0] == of_the_tool_gateway


def test_each_promise_of_the_gateway_has_what_holds_it_and_a_test() -> None:
    rows = table("promise")
    for promise, (holder, test) in rows.items():
        assert (ROOT / "tests/gateway" / test.strip("`")).is_file(), promise
        for name in re.findall(r"`([\w/]+\.(?:py|yaml))`", holder):
            assert list(ROOT.glob(f"charts/*/gateway/{name}")) or list(
                ROOT.glob(f"packages/*/src/**/{name}")
            ), promise
    config = next(ROOT.glob("charts/*/gateway/config.yaml")).read_text()
    holders = " ".join(holder for holder, _ in rows.values())
    for key in re.findall(r"`(\w+):`", holders):
        assert re.search(rf"^\s*(?:# )?{key}:\s", config, re.MULTILINE), key


async def test_the_table_of_checks_is_what_the_doctor_looks_at() -> None:
    around = {"LLM_GATEWAY_URL": "http://127.0.0.1:9/v1", "LLM_GATEWAY_API_KEY": "sk-of-nobody"}
    looked_at = await report(around | {"AUTH_MODE": "disabled", "PORT": "0"})
    assert list(table("check")) == [finding["check"] for finding in looked_at.fields["findings"]]
