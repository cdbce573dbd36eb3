"""What the policy knows, once for the process.

LiteLLM imports policy.py twice, once for its callbacks and once for `custom_auth`, and the two know
nothing of each other; both import this module the ordinary way, and so share it.
"""

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import policy_config
from policy_config import PolicyConfig
from policy_keys import ProjectKeys
from policy_limits import Limits

CONFIG = Path(__file__).with_name("config.yaml")


@dataclass(frozen=True, slots=True)
class State:
    config: PolicyConfig
    keys: ProjectKeys
    limits: Limits


@functools.cache
def state() -> State:
    """
    Raises:
        PolicyError: the config says something that cannot be held.
    """
    environ = os.environ  # noqa: TID251 - the gateway's own, not the service's
    file = environ.get("PROJECT_KEYS_FILE")
    keys = ProjectKeys(Path(file) if file else None, environ["LITELLM_MASTER_KEY"])
    keys.current()
    return State(policy_config.read(CONFIG), keys, Limits())
