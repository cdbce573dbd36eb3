"""What is said of a value is said once, and is true: its comment, type and row in the README."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from chart_values import documented, undocumented

from rendering import CHARTS
from running import ROOT

BASE = ROOT / "charts" / "em-service"
TYPES = {
    "string": "string",
    "integer": "integer",
    "boolean": "boolean",
    "list": "array",
    "object": "object",
}

each_chart = pytest.mark.parametrize("chart", [BASE, *CHARTS], ids=lambda folder: folder.name)


def at(values: Any, path: str) -> Any:
    for name in path.split("."):
        values = values[name]
    return values


@each_chart
def test_every_value_has_a_comment_with_its_type(chart: Path) -> None:
    text = (chart / "values.yaml").read_text()
    rows = list(documented(text))
    assert len(rows) > 30
    values = yaml.safe_load(text)
    assert list(undocumented(values, {row.path for row in rows})) == []
    is_a = {"string": str, "integer": int, "boolean": bool, "list": list, "object": dict}
    for row in rows:
        assert isinstance(at(values, row.path), is_a[row.kind]), row.path


def aliases(chart: Path) -> list[str]:
    """What the chart calls em-service, whose values have a schema of their own."""
    said = yaml.safe_load((chart / "Chart.yaml").read_text())
    return [each["alias"] for each in said.get("dependencies", [])]


@each_chart
def test_the_schema_knows_every_value_by_its_type(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text())
    components = tuple(f"{alias}." for alias in aliases(chart))
    for row in documented((chart / "values.yaml").read_text()):
        if row.path.startswith(components):
            continue
        found = schema
        for name in row.path.split("."):
            found = found["properties"][name]
            if "$ref" in found:
                found = schema["definitions"][found["$ref"].rpartition("/")[2]]
        assert found["type"] == TYPES[row.kind], row.path


def test_the_tables_and_the_checksum_are_up_to_date() -> None:
    command = [sys.executable, "tools/chart_values.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_chart_whose_gateway_has_a_mistake_in_its_config_is_not_made(tmp_path: Path) -> None:
    for folder in ("charts", "tools"):
        ignored = shutil.ignore_patterns("__pycache__", "*.tgz")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=ignored)
    (config,) = tmp_path.glob("charts/*/gateway/config.yaml")
    config.write_text(config.read_text().replace("num_retries: 0", "num_retries: 3"))
    line = config.read_text()[: config.read_text().index("num_retries: 3")].count("\n") + 1
    values = config.parents[1] / "values.yaml"
    before = values.read_text()
    command = [sys.executable, "tools/chart_values.py"]
    done = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"{config}:{line}: num_retries above 0 ")
    assert values.read_text() == before, "without its checksum the chart is not rendered"
