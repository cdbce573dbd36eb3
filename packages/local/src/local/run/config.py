"""Which config the gateway runs with, and who answers each alias: files and names in, a dict out.

An alias that refers to a variable that is not set is answered by the local LLM.
"""

import copy
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]

REFERENCE = "os.environ/"


class ConfigError(Exception):
    """A config cannot be used. The message is one line that names the file."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who answers an alias.

    Attributes:
        missing: the variables that would have to be set for the provider to answer. Empty when it
            does; else the local LLM answers.
    """

    alias: str
    model: str
    missing: tuple[str, ...]


def read(path: Path) -> Config:
    """The mapping in a YAML file.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{path}{line}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: not a mapping")
    for number, entry in enumerate(entries(config, path), start=1):
        check_entry(entry, f"{path}: entry {number} of model_list")
    return config


def entries(config: Config, path: Path) -> list[Any]:
    model_list = config.get("model_list", [])
    if not isinstance(model_list, list):
        raise ConfigError(f"{path}: model_list is not a list")
    return model_list


def check_entry(entry: object, place: str) -> None:
    if not isinstance(entry, dict) or not isinstance(entry.get("model_name"), str):
        raise ConfigError(f"{place} has no model_name")
    params = entry.get("litellm_params")
    if not isinstance(params, dict) or not isinstance(params.get("model"), str):
        raise ConfigError(f"{place} ({entry['model_name']}) has no litellm_params with a model")


def merge(config: Config, overlay: Config) -> Config:
    """A new config: mappings merge, lists grow, anything else is replaced."""
    merged = copy.deepcopy(config)
    for key, value in overlay.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = merge(old, value)
        elif isinstance(old, list) and isinstance(value, list):
            merged[key] = [*old, *copy.deepcopy(value)]
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def localise(
    config: Config, local: Config, variables: Collection[str]
) -> tuple[Config, list[Route]]:
    """Leaves each alias to the providers whose variables are set, and else to the local LLM.

    Args:
        config: as `read` and `merge` make it.
        local: what such an entry of `model_list` gets in place of its own.
        variables: the names that are set, and not to an empty value.

    Returns:
        The config to run, and who answers each alias, in the order of the config. Of an alias that
        somebody answers, what misses a variable stays, for the gateway does not serve it.
    """
    local_config, routes = copy.deepcopy(config), []
    model_list = local_config.get("model_list", [])
    answered = {entry["model_name"] for entry in model_list if not missing_of(entry, variables)}
    for entry in model_list:
        alias, missing = entry["model_name"], missing_of(entry, variables)
        if missing and alias in answered:
            continue
        if missing:
            entry.update(copy.deepcopy(local))
            answered.add(alias)
        routes.append(Route(alias, entry["litellm_params"]["model"], missing))
    return local_config, routes


def missing_of(entry: Config, variables: Collection[str]) -> tuple[str, ...]:
    names = dict.fromkeys(name for _, name in references(entry["litellm_params"]))
    return tuple(name for name in names if name not in variables)


def references(value: object, key: str = "") -> Iterator[tuple[str, str]]:
    """Every `os.environ/NAME` in a config, as the key it stands under and the name."""
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            yield from references(inner, str(inner_key))
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner, key)
    elif isinstance(value, str) and value.startswith(REFERENCE):
        yield key, value.removeprefix(REFERENCE)
