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

from litellm.proxy.proxy_server import proxy_config  # noqa: TID251 - runs inside LiteLLM

import policy_config
import policy_served
import policy_spend_file
import policy_spend_redis
import policy_usage_file
from policy_booking import Booking
from policy_budgets import Ledger, Spend
from policy_config import PolicyConfig
from policy_keys import ProjectKeys
from policy_limits import Limits
from policy_settling import Settling
from policy_usage import UsageStore
from policy_usage_redis import UsageInRedis

logger = logging.getLogger("gateway.policy")

CONFIG = Path(__file__).with_name("config.yaml")


@dataclass(frozen=True, slots=True)
class State:
    config: PolicyConfig
    keys: ProjectKeys
    limits: Limits
    ledger: Ledger
    settling: Settling
    booking: Booking


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
    entries = model_list()
    config = policy_config.parse(policy_config.read(CONFIG), [entries[place] for place in served()])
    booking = Booking(usage_store(environ))
    return State(config, keys, Limits(), ledger(environ), Settling(), booking)


def ledger(environ: Mapping[str, str]) -> Ledger:
    if url := environ.get("REDIS_URL"):
        return policy_spend_redis.connected(url)
    if file := environ.get("SPEND_FILE"):
        return policy_spend_file.opened(Path(file))
    logger.warning("what was spent is forgotten at the next start: set SPEND_FILE or REDIS_URL")
    return Spend()


def usage_store(environ: Mapping[str, str]) -> UsageStore:
    """Where what was used is booked: where what was spent is, and in a file beside that one."""
    if url := environ.get("REDIS_URL"):
        return UsageInRedis(policy_spend_redis.client(url))
    file = environ.get("SPEND_FILE")
    return policy_usage_file.opened(Path(file).with_suffix(".usage.sqlite") if file else None)


def model_list() -> list[dict[str, Any]]:
    """As it is written, with its references to variables."""
    return list(policy_config.read(CONFIG).get("model_list") or ())


def resolved() -> list[dict[str, Any]]:
    """The same as LiteLLM read it; what it included from other files comes after."""
    return list(proxy_config.get_config_state()["model_list"] or ())[: len(model_list())]


@functools.cache
def served() -> tuple[int, ...]:
    """
    Raises:
        PolicyError: nothing would be.
    """
    return policy_served.places(model_list(), resolved())
