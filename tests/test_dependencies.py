"""Each package names the distributions that its modules import, no more and no less."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from running import ROOT

PROJECTS = {
    package: tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]
    for package in ("chassis", "api", "runtime-mcp")
}
NOT_IMPORTED = {
    "aiosqlite": "SQLAlchemy's driver, by the URL of the database",
    "fastapi-swagger": "its files are served",
    "httptools": "uvicorn's parser, by its module in uvicorn",
    "uvloop": "uvicorn's event loop, where it is installed",
}
PART_OF_OPENTELEMETRY = {
    "proto": "opentelemetry-proto",
    "sdk": "opentelemetry-sdk",
    "trace": "opentelemetry-api",
}
PART_OF = {"pydantic-core": "pydantic"}


def imported(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module


def exporter_of(module: str) -> str:
    """The distribution of `exporter.otlp.proto.http…`, which is named after its four folders."""
    return "-".join(["opentelemetry", *module.split(".")[:4]])


def distributions(package: str) -> set[str]:
    """What the modules of this package are from; in a namespace, the folder in it tells."""
    ours = {name.replace("-", "_"): [project["name"]] for name, project in PROJECTS.items()}
    known = {**packages_distributions(), **ours}
    found = set()
    for module in imported(ROOT / "packages" / package / "src"):
        top, _, rest = module.partition(".")
        if top == "opentelemetry":
            found.add(PART_OF_OPENTELEMETRY.get(rest.partition(".")[0]) or exporter_of(rest))
        elif top not in sys.stdlib_module_names:
            found.add(canonicalize_name(known[top][0]))
    return {PART_OF.get(name, name) for name in found} - {PROJECTS[package]["name"]}


@pytest.mark.parametrize("package", PROJECTS)
def test_a_package_names_what_it_imports_and_nothing_else(package: str) -> None:
    optional = PROJECTS[package].get("optional-dependencies", {}).values()
    lines = [*PROJECTS[package]["dependencies"], *(line for extra in optional for line in extra)]
    named = {canonicalize_name(Requirement(line).name) for line in lines}
    assert named - NOT_IMPORTED.keys() == distributions(package)


def test_packages_agree_on_the_versions_of_what_they_share() -> None:
    bounds: dict[str, set[str]] = {}
    for project in PROJECTS.values():
        for required in map(Requirement, project["dependencies"]):
            bounds.setdefault(required.name, set()).add(str(required.specifier))
    assert {name for name, each in bounds.items() if len(each) > 1} == set()
