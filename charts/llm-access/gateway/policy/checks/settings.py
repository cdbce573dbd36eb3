"""What one setting has to be to another, in whichever of the files that is."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from policy.checks.config_file import ConfigFile, Mistake
from policy.rules.served_models import REFERENCE

ENFORCES_LIMITS = "enforce_model_rate_limits"
ENTRY = "policy.hooks.entry"
CALLBACKS = [
    f"{ENTRY}.{name}"
    for name in ("finish_reasons", "admission", "attribution", "fallback", "metrics")
]
ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
NAMES_A_MODULE = {
    "callbacks", "success_callback", "failure_callback", "input_callback", "audit_log_callbacks",
    "post_call_rules", "custom_auth", "custom_key_generate", "custom_key_update",
    "custom_key_policy", "custom_sso", "custom_handler",
}  # fmt: skip


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def unenforced_limits(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    """A limit of any file, when none of them lets LiteLLM enforce limits."""
    checks = [file.section("router_settings").get("optional_pre_call_checks") for file in files]
    for file in files:
        for place, value in file.values("model_list"):
            is_limit = place[-1] in ("rpm", "tpm") and value is not None
            if is_limit and not any(ENFORCES_LIMITS in listed(check) for check in checks):
                yield file.mistake(
                    place,
                    f"{place[-1]} is not enforced: add"
                    f' optional_pre_call_checks: ["{ENFORCES_LIMITS}"] to router_settings',
                )


def late_variables(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    """What environment_variables sets is not there yet when model_list is read."""
    too_late = {
        f"{REFERENCE}{name}": name
        for file in files
        for name in file.section("environment_variables")
    }
    for file in files:
        for place, value in file.values("model_list"):
            if isinstance(value, str) and value in too_late:
                yield file.mistake(
                    place,
                    f"environment_variables sets {too_late[value]} too late for model_list: set it"
                    " in the environment of the gateway",
                )


def missing_modules(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    """A file brings the modules that it names from its own folder; another may have them."""
    named = [
        (file, place, f"{value.rpartition('.')[0].replace('.', '/')}.py")
        for file in files
        for section in ("litellm_settings", "general_settings")
        for place, value in file.values(section)
        if NAMES_A_MODULE & set(place) and isinstance(value, str) and ATTRIBUTE.fullmatch(value)
    ]
    brought = {module for file, _, module in named if (file.path.parent / module).is_file()}
    for file, place, module in named:
        if module not in brought:
            reason = f"{place[1]} names {module}, which is not beside {file.path.name}"
            yield file.mistake(place, reason)


def missing_policy(files: Sequence[ConfigFile]) -> Iterator[Mistake]:
    """What all files together lack: without it no call is attributed, limited or counted."""
    callbacks = [
        name for f in files for name in listed(f.section("litellm_settings").get("callbacks"))
    ]
    if [name for name in callbacks if name in CALLBACKS] != CALLBACKS:
        reason = f"callbacks has to have, in this order: {', '.join(CALLBACKS)}"
        yield files[0].mistake(("litellm_settings", "callbacks"), reason)
    for section, key, needed, why in (
        ("general_settings", "custom_auth", f"{ENTRY}.authenticated", "no key would be checked"),
        ("router_settings", "num_retries", 0, "LiteLLM would ask a provider up to three times"),
    ):
        given = [file for file in files if key in file.section(section)]
        if not given:
            reason = f"{section} has to have {key}: {needed}; else {why}"
            yield files[0].mistake((section,), reason)
        elif key == "custom_auth" and given[-1].section(section)[key] != needed:
            yield given[-1].mistake((section, key), f"{key} is not {needed}: {why}")
