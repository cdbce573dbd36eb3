"""The folder of one run: the config that LiteLLM reads, beside it the modules that it names.

LiteLLM looks for the modules of a config's callbacks in the config's own folder.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from local.run.assembly import Assembly

ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)(\.[A-Za-z_]\w*)+")


def prepare(folder: Path) -> None:
    """Makes the folder anew, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def write(folder: Path, config: Assembly) -> Path:
    """Writes the config to run; a module or package that a file names comes from beside that file.

    Returns:
        The file to start LiteLLM with.
    """
    for path, said in config.sources:
        if (schema := path.parent / "config.schema.json").is_file():
            shutil.copy(schema, folder)
        for module in set(modules(said)):
            if (file := path.parent / f"{module}.py").is_file():
                shutil.copy(file, folder)
            elif (package := path.parent / module).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(package, folder / module, ignore=ignored, dirs_exist_ok=True)
    sources = "".join(f"{path.absolute()}\n" for path, _ in config.sources)
    (folder / "sources.txt").write_text(sources, encoding="utf-8")  # what the policy checks there
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
