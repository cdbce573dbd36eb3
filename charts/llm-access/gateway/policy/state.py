"""What the policy knows, once for the process.

LiteLLM imports `hooks/entry.py` anew for each of its names in the config. All of them import this
module the ordinary way, and so share it.
"""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from policy.checks.check import refuse_mistakes
from policy.config import PolicyConfig, parse
from policy.ledgers import (
    spend_file,
    spend_redis,  # removable: redis
    usage_file,
)
from policy.ledgers.booking import Booking
from policy.ledgers.settling import Settling
from policy.ledgers.spend import Spend
from policy.ledgers.usage import UsageStore
from policy.ledgers.usage_redis import UsageInRedis  # removable: redis
from policy.rules import served_models
from policy.rules.budgets import Ledger
from policy.rules.project_keys import ProjectKeys
from policy.rules.rate_limits import Limits

logger = logging.getLogger("gateway.policy")

CONFIG = Path(__file__).parents[1] / "config.yaml"
SOURCES = CONFIG.with_name("sources.txt")
"""Where the config was made of several: the paths of these, which are the ones to check."""


@dataclass(frozen=True, slots=True)
class State:
    """
    Attributes:
        served: where in `model_list` the entries stand whose variables are set.
    """

    config: PolicyConfig
    served: Sequence[int]
    keys: ProjectKeys
    limits: Limits
    ledger: Ledger
    settling: Settling
    booking: Booking


opened: list[State] = []


def state() -> State:
    return opened[0]


def open_state(resolved: Callable[[], Sequence[Mapping[str, Any]]]) -> None:
    """Checks the config and reads it, the first time that it is called.

    Args:
        resolved: `model_list` as LiteLLM read it, with the values of its variables.

    Raises:
        PolicyError: the config says something that cannot be held.
    """
    if opened:
        return
    sources = SOURCES.read_text(encoding="utf-8").splitlines() if SOURCES.exists() else [CONFIG]
    refuse_mistakes([Path(source) for source in sources])
    environ = os.environ  # noqa: TID251 - the gateway's own, not the service's
    file = environ.get("PROJECT_KEYS_FILE")
    keys = ProjectKeys(Path(file) if file else None, environ["LITELLM_MASTER_KEY"])
    keys.current()
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    entries = config["model_list"]
    served = served_models.places(entries, resolved())
    opened.append(
        State(
            parse(config, [entries[place] for place in served]),
            served,
            keys,
            Limits(),
            ledger(environ),
            Settling(),
            Booking(usage_store(environ)),
        )
    )


def ledger(environ: Mapping[str, str]) -> Ledger:
    if url := environ.get("REDIS_URL"):  # removable: redis
        return spend_redis.connected(url)  # removable: redis
    if file := environ.get("SPEND_FILE"):
        return spend_file.opened(Path(file))
    logger.warning("what was spent is forgotten at the next start: set SPEND_FILE or REDIS_URL")
    return Spend()


def usage_store(environ: Mapping[str, str]) -> UsageStore:
    """Where what was used is booked: where what was spent is, and in a file beside that one."""
    if url := environ.get("REDIS_URL"):  # removable: redis
        return UsageInRedis(spend_redis.client(url))  # removable: redis
    file = environ.get("SPEND_FILE")
    return usage_file.opened(Path(file).with_suffix(".usage.sqlite") if file else None)
