"""The examples of the chart's values, with Helm 3 and Helm 4."""

import tarfile
from pathlib import Path

import pytest
import yaml

from rendering import EXAMPLES, FETCHED_WITHIN_SECONDS, MAJORS, NAMESPACE, SOLUTION, Helm, called

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

each_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)


def test_there_are_examples() -> None:
    assert len(EXAMPLES) > 1


def test_each_helm_is_of_the_major_version_that_it_is_called(helms: dict[str, Helm]) -> None:
    for major in MAJORS:
        assert helms[major].succeed("version", "--short").startswith(f"v{major}.")


@each_example
def test_lint_finds_nothing_in_an_example(helm: Helm, example: Path) -> None:
    assert "0 chart(s) failed" in helm.lint(example)


@each_example
def test_both_helms_render_the_same(helms: dict[str, Helm], example: Path) -> None:
    first, second = (helms[major].render(None, example) for major in MAJORS)
    assert first
    assert first == second


@each_example
def test_nothing_is_rendered_twice_or_into_another_namespace(helm_4: Helm, example: Path) -> None:
    manifests = helm_4.render(None, example)
    names = [called(manifest) for manifest in manifests]
    assert sorted(names) == sorted(set(names))
    assert {each["metadata"].get("namespace", NAMESPACE) for each in manifests} == {NAMESPACE}


def test_a_package_holds_the_gateway_and_the_chart_it_depends_on(
    helm: Helm, tmp_path: Path
) -> None:
    archive = helm.package(tmp_path)
    chart = yaml.safe_load((SOLUTION / "Chart.yaml").read_text())
    assert archive.name == f"{chart['name']}-{chart['version']}.tgz"
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
    dependencies = [f"charts/{each['name']}/Chart.yaml" for each in chart["dependencies"]]
    wanted = ["Chart.yaml", "values.yaml", "gateway/config.yaml", *dependencies]
    assert {f"{SOLUTION.name}/{name}" for name in wanted} <= names
    assert [name for name in names if "__pycache__" in name] == []


def test_a_package_renders_as_the_folder_does(helm: Helm, tmp_path: Path) -> None:
    archive = helm.package(tmp_path)
    packaged = helm.succeed("template", "trial", archive, "--values", EXAMPLES[0])
    assert packaged == helm.succeed("template", "trial", helm.chart, "--values", EXAMPLES[0])
