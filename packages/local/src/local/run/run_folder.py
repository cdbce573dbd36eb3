"""The folder of one run: the config that LiteLLM reads, beside it the modules that it names.

LiteLLM looks for the modules of a config's callbacks in the config's own folder.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from local.checks.modules import ATTRIBUTE
from local.run.assembly import Assembly


def prepare(folder: Path) -> None:
    """Makes the folder anew, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write(folder: Path, config: Assembly) -> Path:
    """Writes the config to run; a module that a file names is taken from beside that file.

    With `policy` come its own modules, `policy_*`.

    Returns:
        The file to start LiteLLM with.
    """
    for path, said in config.sources:
        for module in set(modules(said)):
            for pattern in (f"{module}.py", f"{module}_*.py"):
                for file in path.parent.glob(pattern):
                    shutil.copy(file, folder)
    target = folder / "config.yaml"
    target.write_text(yaml.safe_dump(config.running, sort_keys=False), encoding="utf-8")
    return target


def modules(value: object) -> Iterator[str]:
    """The first part of everything in a config that reads like `module.attribute`."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from modules(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from modules(inner)
    elif isinstance(value, str) and (match := ATTRIBUTE.fullmatch(value)):
        yield match[1]
