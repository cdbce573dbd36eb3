"""What an allowlist says of arguments: no text of a caller takes it long, or slips through."""

import time
from typing import Any

import pytest
import yaml

from runtime_mcp.agents.agent import Agent
from runtime_mcp.allowlist.allowlist import Entry, parse
from runtime_mcp.allowlist.decision import decide

LONG = 1_000_000
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def allowed(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    entry = {"tool": "read", "arguments": schema}
    listed = parse(yaml.safe_dump({"agents": [{"name": "ada", "tools": [entry]}]}))
    return decide(listed, Agent("ada", "acme"), "read", arguments).allowed


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({"properties": {"a": {"pattern": "^(x+)+$"}}}, {"a": "x" * LONG + "!"}),
        ({"patternProperties": {"^(x+)+$": False}}, {"x" * LONG + "!": 1}),
        (
            {"patternProperties": {"^(x+)+$": True}, "additionalProperties": False},
            {"x" * LONG + "!": 1},
        ),
        (
            {"$schema": DIALECT, "properties": {"a": {"$ref": "#/$defs/word"}},
             "$defs": {"word": {"$schema": DIALECT, "pattern": "^(x+)+$"}}},
            {"a": "x" * LONG + "!"},
        ),
        (
            {"properties": {"a": {"uniqueItems": True}}},
            {"a": [number if number % 2 else str(number) for number in range(200_000)] + [1.0]},
        ),
    ],
)  # fmt: skip
def test_no_text_makes_a_decision_take_long(
    schema: dict[str, Any], arguments: dict[str, Any]
) -> None:
    began = time.perf_counter()
    # A property that no pattern fits is for the next rule to judge.
    assert allowed(schema, arguments) == (schema == {"patternProperties": {"^(x+)+$": False}})
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize("tool", ["files.*read*read*", "*.*-*-*"])
def test_no_name_makes_a_decision_take_long(tool: str) -> None:
    began = time.perf_counter()
    assert not Entry(tool=tool, per_minute=None).fits("files." + "read-" * (LONG // 5) + "!")
    assert time.perf_counter() - began < 3


@pytest.mark.parametrize(
    ("value", "fits"), [("abc", True), ("abc\n", False), ("ab\nc", False), ("", False)]
)
def test_the_end_of_a_pattern_is_the_end_of_the_text(value: str, fits: bool) -> None:
    assert allowed({"properties": {"path": {"pattern": "^[a-z]+$"}}}, {"path": value}) == fits


@pytest.mark.parametrize(
    ("items", "fits"),
    [([1, 1.0], False), ([1, True], True), ([{"a": [1]}, {"a": [1.0]}], False), ([0, False], True)],
)
def test_items_are_equal_as_json_has_it(items: list[Any], fits: bool) -> None:
    assert allowed({"properties": {"a": {"uniqueItems": True}}}, {"a": items}) == fits


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"a": {"pattern": "(?=a)"}}}, r"pattern '\(\?=a\)' is not taken"),
        ({"patternProperties": {r"(a)\1": {}}}, "is not taken"),
        ({"properties": {"a": {"pattern": "["}}}, "missing ]"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "only https"),
        ({"patternProperties": {"a": {}}, "unevaluatedProperties": False}, "which is not taken"),
        ({"properties": {"a": {"$ref": "https://example.com/"}}}, "another document"),
    ],
)
def test_a_schema_that_is_not_taken_says_why(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        allowed(schema, {})
