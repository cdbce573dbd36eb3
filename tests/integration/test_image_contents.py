"""What is in the images, and what is not: layer by layer, so that nothing hides below another."""

import json
import os
import re
import secrets
import ssl
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from images import Image, buildah, built, layers
from running import ROOT

pytestmark = pytest.mark.timeout(600)

LIBRARIES = "srv/lib/python3.*/site-packages"
UNCHECKED = 0b01
PROVIDERS = ("OPENAI", "ANTHROPIC", "GEMINI", "AZURE", "VERTEX", "VLLM", "GOOGLE")


@pytest.fixture(scope="module", params=["api", "gateway", "runtime-mcp"])
def package(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(package: str) -> Iterator[Image]:
    with built(package) as image:
        yield image


def project(package: str) -> dict[str, str]:
    folder = {"gateway": "local"}.get(package, package)
    text = (ROOT / "packages" / folder / "pyproject.toml").read_text()
    found: dict[str, str] = tomllib.loads(text)["project"]
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def git(*words: str) -> str:
    command = ["/usr/bin/env", "git", *words]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_its_labels_say_what_it_is_and_of_which_commit(image: Image, package: str) -> None:
    labels = {
        name.removeprefix("org.opencontainers.image."): value
        for name, value in image.config["Labels"].items()
    }
    assert image.tag == f"{labels['title']}:{labels['version']}"
    assert labels["title"].endswith(f"-{package}")
    assert labels["version"] == project(package)["version"]
    changed = "-changed" if git("status", "--porcelain") else ""
    assert labels["revision"] == git("rev-parse", "HEAD") + changed
    committed = datetime.fromtimestamp(int(git("log", "-1", "--format=%ct")), UTC)
    assert datetime.fromisoformat(labels["created"]) == committed
    buildah("inspect", "--type", "image", labels["base.name"])


def test_its_bill_of_materials_has_each_distribution_and_no_other(
    image: Image, package: str
) -> None:
    bill = json.loads((image.root / f"usr/share/sbom/{package}.json").read_text())
    listed = {(normal(part["name"]), part["version"]) for part in bill["components"]}
    listed.add((normal(bill["metadata"]["component"]["name"]), project(package)["version"]))
    found = map(PathDistribution, image.root.glob(f"{LIBRARIES}/*.dist-info"))
    assert listed == {(normal(each.metadata["Name"]), each.version) for each in found}


def test_nothing_in_it_installs_anything(image: Image) -> None:
    below = image.succeed("python", "-c", "import sys; print(sys._base_executable)").strip()
    for python in ("/srv/bin/python", below):
        for module in ("pip", "ensurepip", "uv"):
            done = image.run(python, "-c", f"import {module}")
            assert f"No module named '{module}'" in done.stderr, python
    for program in ("pip", "pip3", "uv"):
        assert image.run("sh", "-c", f"command -v {program}").stdout == ""


def test_all_of_it_is_compiled(image: Image) -> None:
    for source in image.root.glob(f"{LIBRARIES}/**/*.py"):
        (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")
        assert int.from_bytes(compiled.read_bytes()[4:8], "little") == UNCHECKED, source
    said = image.run("python", "-v", "-c", "import asyncio, json, ssl, sqlite3, http.server").stderr
    assert re.search(r"code object from '.*\.pyc'", said)
    assert not re.search(r"code object from '.*\.py'", said)


def test_nothing_in_it_runs_as_somebody_else(image: Image) -> None:
    files = [path for path in image.root.rglob("*") if not path.is_symlink() and path.is_file()]
    assert len(files) > 1000
    assert [path for path in files if path.stat().st_mode & 0o6000] == []


def test_what_a_build_is_told_is_no_file_of_any_layer(image: Image) -> None:
    with layers(image) as found:
        names = {Path(name).name for name in found.names()}
    assert "tini" in names
    assert names.isdisjoint({"pip.conf", ".netrc", "certificates"})


@dataclass(frozen=True)
class Trial:
    """An image of the API that was built with secrets that are known."""

    image: Image
    secrets: list[str]


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    folder = tmp_path_factory.mktemp("secrets")
    host = f"index-{secrets.token_hex(8)}.invalid"
    remark = f"a certificate of {secrets.token_hex(8)}"
    (folder / "pip.conf").write_text(f"[global]\ntrusted-host = {host}\n")
    trusted = Path(ssl.get_default_verify_paths().cafile or os.environ["PIP_CERT"])
    (folder / "certificates").write_text(f"# {remark}\n{trusted.read_text()}")
    told = {"PIP_CONFIG_FILE": str(folder / "pip.conf"), "PIP_CERT": str(folder / "certificates")}
    tag = f"trial-{secrets.token_hex(4)}"
    with built("api", FRESH="1", TAG=tag, **told) as image:
        yield Trial(image, [host, remark])
    buildah("rmi", image.tag)


def test_a_build_leaves_nothing_of_its_secrets(trial: Trial) -> None:
    with layers(trial.image) as found:
        assert found.has("def create_app(")
        for secret in trial.secrets:
            assert not found.has(secret)


def test_the_image_of_the_api_has_no_litellm_and_no_variable_of_a_provider(trial: Trial) -> None:
    assert list(trial.image.root.glob(f"{LIBRARIES}/fastapi"))
    assert not list(trial.image.root.glob(f"{LIBRARIES}/*litellm*"))
    assert not [name for name in trial.image.environment if name.startswith(PROVIDERS)]


def test_an_image_of_the_api_may_have_the_litellm_client_as_it_is_locked() -> None:
    locked = (ROOT / "requirements" / "dev.txt").read_text()
    with built("api", EXTRAS="litellm", TAG=f"trial-{secrets.token_hex(4)}") as image:
        loaded = "from api.litellm_client.client import load_litellm; load_litellm()"
        image.succeed("python", "-c", loaded)
        version = "from importlib.metadata import version; print(version('litellm'))"
        assert f"\nlitellm=={image.succeed('python', '-c', version).strip()} " in locked
        bill = json.loads((image.root / "usr/share/sbom/api.json").read_text())
        assert "litellm" in {part["name"] for part in bill["components"]}
    buildah("rmi", image.tag)
