"""The alerts in the hands of a real promtool: they parse, and they fire when they should."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from running import ROOT

(DASHBOARD,) = ROOT.glob("charts/*/observability/dashboard.json")
HERE = Path(__file__).parent
CHARTS = {
    "alerts.yaml": (DASHBOARD.with_name("alerts.yaml"), HERE / "alerts_test.yaml"),
    "tool-alerts.yaml": (
        ROOT / "charts/runtime-mcp/observability/alerts.yaml",
        HERE / "tool_alerts_test.yaml",
    ),
}
"""By the names that the rules have for Prometheus: the rules, and what they are tried with."""
BUILT_WITHIN_SECONDS = 900
VARIABLES = {"$__rate_interval": "1m", "$__range": "3h", "$project": ".*", "$model": ".*"}


@pytest.fixture(scope="session")
def promtool() -> str:
    done = subprocess.run(
        [ROOT / "tools/offline/promtool.sh"], check=False, capture_output=True, text=True
    )
    if done.returncode:
        pytest.skip(done.stderr.strip().rpartition("\n")[2])
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As Prometheus sees it: the rules beside the config."""
    shutil.copy(ROOT / "observability/prometheus.yml", tmp_path)
    for name, (rules, cases) in CHARTS.items():
        shutil.copy(rules, tmp_path / name)
        shutil.copy(cases, tmp_path)
    return tmp_path


def said_by(promtool: str, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [promtool, *arguments], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(BUILT_WITHIN_SECONDS)
def test_prometheus_takes_the_config_and_the_rules(promtool: str, folder: Path) -> None:
    said = said_by(promtool, folder, "check", "config", "prometheus.yml")
    assert set(CHARTS) == set(re.findall(r"Checking (\S+\.yaml)\n", said))
    for rules, _ in CHARTS.values():
        assert f"{len(names_in(rules))} rules found" in said


@pytest.mark.timeout(BUILT_WITHIN_SECONDS)
@pytest.mark.parametrize("chart", CHARTS)
def test_each_alert_fires_when_it_should_and_not_before(
    promtool: str, folder: Path, chart: str
) -> None:
    rules, cases = CHARTS[chart]
    said_by(promtool, folder, "test", "rules", cases.name)
    said = {case["name"] for case in yaml.safe_load(cases.read_text())["tests"]}
    assert said == {f"{name} {does}" for name in names_in(rules) for does in ("fires", "is silent")}


@pytest.mark.timeout(BUILT_WITHIN_SECONDS)
def test_every_panel_of_the_dashboard_can_be_asked(promtool: str, folder: Path) -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    expressions = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert expressions
    rules = [
        {"record": f"panel:{number}", "expr": with_values(expression)}
        for number, expression in enumerate(expressions)
    ]
    groups = {"groups": [{"name": "panels", "rules": rules}]}
    (folder / "panels.yaml").write_text(yaml.safe_dump(groups))
    said = said_by(promtool, folder, "check", "rules", "--lint=none", "panels.yaml")
    assert f"{len(expressions)} rules found" in said


def with_values(expression: str) -> str:
    """As Grafana sends it."""
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    return expression


def names_in(rules: Path) -> set[str]:
    groups = yaml.safe_load(rules.read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}
