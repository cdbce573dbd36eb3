"""Refuses a secret in the config: it belongs in the environment of the gateway.

No message says the secret. An overlay is let off: a test's keys are none.
"""

import re
from collections.abc import Iterator

from policy.checks.config_file import ConfigFile, Mistake
from policy.rules.served_models import REFERENCE

NAME = re.compile(
    r"(.*_)?(api_?key|master_key|salt_key|(secret_)?access_key|secret|secret_key|password|passwd"
    r"|auth_?token|ad_token|session_token|bearer_token|license)",
    re.IGNORECASE,
)
LOOKS_LIKE_ONE = re.compile(
    r"sk-[\w-]{8,}|AIza[\w-]{30,}|gh[pous]_\w{30,}|AKIA\w{16}|\w+://[^/@\s:]*:[^/@\s]+@.*"
    r"|-----BEGIN .*PRIVATE KEY-----.*",
    re.DOTALL,
)
NONE = {"", "none", "NONE", "None"}
VARIABLE = re.compile(re.escape(REFERENCE) + r"[A-Za-z_][A-Za-z0-9_]*")


def literal_secrets(file: ConfigFile) -> Iterator[Mistake]:
    for place, value in () if file.is_overlay else file.values():
        if not isinstance(value, str) or value in NONE or VARIABLE.fullmatch(value):
            continue
        if NAME.fullmatch(str(place[-1])) or LOOKS_LIKE_ONE.fullmatch(value):
            name = next((key for key in reversed(place) if isinstance(key, str)), "the value")
            yield file.mistake(
                place,
                f"{name} is a secret, or looks like one: name the variable that has it, as in"
                f" {REFERENCE}PROVIDER_API_KEY",
            )
