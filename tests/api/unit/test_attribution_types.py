"""A call without a project and a solution cannot be written, nor one with a careless name."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.gateway.attribution import Attribution, Solution
from api.gateway.wire_client import WireClient
from api.llm.client import Llm
from chassis.project_id import ProjectId, SafeName
from running import ROOT, settings_for

UUID = "7e8dcc46-6b53-4a5c-93a8-6a8a1f0cbb5c"
DEMO = Attribution(ProjectId("demo"), Solution("desk"), trace_id="ab" * 16)


@pytest.mark.parametrize("kind", [ProjectId, Solution])
@pytest.mark.parametrize("name", ["a", "demo", "7", "My_project.v2-b", UUID, "x" * 128])
def test_slugs_and_uuids_are_names(kind: type[SafeName], name: str) -> None:
    assert kind(name) == name


@pytest.mark.parametrize("kind", [ProjectId, Solution])
@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 129,
        "-a",
        ".a",
        "_a",
        "a b",
        "a/b",
        "a,b",
        "é",
        "a\n",
        "a\r\nX: y",
        "a\0",
        "٣",
    ],
)
def test_what_is_not_safe_in_a_header_a_tag_and_a_log_is_no_name(
    kind: type[SafeName], name: str
) -> None:
    with pytest.raises(ValueError, match="must be 1 to 128 letters") as raised:
        kind(name)
    assert name not in str(raised.value) or not name.strip()


def test_metadata_says_it_plainly_and_as_langfuse_reads_it() -> None:
    assert DEMO.metadata() == {
        "project_id": "demo",
        "solution": "desk",
        "trace_id": "ab" * 16,
        "trace_metadata": {"project_id": "demo", "solution": "desk"},
        "tags": ["project:demo", "solution:desk"],
    }
    assert replace(DEMO, session_id="s 1").metadata()["session_id"] == "s 1"


def test_metadata_is_made_for_one_request_and_what_is_done_to_it_stays_there() -> None:
    untouched = DEMO.metadata()
    spoiled = DEMO.metadata()
    spoiled["trace_metadata"]["project_id"] = "other"
    spoiled["tags"].append("project:other")
    spoiled["hidden_params"] = {}
    spoiled["project_id"] = "other"
    assert DEMO.metadata() == untouched


def test_metadata_holds_plain_strings_for_whoever_encodes_it() -> None:
    assert type(DEMO.metadata()["project_id"]) is str
    assert type(DEMO.metadata()["solution"]) is str


def test_an_attribution_cannot_be_changed_after_it_was_made() -> None:
    other: Any = DEMO
    with pytest.raises(AttributeError):
        other.project_id = ProjectId("other")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"project_id": ProjectId("demo")},
        {"solution": Solution("desk")},
    ],
)
def test_a_call_that_names_no_project_or_no_solution_is_a_type_error(given: Any) -> None:
    no_gateway: Any = None
    llm: Any = Llm(WireClient(no_gateway), settings_for("http://127.0.0.1:9/v1"), no_gateway)
    for method in (llm.complete, llm.stream):
        with pytest.raises(TypeError, match="required keyword-only argument"):
            method("hi", **given)
        with pytest.raises(TypeError, match="positional argument"):
            method("hi", ProjectId("demo"), Solution("desk"))


@pytest.mark.parametrize("given", [{"project_id": ""}, {"solution": "a b"}])
async def test_a_careless_name_that_the_types_did_not_stop_is_stopped_before_the_call(
    given: Any,
) -> None:
    no_gateway: Any = None
    llm: Any = Llm(WireClient(no_gateway), settings_for("http://127.0.0.1:9/v1"), no_gateway)
    names = {"project_id": "demo", "solution": "desk"} | given
    with pytest.raises(ValueError, match="must be 1 to 128 letters"):
        await llm.complete("hi", **names)
    with pytest.raises(ValueError, match="must be 1 to 128 letters"):
        await anext(llm.stream("hi", **names))


SNIPPET = """
from api.gateway.attribution import Solution
from api.llm.client import Llm
from chassis.project_id import ProjectId
async def call(llm: Llm) -> None:
    await llm.complete("hi", project_id=ProjectId("demo"), solution=Solution("desk"))
    await llm.complete("hi")
    await llm.complete("hi", project_id="demo", solution="desk")
    await llm.complete("hi", project_id=Solution("desk"), solution=ProjectId("demo"))
    llm.stream("hi", project_id=ProjectId("demo"))
"""


OF_COMPLETE = 'for "complete" of "Llm"  [call-arg]'


def wrong(argument: str, given: str, wanted: str) -> str:
    method = f'Argument "{argument}" to "complete" of "Llm"'
    return f'{method} has incompatible type "{given}"; expected "{wanted}"  [arg-type]'


def test_mypy_refuses_what_the_types_forbid_and_nothing_else(
    tmp_path: Path,
) -> None:
    file = tmp_path / "snippet.py"
    file.write_text(SNIPPET)
    options: list[str | Path] = [
        "--config-file",
        ROOT / "pyproject.toml",
        "--cache-dir",
        tmp_path / "cache",
    ]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *options, file],
        env=os.environ | {"MYPYPATH": str(ROOT / "packages/api/src")},
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.stderr == ""
    lines = checked.stdout.splitlines()
    said = [line.removeprefix(f"{file}:") for line in lines if ": error:" in line]
    assert [line.partition(" error: ")[::2] for line in said] == [
        ("7:", f'Missing named argument "project_id" {OF_COMPLETE}'),
        ("7:", f'Missing named argument "solution" {OF_COMPLETE}'),
        ("8:", wrong("project_id", "str", "ProjectId")),
        ("8:", wrong("solution", "str", "Solution")),
        ("9:", wrong("project_id", "Solution", "ProjectId")),
        ("9:", wrong("solution", "ProjectId", "Solution")),
        ("10:", 'Missing named argument "solution" for "stream" of "Llm"  [call-arg]'),
    ]
    assert checked.returncode == 1


def test_the_package_tells_type_checkers_that_it_has_types() -> None:
    assert (ROOT / "packages/api/src/api/py.typed").exists()
