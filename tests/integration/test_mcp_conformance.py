"""The official conformance suite, run through the tool gateway in front of real upstreams.

What is not passed on stands in the lists below, each with its reason. A list is exact: an entry
that passes fails the test, and so does a scenario that fails and is in none.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from conformance_upstream import ConformanceUpstream
from mcp_peers import Conformance, Peers, mcp_peers
from naming_relay import relayed
from runtime_mcp.main import create_app
from runtime_mcp.tools.builtin import HELLO
from tool_gateway import served, settings_in, until_up, written

OLD, NEW = "2025-11-25", "2026-07-28"
REVISIONS = pytest.mark.parametrize("revision", [OLD, NEW])

TOOLS_ALONE = "the gateway is the door to tools, and says so in its capabilities"
ASKS_BETWEEN = "asks back in a session, and the gateway has none: 2026-07-28 asks in a result"
TASKS = "tasks are an extension, neither offered nor passed on"

EVERY_REVISION = {
    "completion-complete": TOOLS_ALONE,
    "prompts-list": TOOLS_ALONE,
    "prompts-get-simple": TOOLS_ALONE,
    "prompts-get-with-args": TOOLS_ALONE,
    "prompts-get-embedded-resource": TOOLS_ALONE,
    "prompts-get-with-image": TOOLS_ALONE,
    "resources-list": TOOLS_ALONE,
    "resources-read-text": TOOLS_ALONE,
    "resources-read-binary": TOOLS_ALONE,
    "resources-templates-read": TOOLS_ALONE,
}
NOT_PASSED_ON = {
    OLD: EVERY_REVISION
    | {
        "resources-subscribe": TOOLS_ALONE,
        "resources-unsubscribe": TOOLS_ALONE,
        "logging-set-level": "a level would be remembered for a session, and there is none",
        "tools-call-with-logging": "an upstream's log is its operator's, not the agent's",
        "tools-call-sampling": ASKS_BETWEEN,
        "tools-call-elicitation": ASKS_BETWEEN,
        "elicitation-sep1034-defaults": ASKS_BETWEEN,
        "elicitation-sep1330-enums": ASKS_BETWEEN,
    },
    NEW: EVERY_REVISION
    | {
        "caching": "wants the hints of prompts and resources, too; those of tools are below",
        "input-required-result-non-tool-request": TOOLS_ALONE,
        "tasks-lifecycle": TASKS,
        "tasks-capability-negotiation": TASKS,
        "tasks-wire-fields": TASKS,
        "tasks-request-state-removal": TASKS,
        "tasks-mrtr-input": TASKS,
        "tasks-request-headers": TASKS,
        "tasks-dispatch-and-envelope": TASKS,
        "tasks-required-task-error": TASKS,
        "tasks-mrtr-composition": TASKS,
    },
}
NO_SUCH_TOOL = {"tools-call-simple-text", "tools-call-error"}
"""server-everything says in a result that it has no such tool, which passes; the gateway, in an
error of the protocol, which does not."""


@pytest.fixture(scope="module")
def peers() -> Peers:
    return mcp_peers()


@pytest.fixture(scope="module")
def everything(peers: Peers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with peers.everything(tmp_path_factory.mktemp("everything")) as url:
        yield url


@dataclass(frozen=True)
class Run:
    """One upstream, reached directly and through the gateway.

    Attributes:
        gateway: its own address; the relay before it is `through`.
    """

    direct: str
    gateway: str
    through: str


@asynccontextmanager
async def before(upstream: str, folder: Path) -> AsyncIterator[Run]:
    """A gateway before this upstream, and the relay that makes the suite's names its own."""
    allowed = [{"name": "local", "tools": [{"tool": "suite.*"}, {"tool": HELLO}]}]
    settings = settings_in(
        folder,
        {"suite": upstream},
        auth_mode="disabled",
        allowlist_file=written(folder, "local.yaml", {"agents": allowed}),
    )
    async with served(create_app(settings)) as gateway:
        await until_up(gateway, "suite")
        async with relayed(gateway, "suite") as through:
            yield Run(upstream, gateway, through)


@pytest.fixture(scope="module")
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """Before the upstream that has all tools that the suite calls."""
    async with served(ConformanceUpstream().app()) as upstream:
        async with before(upstream, tmp_path_factory.mktemp("gateway")) as running:
            yield running


@REVISIONS
async def test_all_that_a_gateway_can_influence_conforms(
    peers: Peers, run: Run, revision: str, tmp_path: Path
) -> None:
    said = await peers.conformance(run.through, tmp_path, "--requirements", revision)
    failed = {name: checks for name, checks in said.scenarios.items() if checks}
    assert failed.keys() == NOT_PASSED_ON[revision].keys(), failed


@REVISIONS
async def test_what_passes_directly_passes_through_the_gateway(
    peers: Peers, run: Run, revision: str, tmp_path: Path
) -> None:
    lost = await lost_on_the_way(peers, run, revision, tmp_path)
    assert lost == set()


async def test_of_server_everything_nothing_is_lost_but_what_is_not_passed_on(
    peers: Peers, everything: str, tmp_path: Path
) -> None:
    async with before(everything, tmp_path) as run:
        lost = await lost_on_the_way(peers, run, OLD, tmp_path)
    assert lost == NO_SUCH_TOOL | {
        "logging-set-level",
        "prompts-list",
        "resources-list",
        "resources-subscribe",
        "resources-unsubscribe",
    }


async def test_headers_are_read_as_the_protocol_says(
    peers: Peers, run: Run, tmp_path: Path
) -> None:
    scenario = ("--scenario", "http-header-validation", "--spec-version", NEW)
    said = await peers.conformance(run.gateway, tmp_path, *scenario)
    assert said.scenarios == {"http-header-validation": []}


async def test_a_listing_of_tools_says_how_long_it_may_be_kept_and_by_whom(
    peers: Peers, run: Run, tmp_path: Path
) -> None:
    said = await peers.conformance(
        run.through, tmp_path, "--scenario", "caching", "--spec-version", NEW
    )
    lacking = [line.partition(":")[0] for line in said.scenarios["caching"]]
    assert lacking == [
        "sep-2549-prompts-list-caching-hints",
        "sep-2549-resources-list-caching-hints",
        "sep-2549-resources-templates-list-caching-hints",
    ]


async def lost_on_the_way(peers: Peers, run: Run, revision: str, folder: Path) -> set[str]:
    async def said(url: str, name: str) -> Conformance:
        return await peers.conformance(url, folder / name, "--requirements", revision)

    direct, through = await said(run.direct, "direct"), await said(run.through, "through")
    assert len(direct.passed) >= 8
    assert direct.scenarios.keys() == through.scenarios.keys()
    return direct.passed - through.passed
