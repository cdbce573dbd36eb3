"""Writes which keys the installed LiteLLM knows into `config.schema.json`, section by section.

`.venv-gateway/bin/python tools/litellm_keys.py` after LiteLLM's version changed; `--check` exits
with 1 where that was forgotten. LiteLLM has no list of its own: it ignores what it does not know.
"""

import ast
import os
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

from local.run.environments import OFFLINE_LITELLM

(SCHEMA,) = Path(__file__).resolve().parents[1].glob("charts/*/gateway/config.schema.json")
OURS = {"projects", "budgets", "attribution", "include"}
"""What the policy reads, and what is refused with a reason of its own."""
WIDTH = 112
PUBLIC = re.compile(r"[a-z][a-z0-9_-]*")
# Each of these is read off an entry itself as well as off its litellm_params.
LIMITS_OF_AN_ENTRY = {"rpm", "tpm"}


def trees(folder: Path, *words: str) -> list[ast.Module]:
    """The modules that have one of the words in their text."""
    texts = (path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.py")))
    return [ast.parse(text) for text in texts if any(word in text for word in words)]


def read_from(sources: Iterable[ast.AST], name: str) -> Iterator[str]:
    """Every key in `<name>.get("key")`, `<name>.pop("key")` and `<name>["key"]`."""
    for node in (node for source in sources for node in ast.walk(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=of), attr="get" | "pop"),
                args=[ast.Constant(value=str(key)), *_],
            ) if of == name:
                yield key
            case ast.Subscript(value=ast.Name(id=of), slice=ast.Constant(value=str(key))) if (
                of == name
            ):
                yield key


def compared_with_key(source: ast.AST) -> set[str]:
    """Every literal in `key == "literal"`."""
    return {
        str(node.comparators[0].value)
        for node in ast.walk(source)
        if isinstance(node, ast.Compare)
        and isinstance(node.left, ast.Name)
        and node.left.id == "key"
        and isinstance(node.comparators[0], ast.Constant)
    }


def parameters_of_providers(sources: Iterable[ast.AST]) -> Iterator[str]:
    """What each provider takes beyond OpenAI's: the annotated names of its `…Config` class."""
    for source in sources:
        for node in ast.walk(source):
            if isinstance(node, ast.ClassDef) and node.name.endswith("Config"):
                for statement in node.body:
                    if isinstance(statement, ast.AnnAssign):
                        yield ast.unparse(statement.target)


def settings_of(module: ModuleType) -> Iterator[str]:
    """The module's own plain variables: a setting of the config becomes one of them."""
    for name, value in vars(module).items():
        plain = value is None or isinstance(value, bool | int | float | str | list | dict)
        if plain and not name.endswith("_models"):
            yield name


def public(*names: Iterable[str]) -> list[str]:
    every = {name for some in names for name in some}
    return sorted(name for name in every if PUBLIC.fullmatch(name) and name != "self")


def known_keys() -> dict[str, list[str]]:
    os.environ.update(OFFLINE_LITELLM)
    import litellm
    from litellm.constants import DEFAULT_CHAT_COMPLETION_PARAM_VALUES
    from litellm.proxy._types import ConfigGeneralSettings, ConfigYAML
    from litellm.types import router
    from litellm.types.utils import all_litellm_params

    package = Path(litellm.__file__).parent
    (proxy_config,) = (
        node
        for tree in trees(package / "proxy", "class ProxyConfig")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name == "ProxyConfig"
    )
    settings = trees(package, "general_settings", "litellm_settings")
    providers = trees(package / "llms", "optional_params", "Config")
    return {
        "config": public(ConfigYAML.model_fields, read_from([proxy_config], "config"), OURS),
        "litellm_settings": public(
            settings_of(litellm),
            compared_with_key(proxy_config),
            read_from(settings, "litellm_settings"),
        ),
        "router_settings": public(litellm.Router.get_valid_args()),
        "general_settings": public(
            ConfigGeneralSettings.model_fields, read_from(settings, "general_settings")
        ),
        "model_list_entry": public(router.Deployment.model_fields, LIMITS_OF_AN_ENTRY),
        "litellm_params": public(
            router.LiteLLM_Params.model_fields,
            router.LiteLLMParamsTypedDict.__annotations__,
            all_litellm_params,
            DEFAULT_CHAT_COMPLETION_PARAM_VALUES,
            parameters_of_providers(providers),
            read_from(providers, "optional_params"),
            read_from([ast.parse((package / "main.py").read_text(encoding="utf-8"))], "kwargs"),
        ),
    }


def updated(schema: str) -> str:
    """The schema's text with the lists of today."""
    for section, keys in known_keys().items():
        words = textwrap.fill(", ".join(f'"{key}"' for key in keys), WIDTH, break_on_hyphens=False)
        found = re.compile(rf'(?m)(^    "{section}": {{"title": .*, "enum": \[\n)[^\]]*(?=    \])')
        schema = found.sub(rf"\g<1>{textwrap.indent(words, ' ' * 6)}\n", schema)
    return schema


def main(arguments: list[str]) -> int:
    text = SCHEMA.read_text(encoding="utf-8")
    new = updated(text)
    if "--check" not in arguments:
        SCHEMA.write_text(new, encoding="utf-8")
    return int("--check" in arguments and new != text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
