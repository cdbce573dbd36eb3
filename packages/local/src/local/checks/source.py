"""A YAML file of the gateway's config that knows the line of everything in it."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.run.config import Config, ConfigError

Place = tuple[Hashable, ...]

MERGE = "tag:yaml.org,2002:merge"


class Mistakes(ConfigError):
    """A config cannot be used. The message has a line for each mistake: `path:line: reason`."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """
    Attributes:
        line: counts from 1.
    """

    path: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file, read.

    Attributes:
        config: what it says.
        lines: where it says it; a place is the keys and indexes that lead there.
        repeated: each key that a mapping has twice, with the line of the first.
        is_overlay: it adds to another, on a laptop or in a test.
    """

    path: Path
    config: Config
    lines: dict[Place, int]
    repeated: list[tuple[Place, int, int]]
    is_overlay: bool

    def line(self, place: Place) -> int:
        while place not in self.lines:
            place = place[:-1]
        return self.lines[place]

    def mistake(self, place: Place, reason: str) -> Mistake:
        return Mistake(self.path, self.line(place), reason)

    def section(self, name: str) -> Config:
        """A mapping of the file's top level; empty when it is something else."""
        value = self.config.get(name)
        return value if isinstance(value, dict) else {}

    def entries(self) -> Iterator[tuple[Place, Config]]:
        """The entries of model_list that have a name and litellm_params with a model."""
        model_list = self.config.get("model_list")
        for number, entry in enumerate(model_list if isinstance(model_list, list) else []):
            if lack_of(entry) is None:
                yield ("model_list", number), entry


def lack_of(entry: object) -> str | None:
    """What is missing for an entry of model_list to be one."""
    if not isinstance(entry, dict) or not isinstance(entry.get("model_name"), str):
        return "an entry of model_list needs a model_name"
    params = entry.get("litellm_params")
    if not isinstance(params, dict) or not isinstance(params.get("model"), str):
        return f"{entry['model_name']} needs litellm_params with a model"
    return None


def parts(place: Place, entry: Config) -> Iterator[tuple[Place, Config]]:
    """The mappings of an entry that LiteLLM reads a limit from, each with its place."""
    yield place, entry
    for key in ("litellm_params", "model_info"):
        if isinstance(entry.get(key), dict):
            yield (*place, key), entry[key]


class Loader(yaml.SafeLoader):
    """Says where a value is that cannot be made, such as the 30th of February."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise yaml.constructor.ConstructorError(
                problem=str(error), problem_mark=node.start_mark
            ) from error


def read(path: Path, *, is_overlay: bool) -> Source:
    """
    Raises:
        Mistakes: it cannot be read, or is not a mapping in YAML.
    """
    line, reason = 1, ""
    try:
        text = path.read_text(encoding="utf-8")
        loader = Loader(text)
        node = loader.get_single_node()
        lines: dict[Place, int] = {(): 1}
        repeated: list[tuple[Place, int, int]] = []
        if node is not None:
            note(node, (), lines, repeated, frozenset())
            config = loader.construct_document(node)
            if isinstance(config, dict):
                return Source(path, config, lines, repeated, is_overlay)
        reason = "not a mapping"
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
    raise Mistakes(str(Mistake(path, line, reason)))


def note(
    node: yaml.Node,
    place: Place,
    lines: dict[Place, int],
    repeated: list[tuple[Place, int, int]],
    around: frozenset[int],
) -> None:
    """Notes the line of everything in the node, and every key that a mapping has twice."""
    lines.setdefault(place, node.start_mark.line + 1)
    if id(node) in around:
        raise yaml.composer.ComposerError(problem="contains itself", problem_mark=node.start_mark)
    around |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            note(item, (*place, number), lines, repeated, around)
    elif isinstance(node, yaml.MappingNode):
        own: dict[Hashable, int] = {}
        merges = [value for key, value in node.value if key.tag == MERGE]
        for merged in merges:
            for mapping in merged.value if isinstance(merged, yaml.SequenceNode) else [merged]:
                note(mapping, place, lines, repeated, around)
        for key, value in node.value:
            if key.tag == MERGE or not isinstance(key, yaml.ScalarNode):
                continue
            name, line = Loader("").construct_object(key), key.start_mark.line + 1
            if name in own:
                repeated.append(((*place, name), line, own[name]))
            own[name] = lines[(*place, name)] = line
            note(value, (*place, name), lines, repeated, around)
