"""A YAML file that is read again when it changes. A bad one never takes the place of a good one."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from chassis.logs import log

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
LOOK_SECONDS = 1.0


class WatchedFile(Generic[T]):
    """
    Args:
        parse: raises ValueError for what makes no sense.
        look: seconds from one look at the file to the next.
    """

    def __init__(
        self, path: Path, parse: Callable[[str], T], *, look: float = LOOK_SECONDS
    ) -> None:
        self._path = path
        self._parse = parse
        self._look = look
        self._text = path.read_text()
        self._now = parse(self._text)
        self._is_good = True
        self.is_taken = True
        """Whether `now` is what the file says now."""
        self._on_change: Callable[[T], None] | None = None

    @property
    def now(self) -> T:
        """What the last good file says."""
        return self._now

    def on_change(self, callback: Callable[[T], None]) -> None:
        """Calls this with each good file that takes the place of another."""
        self._on_change = callback

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._look)
            try:
                text = self._path.read_text()
                if text == self._text:
                    self.is_taken = self._is_good
                    continue
                self._text, self._is_good = text, False
                self._now = self._parse(text)
            except (OSError, ValueError, RecursionError) as error:
                self.is_taken = False
                log.error("file_not_taken", path=str(self._path), reason=str(error))
            else:
                self._is_good = self.is_taken = True
                log.info("file_taken", path=str(self._path))
                if self._on_change is not None:
                    self._on_change(self._now)


class Loader(yaml.SafeLoader):
    """A key that stands twice is a mistake: the last one would win without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """See `yaml.constructor.SafeConstructor`."""
        keys = [key.value for key, _ in node.value]
        if len(keys) != len({str(key) for key in keys}):
            raise yaml.constructor.ConstructorError(None, None, "duplicate key", node.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, model: type[M]) -> M:
    """What this YAML document says.

    Raises:
        ValueError: it is no YAML, or not of this model; each mistake with its line.
    """
    try:
        return model.model_validate(yaml.load(text, Loader=Loader))  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        raise ValueError(f"is no YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        raise ValueError("; ".join(mistakes(error, text))) from None


def mistakes(error: ValidationError, text: str) -> Iterator[str]:
    """A sentence for each of them, with its line and its place in the document."""
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    for each in error.errors(include_url=False, include_input=False):
        node, line, place = document, 0, []
        for step in each["loc"]:
            found = members(node).get(str(step))
            if found is not None:
                line, node = found
            # pydantic names the members of a union, too, which are not in the document.
            if found is not None or (step == each["loc"][-1] and step != "[key]"):
                place.append(str(step))
        reason = each["msg"].removeprefix("Value error, ")
        yield f"line {line + 1}: {'.'.join(place) or 'the document'}: {reason}"


def members(node: yaml.Node | None) -> dict[str, tuple[int, yaml.Node]]:
    """Of a mapping or a sequence, by key or position: the line where each begins, and its node."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): (key.start_mark.line, value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return {str(at): (each.start_mark.line, each) for at, each in enumerate(node.value)}
    return {}
