"""A YAML file of the gateway's config that knows the line of everything in it."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from policy.refusal import PolicyError

Place = tuple[Hashable, ...]
"""The keys and indexes that lead somewhere."""

MERGE = "tag:yaml.org,2002:merge"


@dataclass(frozen=True, slots=True)
class Mistake:
    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(slots=True)
class ConfigFile:
    """
    Attributes:
        config: what it says.
        lines: where it says it, from 1 on.
        repeated: the keys that a mapping has twice.
        is_overlay: it adds to another, on a laptop or in a test.
    """

    path: Path
    is_overlay: bool
    config: dict[str, Any] = field(default_factory=dict)
    lines: dict[Place, int] = field(default_factory=lambda: {(): 1})
    repeated: list[Mistake] = field(default_factory=list)

    def mistake(self, place: Place, reason: str) -> Mistake:
        while place not in self.lines:
            place = place[:-1]
        return Mistake(self.path, self.lines[place], reason)

    def section(self, name: str) -> dict[str, Any]:
        """A mapping of the top level; empty where it is something else."""
        value = self.config.get(name)
        return value if isinstance(value, dict) else {}

    def entries(self) -> Iterator[tuple[Place, dict[str, Any]]]:
        """The entries of model_list that have a name and a model."""
        model_list = self.config.get("model_list")
        for number, entry in enumerate(model_list if isinstance(model_list, list) else []):
            match entry:
                case {"model_name": str(), "litellm_params": {"model": str()}}:
                    yield ("model_list", number), entry

    def values(self, *start: str) -> Iterator[tuple[Place, Any]]:
        """Everything that is no mapping and no list, with its place; below a section, or all."""
        todo: list[tuple[Place, Any]] = [
            (start, self.config.get(start[0]) if start else self.config)
        ]
        for place, value in todo:
            if isinstance(value, dict):
                todo += [((*place, key), inner) for key, inner in value.items()]
            elif isinstance(value, list):
                todo += [((*place, number), inner) for number, inner in enumerate(value)]
            elif place:
                yield place, value

    def note(self, node: yaml.Node, place: Place = (), around: tuple[yaml.Node, ...] = ()) -> None:
        """Notes the line of everything in the node, and every key that a mapping has twice."""
        self.lines.setdefault(place, node.start_mark.line + 1)
        if node in around:
            raise yaml.composer.ComposerError(
                problem="contains itself", problem_mark=node.start_mark
            )
        around = (*around, node)
        if isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                self.note(item, (*place, number), around)
        elif isinstance(node, yaml.MappingNode):
            own: dict[Hashable, int] = {}
            for key, value in node.value:
                if key.tag == MERGE:
                    merged = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    for mapping in merged:
                        self.note(mapping, place, around)
            for key, value in node.value:
                if key.tag != MERGE and isinstance(key, yaml.ScalarNode):
                    name, line = Loader("").construct_object(key), key.start_mark.line + 1
                    if name in own:
                        reason = f"{name!r} is given twice, first in line {own[name]}"
                        self.repeated.append(
                            Mistake(self.path, line, f"{reason}: the last would win")
                        )
                    own[name] = self.lines[(*place, name)] = line
                    self.note(value, (*place, name), around)


class Loader(yaml.SafeLoader):
    """Says where a value is that cannot be made, such as the 30th of February."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(
                problem=str(error), problem_mark=node.start_mark
            ) from error


def read(path: Path, *, is_overlay: bool) -> ConfigFile:
    """
    Raises:
        PolicyError: it cannot be read, or is not a mapping in YAML.
    """
    line, reason = 1, "not a mapping"
    try:
        file, text = ConfigFile(path, is_overlay), path.read_text(encoding="utf-8")
        loader = Loader(text)
        if node := loader.get_single_node():
            file.note(node)
            file.config = loader.construct_document(node)
            if isinstance(file.config, dict):
                return file
    except OSError as error:
        reason = error.strerror or "cannot be read"
    except UnicodeDecodeError as error:
        line, reason = error.object[: error.start].count(b"\n") + 1, "not UTF-8"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, reason = mark.line + 1 if mark else 1, error.problem or error.context or "not YAML"
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        reason = f"not YAML: the character U+{ord(text[error.position]):04X}"
    raise PolicyError(str(Mistake(path, line, reason)))
