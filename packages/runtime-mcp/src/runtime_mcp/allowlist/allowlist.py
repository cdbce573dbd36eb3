"""Which agent may call which tool. What is not listed is not allowed, and of several entries that
fit the most specific decides: the one with the fewest `*`, then the most other characters."""

import hashlib
import json
import re
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from chassis.watched_file import parse_yaml
from runtime_mcp.allowlist.argument_schema import checked, compiled, validator_of

PATTERN = re.compile(r"(?:[A-Za-z0-9_*-]+\.)?[A-Za-z0-9_*-]+")
"""`<server>.<tool>`, or the bare name of a tool of the gateway's own."""


class _Closed(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Entry(_Closed):
    """
    Attributes:
        arguments: a JSON Schema that they must satisfy.
        per_minute: calls of an agent by this entry within any minute, in one gateway.
    """

    tool: str
    arguments: dict[str, Any] | None = None
    per_minute: int | None = Field(None, ge=1, le=1_000_000)

    @field_validator("tool")
    @classmethod
    def _a_pattern(cls, value: str) -> str:
        if not PATTERN.fullmatch(value):
            raise ValueError("must be <server>.<tool> or <tool>, in letters, digits, _, - and *")
        return value

    @field_validator("arguments")
    @classmethod
    def _a_schema(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None:
            checked(value)
        return value

    @cached_property
    def validator(self) -> Any:
        """Of the arguments; None where any will do. A reference leads nowhere but into itself."""
        return None if self.arguments is None else validator_of(self.arguments)

    @cached_property
    def _names(self) -> Any:
        return compiled(re.escape(self.tool).replace(r"\*", "[A-Za-z0-9_-]*"))

    def fits(self, tool: str) -> bool:
        if not tool.isascii() or self._names.fullmatch(tool) is None:
            return False
        return PATTERN.fullmatch(tool) is not None

    def rank(self) -> tuple[int, int, str]:
        stars = self.tool.count("*")
        return -stars, len(self.tool) - stars, self.tool


class Grant(_Closed):
    """
    Attributes:
        organisation: where the name is one of several; None: of any.
        audit: whose events it may read at `GET /audit`; None: nobody's.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_.:@-]+\z")
    organisation: str | None = None
    tools: list[Entry]
    audit: Literal["own", "project", "organisation"] | None = None


class Allowlist(_Closed):
    agents: list[Grant]

    @model_validator(mode="after")
    def _each_once(self) -> "Allowlist":
        names = [(grant.name, grant.organisation) for grant in self.agents]
        if len(names) != len(set(names)):
            raise ValueError("an agent is listed twice")
        for grant in self.agents:
            if len({entry.tool for entry in grant.tools}) != len(grant.tools):
                raise ValueError(f"a tool of {grant.name} is listed twice")
        return self

    @cached_property
    def revision(self) -> str:
        """Tells this list from every other, in the record of each decision."""
        text = json.dumps(self.model_dump(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse(text: str) -> Allowlist:
    """The allowlist of this YAML document.

    Raises:
        ValueError: it is none; each mistake with its line, all in one line.
    """
    return parse_yaml(text, Allowlist)
