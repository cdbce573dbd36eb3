"""What the policy knows, once for the process.

LiteLLM imports policy.py twice, once for its callbacks and once for `custom_auth`, and the two know
nothing of each other; both import this module the ordinary way, and so share it.
"""

import functools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import policy_config
import policy_spend_file
import policy_spend_redis
from policy_budgets import Ledger, Spend
from policy_config import PolicyConfig
from policy_keys import ProjectKeys
from policy_limits import Limits
from policy_settling import Settling

logger = logging.getLogger("gateway.policy")

CONFIG = Path(__file__).with_name("config.yaml")


@dataclass(frozen=True, slots=True)
class State:
    config: PolicyConfig
    keys: ProjectKeys
    limits: Limits
    ledger: Ledger
    settling: Settling


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
    config = policy_config.parse(policy_config.read(CONFIG))
    return State(config, keys, Limits(), ledger(environ), Settling())


def ledger(environ: Mapping[str, str]) -> Ledger:
    if url := environ.get("REDIS_URL"):
        return policy_spend_redis.connected(url)
    if file := environ.get("SPEND_FILE"):
        return policy_spend_file.opened(Path(file))
    logger.warning("what was spent is forgotten at the next start: set SPEND_FILE or REDIS_URL")
    return Spend()


def model_list() -> list[dict[str, Any]]:
    return list(policy_config.read(CONFIG).get("model_list") or ())
