"""The alerts and the dashboard ask for metrics that there are, by labels that those have."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from api.telemetry.metrics import Metrics
from chassis.errors import ServiceError
from metering import exposed
from policy.collectors import BudgetCollectors, CallCollectors
from running import ROOT, settings_for
from runtime_mcp.metrics import Metrics as ToolMetrics
from runtime_mcp.upstreams.errors import UpstreamError
from test_readme import errors

(DASHBOARD_FILE,) = ROOT.glob("charts/*/observability/dashboard.json")
ALERTS = sorted(ROOT.glob("charts/*/observability/alerts.yaml"))
RULES = [
    rule
    for file in ALERTS
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads(DASHBOARD_FILE.read_text())
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
OF_THE_SCRAPE = {"instance", "job"}
CODES = {error.code: error for error in errors()} | {"internal_error": ServiceError}
OF_TOOLS = "mcp_tool_calls_total"
TOOL_GATEWAY = "\n".join(
    file.read_text() for file in (ROOT / "packages/runtime-mcp/src/runtime_mcp").rglob("*.py")
)


def known() -> dict[str, set[str]]:
    """The labels of every sample of the API, of the tool gateway and of the gateway's policy."""
    gateway = CollectorRegistry()
    CallCollectors(gateway)
    BudgetCollectors(gateway)
    api = Metrics(settings_for("http://127.0.0.1:9/v1"), "1", "wire").registry
    tools = ToolMetrics("1").registry
    all_of_them = exposed(api) | exposed(gateway) | exposed(tools)
    found = {name: set(labels) for name, labels in all_of_them.items()}
    found |= {f"{name}_bucket": labels | {"le"} for name, labels in found.items()}
    found |= {f"process_{what}": set() for what in ("cpu_seconds_total", "resident_memory_bytes")}
    return found


SAMPLES = known()


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


EXPRESSIONS = list(expressions())


def asked_of(expression: str) -> list[tuple[str, set[str]]]:
    """Each metric that it names, with the labels by which it is chosen."""
    pairs = re.findall(r"\b((?:llm|litellm|mcp|process)_\w+)(?:\{([^}]*)\})?", expression)
    return [(name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", chosen))) for name, chosen in pairs]


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[t for t, _ in EXPRESSIONS])
def test_what_is_asked_for_is_there(title: str, expression: str) -> None:
    asked = asked_of(expression)
    assert asked
    for name, chosen in asked:
        assert name in SAMPLES, title
        assert chosen <= SAMPLES[name] | OF_THE_SCRAPE, f"{title}: {name}"
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"\bby \(([^)]*)\)", expression))))
    assert grouped <= set().union(*(SAMPLES[name] for name, _ in asked)), title


@pytest.mark.parametrize(("title", "expression"), EXPRESSIONS, ids=[t for t, _ in EXPRESSIONS])
def test_the_outcomes_that_are_asked_for_are_those_of_the_table_of_failures(
    title: str, expression: str
) -> None:
    if OF_TOOLS in expression:
        return
    for said in re.findall(r"(?:outcome|code)=~?\"([^\"]*)\"", expression):
        for code in said.split("|"):
            assert code in CODES.keys() | {"complete"}, title


OF_CALLS_OF_TOOLS = [rule for rule in RULES if OF_TOOLS in rule["expr"]]


@pytest.mark.parametrize("rule", OF_CALLS_OF_TOOLS, ids=lambda rule: rule["alert"])
def test_the_outcomes_of_tool_calls_that_are_named_are_words_of_the_tool_gateway(
    rule: dict[str, Any],
) -> None:
    (said,) = set(re.findall(r"outcome(?:=~|!~|=)\"([^\"]*)\"", rule["expr"]))
    named = set(re.findall(r"\b(?:upstream|audit)_\w+(?=[,:])", rule["annotations"]["runbook"]))
    for outcome in named | set(said.split("|")):
        assert re.search(rf"[\"`]{outcome}[\" ]", TOOL_GATEWAY), outcome


def test_a_failure_of_a_server_counts_as_one_and_its_remedy_is_in_the_runbook() -> None:
    (rule,) = (rule for rule in OF_CALLS_OF_TOOLS if rule["alert"] == "McpCallsFail")
    (left_out,) = re.findall(r"outcome!~\"([^\"]*)\"", rule["expr"])
    kinds: list[type[UpstreamError]] = [UpstreamError, *every_kind_of(UpstreamError)]
    assert len(kinds) == len({kind.code for kind in kinds})
    for kind in kinds:
        assert kind.code not in left_out.split("|")
        assert kind.code in rule["annotations"]["runbook"]


def every_kind_of(kind: type[UpstreamError]) -> Iterator[type[UpstreamError]]:
    for each in kind.__subclasses__():
        yield each
        yield from every_kind_of(each)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_the_runbook_of_an_alert_has_the_remedy_of_each_failure_it_names(
    rule: dict[str, Any],
) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    runbook = rule["annotations"]["runbook"]
    asked = re.sub(r"!~\"[^\"]*\"", "", rule["expr"])
    named = {code for code in CODES if re.search(rf"\b{code}\b", asked + runbook)}
    for code in named:
        remedy = CODES[code].remedy.removeprefix("nothing, or ").removeprefix("nothing; ")
        assert remedy in runbook, code


def test_every_panel_says_where_it_asks_and_none_lies_on_another() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


def test_every_metric_of_the_service_is_on_the_dashboard() -> None:
    shown = {name for _, text in EXPRESSIONS for name, _ in asked_of(text)}
    shown = {name.removesuffix("_bucket") for name in shown}
    ours = {name for name in SAMPLES if name.startswith("llm_") and not name.endswith("_bucket")}
    assert ours <= shown


def test_every_metric_of_the_tool_gateway_is_in_the_readme_with_its_labels() -> None:
    section = (ROOT / "README.md").read_text().partition("\n## The tool gateway\n")[2]
    (watched,) = re.findall(r"\n- \*\*It is watched\*\*(.*?)\n- ", section, re.DOTALL)
    for name, labels in exposed(ToolMetrics("1").registry).items():
        if name.startswith("mcp_"):
            assert f"`{name}`" in watched
            told = watched.partition(f"`{name}`")[2].partition("), ")[0]
            assert name == "mcp_build_info" or all(f"`{label}`" in told for label in labels), name


def test_what_prometheus_and_grafana_are_given_leads_to_the_files_that_are_there() -> None:
    prometheus = yaml.safe_load((ROOT / "observability/prometheus.yml").read_text())
    assert len(prometheus["rule_files"]) == len(ALERTS)
    provisioning = ROOT / "observability/grafana/provisioning"
    for file in provisioning.rglob("*.yaml"):
        assert yaml.safe_load(file.read_text())["apiVersion"] == 1
    assert {Path(file).parent.name for file in provisioning.rglob("*.yaml")} == {
        "dashboards",
        "datasources",
    }
