"""The charts in the hands of a real Helm, 3 and 4: rendered, refused, linted and packaged."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from running import ROOT

Manifest = dict[str, Any]

(SOLUTION,) = (folder.parent for folder in ROOT.glob("charts/*/gateway"))
TOOL_GATEWAY = ROOT / "charts" / "runtime-mcp"
CHARTS = sorted(folder.parent for folder in ROOT.glob("charts/*/ci"))
EXAMPLES = [file for chart in CHARTS for file in sorted(chart.glob("ci/*.yaml"))]
MAJORS = ("3", "4")
NAMESPACE = "em-trial"
KUBERNETES = "1.36.0"
FETCHED_WITHIN_SECONDS = 300


def example_name(file: Path) -> str:
    """The chart's, and the example's own."""
    return f"{file.parents[1].name}-{file.stem}"


each_example = pytest.mark.parametrize("example", EXAMPLES, ids=example_name)
each_chart = pytest.mark.parametrize("chart", CHARTS, ids=lambda folder: folder.name)


def examples_of(chart: Path) -> dict[str, Path]:
    """By their names."""
    return {file.stem: file for file in EXAMPLES if file.parents[1] == chart}


def kubernetes_tools(which: str) -> Path:
    """The folder that `kubernetes.sh` prints; a test that cannot have it is skipped."""
    command = [str(ROOT / "tools" / "offline" / "kubernetes.sh"), which]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip().rpartition("\n")[2])
    return Path(done.stdout.strip())


def output_of(done: subprocess.CompletedProcess[str]) -> str:
    """What a command wrote that had to succeed."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Helm:
    """
    Args:
        program: one of a major version.
        charts: a copy of the repository's, and Helm's own files.
        name: of the chart that this is about.
    """

    program: Path
    charts: Path
    name: str = SOLUTION.name

    @property
    def chart(self) -> Path:
        return self.charts / self.name

    def of(self, chart: Path) -> Self:
        """The same for another chart of the repository."""
        return replace(self, name=chart.name)

    def having(self, example: Path) -> Self:
        """The same for the chart that this is an example of."""
        return self.of(example.parents[1])

    def run(self, *words: str | Path, said: str = "") -> subprocess.CompletedProcess[str]:
        homes = {f"HELM_{home}_HOME": str(self.charts) for home in ("CACHE", "CONFIG", "DATA")}
        return subprocess.run(
            [self.program, *words],
            input=said,
            cwd=self.charts,
            env=os.environ | homes,
            check=False,
            capture_output=True,
            text=True,
        )

    def succeed(self, *words: str | Path, said: str = "") -> str:
        return output_of(self.run(*words, said=said))

    def render(
        self,
        values: Mapping[str, Any] | None = None,
        *files: Path,
        release: str | None = None,
        namespace: str = NAMESPACE,
        kube_version: str = KUBERNETES,
    ) -> list[Manifest]:
        """
        Args:
            values: what is set beside the files, and wins.
            files: values files.
            release: the chart's name, where it is not said.
        """
        words = self._template(release, kube_version, *files, namespace=namespace)
        text = self.succeed(*words, said=json.dumps(values or {}))
        return [manifest for manifest in yaml.load_all(text, yaml.CSafeLoader) if manifest]

    def refused(self, values: Mapping[str, Any], *files: Path) -> str:
        """What is said of values that cannot be rendered."""
        words = self._template(None, KUBERNETES, *files)
        done = self.run(*words, said=json.dumps(values))
        assert done.returncode == 1, done.stdout
        return done.stderr

    def upgrade(
        self,
        config: Path,
        namespace: str,
        values: Mapping[str, Any] | None = None,
        *files: Path,
    ) -> None:
        """Installs the chart, or what has changed of it.

        Args:
            config: says where the cluster is.
        """
        where = ("--kubeconfig", config, f"--namespace={namespace}")
        words = ("upgrade", "--install", self.name, self.name, *where)
        self.succeed(*words, *given(files), "--values=-", said=json.dumps(values or {}))

    def lint(self, *files: Path) -> str:
        return self.succeed("lint", "--strict", self.chart, *given(files))

    def package(self, folder: Path) -> Path:
        self.succeed("package", self.chart, "--destination", folder)
        (archive,) = folder.iterdir()
        return archive

    def _template(
        self, release: str | None, kube_version: str, *files: Path, namespace: str = NAMESPACE
    ) -> list[str | Path]:
        words: list[str | Path] = ["template", release or self.name, self.name, *given(files)]
        return [*words, "--values=-", f"--namespace={namespace}", f"--kube-version={kube_version}"]


def given(files: Iterable[Path]) -> list[str | Path]:
    return [word for file in files for word in ("--values", file)]


def copied_charts(helm: Path, folder: Path) -> Path:
    """The charts with what they depend on inside them, which nobody wants in the repository."""
    charts = folder / "charts"
    shutil.copytree(ROOT / "charts", charts, ignore=shutil.ignore_patterns("__pycache__"))
    for chart in CHARTS:
        Helm(helm, charts).succeed("dependency", "build", charts / chart.name)
    return charts


def only(manifests: Iterable[Manifest], kind: str, name: str | None = None) -> Manifest:
    """The one of this kind, or of this kind and name."""
    (found,) = (
        each
        for each in manifests
        if each["kind"] == kind and name in {None, each["metadata"]["name"]}
    )
    return found


def called(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"
