"""The alerts in the hands of a real promtool: they parse, and they fire when they should."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from running import ROOT

(FOLDER,) = ROOT.glob("charts/*/observability")
ALERTS = FOLDER / "alerts.yaml"
CASES = Path(__file__).with_name("alerts_test.yaml")
BUILT_WITHIN_SECONDS = 900
VARIABLES = {"$__rate_interval": "1m", "$__range": "3h", "$project": ".*", "$model": ".*"}


@pytest.fixture(scope="session")
def promtool() -> str:
    done = subprocess.run([ROOT / "tools/promtool.sh"], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip().rpartition("\n")[2])
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As Prometheus sees it: the rules beside the config."""
    for file in (ALERTS, CASES, ROOT / "observability/prometheus.yml"):
        shutil.copy(file, tmp_path)
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
    count = len(names_of_alerts())
    assert f"{count} rules found" in said


@pytest.mark.timeout(BUILT_WITHIN_SECONDS)
def test_each_alert_fires_when_it_should_and_not_before(promtool: str, folder: Path) -> None:
    said_by(promtool, folder, "test", "rules", CASES.name)
    cases = yaml.safe_load(CASES.read_text())["tests"]
    said = {case["name"] for case in cases}
    assert said == {
        f"{name} {does}" for name in names_of_alerts() for does in ("fires", "is silent")
    }


@pytest.mark.timeout(BUILT_WITHIN_SECONDS)
def test_every_panel_of_the_dashboard_can_be_asked(promtool: str, folder: Path) -> None:
    panels = json.loads((FOLDER / "dashboard.json").read_text())["panels"]
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


def names_of_alerts() -> set[str]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"] for group in groups for rule in group["rules"]}
