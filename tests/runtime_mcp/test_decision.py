import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runtime_mcp.agents.agent import Agent
from runtime_mcp.allowlist.allowlist import parse
from runtime_mcp.allowlist.decision import decide

LIST = parse("""
agents:
  - name: ada
    tools:
      - tool: files.*
      - tool: files.write
        arguments: {required: [path]}
      - tool: web.get
""")
ADA = Agent("ada", "acme", "service")


def test_the_most_specific_entry_decides() -> None:
    assert decide(LIST, ADA, "files.read", {}).allowed
    assert decide(LIST, ADA, "files.write", {}).reason == "arguments"
    assert decide(LIST, ADA, "files.write", {"path": "a"}).allowed


def test_an_agent_that_is_not_listed_may_do_nothing() -> None:
    assert decide(LIST, Agent("Ada", "acme", "service"), "web.get", {}).reason == "unknown_agent"


@pytest.mark.parametrize(
    "tool",
    ["Web.get", "web.get ", "web.get\n", "web..get", "web.\uff47et", "web.g\u200bet", "xweb.get",
     "web.gets", "files.a.b", "files.*"],
)  # fmt: skip
def test_a_name_that_only_looks_like_a_listed_one_is_not_allowed(tool: str) -> None:
    assert decide(LIST, ADA, tool, {}).reason == "not_listed"


@given(st.integers(0, 7), st.integers(0, 2), st.text(max_size=3))
def test_no_change_of_a_listed_name_is_ever_allowed(at: int, cut: int, put: str) -> None:
    """Not a sign more, fewer or another, wherever."""
    name = "web.get"[:at] + put + "web.get"[at + cut :]
    assert decide(LIST, ADA, name, {}).allowed == (name == "web.get")


@pytest.mark.parametrize(
    "text",
    ["agents: []\nagents: []", "agents: []\nother: 1",
     "agents: [{name: a, tools: [{tool: a.b, arguments: {type: 3}}]}]",
     "agents: [{name: a, tools: [{tool: a.b, arguments: {$ref: 'http://x/y'}}]}]"],
)  # fmt: skip
def test_a_document_with_a_mistake_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="line"):
        parse(text)


@given(st.from_regex(r"(files|web|other)\.[a-z]{1,6}", fullmatch=True))
def test_a_tool_without_a_constraint_is_visible_exactly_when_it_is_callable(tool: str) -> None:
    if tool != "files.write":
        assert decide(LIST, ADA, tool, None).allowed == decide(LIST, ADA, tool, {}).allowed


@pytest.mark.parametrize("schema", ["{$ref: '#/$defs/none'}", "{$ref: '#'}"])
def test_a_schema_that_cannot_be_evaluated_allows_nothing(schema: str) -> None:
    listed = parse(f"agents: [{{name: ada, tools: [{{tool: a.b, arguments: {schema}}}]}}]")
    assert decide(listed, ADA, "a.b", {"a": "x"}).reason == "arguments"


def test_arguments_that_cannot_be_judged_are_refused() -> None:
    entry = {"tool": "add", "arguments": {"properties": {"n": {"multipleOf": 0.5}}}}
    listed = parse(yaml.safe_dump({"agents": [{"name": "ada", "tools": [entry]}]}))
    decision = decide(listed, Agent("ada", "acme"), "add", {"n": 10**400})
    assert (decision.allowed, decision.reason) == (False, "arguments")
