"""The rendered charts before checkov: it finds nothing but what is let off, with a reason."""

import json
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from rendering import EXAMPLES, FETCHED_WITHIN_SECONDS, SOLUTION, Helm, example_name, examples_of
from running import ROOT

pytestmark = pytest.mark.timeout(FETCHED_WITHIN_SECONDS)

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"
OPTIONS = ("--framework=kubernetes", "--output=json", "--compact", "--skip-download")
LET_OFF = Path(__file__).with_name("checkov_let_off.txt")
CARELESS = {
    "api": {"securityContext": {"allowPrivilegeEscalation": True}},
    "networkPolicy": {"enabled": False},
}

Finding = tuple[str, str]


class LetOffError(ValueError):
    """A line of what is let off does not stand for something that is found."""


def written(helm: Helm, folder: Path) -> Path:
    """Each example as a release of its own: the policies of one are not for the pods of another."""
    for example in EXAMPLES:
        name = example_name(example)
        manifests = helm.having(example).render(None, example, release=name)
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(manifests))
    return folder


def scanned(folder: Path) -> Any:
    """What checkov says of all manifests in a folder."""
    done = subprocess.run(
        [CHECKOV, "--directory", folder, *OPTIONS], check=False, capture_output=True, text=True
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return json.loads(done.stdout)


def findings(said: Any) -> set[Finding]:
    """Each as its check, and the last word of the name of what it is about."""
    failed = said["results"]["failed_checks"]
    return {(each["check_id"], last_word(each["resource"])) for each in failed}


def last_word(resource: str) -> str:
    """Of `Kind.namespace.name`, which has labels after it where it is the pod of a template."""
    return resource.split(".")[2].rpartition("-")[2]


def let_off(lines: Iterable[str]) -> set[Finding]:
    """
    Raises:
        LetOffError: a line gives no reason.
    """
    allowed = set()
    for line in lines:
        if not line.startswith("#"):
            check, names, *reason = line.split(maxsplit=2)
            if not reason:
                raise LetOffError(f"{check} is let off without a reason")
            allowed |= {(check, name) for name in names.split(",")}
    return allowed


def left(found: set[Finding], lines: Iterable[str]) -> set[Finding]:
    """What is found, and not let off.

    Raises:
        LetOffError: a line gives no reason, or lets off what is not found.
    """
    allowed = let_off(lines)
    if idle := allowed - found:
        raise LetOffError(f"let off, and not found any more: {sorted(idle)}")
    return found - allowed


@pytest.fixture(scope="module")
def rendered(helm_4: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(helm_4, tmp_path_factory.mktemp("rendered"))


@pytest.fixture(scope="module")
def said(rendered: Path) -> Any:
    return scanned(rendered)


@pytest.fixture
def lines() -> list[str]:
    return LET_OFF.read_text().splitlines()


def test_every_manifest_of_every_example_is_looked_at(said: Any) -> None:
    results = said["results"]
    looked_at = {each["file_path"] for each in results["passed_checks"] + results["failed_checks"]}
    assert looked_at == {f"/{example_name(example)}.yaml" for example in EXAMPLES}
    assert said["summary"]["parsing_errors"] == 0


def test_nothing_is_found_but_what_is_let_off(said: Any, lines: list[str]) -> None:
    assert left(findings(said), lines) == set()


def test_what_is_let_off_and_not_found_any_more_is_refused(said: Any, lines: list[str]) -> None:
    for line in ("CKV_K8S_16 api it is privileged", "CKV_K8S_40 api it has a low user"):
        with pytest.raises(LetOffError, match="not found any more"):
            left(findings(said), [*lines, line])


def test_nothing_is_let_off_without_a_reason(said: Any, lines: list[str]) -> None:
    with pytest.raises(LetOffError, match="without a reason"):
        left(findings(said), [*lines, "CKV_K8S_20 api"])


def test_a_careless_release_among_the_others_is_found(
    helm_4: Helm, tmp_path: Path, lines: list[str]
) -> None:
    sidecar = examples_of(SOLUTION)["sidecar"]
    careless = helm_4.render(CARELESS, sidecar, release="careless")
    folder = written(helm_4, tmp_path)
    (folder / "careless.yaml").write_text(yaml.safe_dump_all(careless))
    found = left(findings(scanned(folder)), lines)
    assert {("CKV_K8S_20", "api"), ("CKV_K8S_20", "verify"), ("CKV2_K8S_6", "api")} == found
