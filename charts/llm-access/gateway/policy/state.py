"""What the policy knows, once for the process.

LiteLLM imports `hooks/entry.py` anew for each of its names in the config. All of them import this
module the ordinary way, and so share it.
"""

import functools
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litellm.proxy.proxy_server import proxy_config  # noqa: TID251 - runs inside LiteLLM

from policy.config import PolicyConfig, parse, read
from policy.ledgers import spend_file, spend_redis, usage_file
from policy.ledgers.booking import Booking
from policy.ledgers.settling import Settling
from policy.ledgers.usage import UsageStore
from policy.ledgers.usage_redis import UsageInRedis
from policy.rules import served_models
from policy.rules.budgets import Ledger, Spend
from policy.rules.project_keys import ProjectKeys
from policy.rules.rate_limits import Limits

logger = logging.getLogger("gateway.policy")

CONFIG = Path(__file__).parents[1] / "config.yaml"


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
    config = parse(read(CONFIG), [entries[place] for place in served()])
    booking = Booking(usage_store(environ))
    return State(config, keys, Limits(), ledger(environ), Settling(), booking)


def ledger(environ: Mapping[str, str]) -> Ledger:
    if url := environ.get("REDIS_URL"):
        return spend_redis.connected(url)
    if file := environ.get("SPEND_FILE"):
        return spend_file.opened(Path(file))
    logger.warning("what was spent is forgotten at the next start: set SPEND_FILE or REDIS_URL")
    return Spend()


def usage_store(environ: Mapping[str, str]) -> UsageStore:
    """Where what was used is booked: where what was spent is, and in a file beside that one."""
    if url := environ.get("REDIS_URL"):
        return UsageInRedis(spend_redis.client(url))
    file = environ.get("SPEND_FILE")
    return usage_file.opened(Path(file).with_suffix(".usage.sqlite") if file else None)


def model_list() -> list[dict[str, Any]]:
    """As it is written, with its references to variables."""
    return list(read(CONFIG).get("model_list") or ())


def resolved() -> list[dict[str, Any]]:
    """The same as LiteLLM read it; what it included from other files comes after."""
    return list(proxy_config.get_config_state()["model_list"] or ())[: len(model_list())]


@functools.cache
def served() -> tuple[int, ...]:
    """
    Raises:
        PolicyError: nothing would be.
    """
    return served_models.places(model_list(), resolved())
