"""Refuses the name of a module that is not beside the config: LiteLLM would not start."""

import re
from collections.abc import Iterator, Sequence

from gateway.checks.idle_settings import listed
from gateway.checks.source import Mistake, Place, Source

ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)((?:\.[A-Za-z_]\w*)*)\.[A-Za-z_]\w*")
OF_LITELLM_SETTINGS = (
    "callbacks", "success_callback", "failure_callback", "input_callback", "audit_log_callbacks",
    "post_call_rules",
)  # fmt: skip
OF_GENERAL_SETTINGS = (
    "custom_auth", "custom_key_generate", "custom_key_update", "custom_key_policy", "custom_sso",
)  # fmt: skip


def missing_modules(sources: Sequence[Source]) -> Iterator[Mistake]:
    """A file brings the modules that it names from its own folder; another may have them."""
    brought = {
        module for source in sources for _, module in named(source) if beside(source, module)
    }
    for source in sources:
        for place, module in named(source):
            if module not in brought:
                yield source.mistake(
                    place, f"{place[1]} names {module}, which is not beside {source.path.name}"
                )


def beside(source: Source, module: str) -> bool:
    return (source.path.parent / module).is_file()


def named(source: Source) -> Iterator[tuple[Place, str]]:
    for section, keys in (
        ("litellm_settings", OF_LITELLM_SETTINGS),
        ("general_settings", OF_GENERAL_SETTINGS),
    ):
        for key in keys:
            for number, value in enumerate(listed(source.section(section).get(key))):
                if isinstance(value, str) and (match := ATTRIBUTE.fullmatch(value)):
                    yield (section, key, number), file_of(match)
    handlers = source.section("litellm_settings").get("custom_provider_map")
    for number, item in enumerate(handlers if isinstance(handlers, list) else []):
        handler = item.get("custom_handler") if isinstance(item, dict) else None
        if isinstance(handler, str) and (match := ATTRIBUTE.fullmatch(handler)):
            place = ("litellm_settings", "custom_provider_map", number, "custom_handler")
            yield place, file_of(match)


def file_of(match: re.Match[str]) -> str:
    """Where LiteLLM looks, below the config's folder."""
    return f"{(match[1] + match[2]).replace('.', '/')}.py"
