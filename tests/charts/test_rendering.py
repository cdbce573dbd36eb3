"""The examples of each chart's values, with Helm 3 and Helm 4."""

import tarfile
from pathlib import Path

import pytest
import yaml

from rendering import (
    CHARTS,
    FETCHED_WITHIN_SECONDS,
    MAJORS,
    NAMESPACE,
    SOLUTION,
    TOOL_GATEWAY,
    Helm,
    called,
    each_chart,
    each_example,
    examples_of,
)

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)


def test_there_are_examples_of_both_charts() -> None:
    assert {SOLUTION, TOOL_GATEWAY} == set(CHARTS)
    assert all(len(examples_of(chart)) > 1 for chart in CHARTS)


def test_each_helm_is_of_the_major_version_that_it_is_called(helms: dict[str, Helm]) -> None:
    for major in MAJORS:
        assert helms[major].succeed("version", "--short").startswith(f"v{major}.")


@each_example
def test_lint_finds_nothing_in_an_example(helm: Helm, example: Path) -> None:
    assert "0 chart(s) failed" in helm.having(example).lint(example)


@each_example
def test_both_helms_render_the_same(helms: dict[str, Helm], example: Path) -> None:
    first, second = (helms[major].having(example).render(None, example) for major in MAJORS)
    assert first
    assert first == second


@each_example
def test_nothing_is_rendered_twice_or_into_another_namespace(helm_4: Helm, example: Path) -> None:
    manifests = helm_4.having(example).render(None, example)
    names = [called(manifest) for manifest in manifests]
    assert sorted(names) == sorted(set(names))
    assert {each["metadata"].get("namespace", NAMESPACE) for each in manifests} == {NAMESPACE}


@each_chart
def test_a_package_holds_what_is_mounted_and_the_chart_it_depends_on(
    helm: Helm, chart: Path, tmp_path: Path
) -> None:
    archive = helm.of(chart).package(tmp_path)
    said = yaml.safe_load((chart / "Chart.yaml").read_text())
    assert archive.name == f"{said['name']}-{said['version']}.tgz"
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    dependencies = [f"charts/{each['name']}/Chart.yaml" for each in said["dependencies"]]
    wanted = ["Chart.yaml", "values.yaml", "verify.sh", *dependencies]
    wanted += ["gateway/config.yaml"] if chart == SOLUTION else []
    assert {f"{chart.name}/{name}" for name in wanted} <= names
    assert [name for name in names if "__pycache__" in name or "/ci/" in name] == []


@each_chart
def test_a_package_renders_as_the_folder_does(helm: Helm, chart: Path, tmp_path: Path) -> None:
    helm = helm.of(chart)
    archive = helm.package(tmp_path)
    values = ("--values", examples_of(chart)["everything"])
    packaged = helm.succeed("template", "trial", archive, *values)
    assert packaged == helm.succeed("template", "trial", helm.chart, *values)
