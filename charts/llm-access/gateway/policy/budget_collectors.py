"""How much of each budget is used up, for alerts before calls are refused.

The labels are the budgets of the config. A value is that of the last call that asked for it.
"""

import functools

from prometheus_client import REGISTRY, CollectorRegistry, Gauge


class BudgetMeters:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.limits = Gauge(
            "litellm_budget_usd", "USD that may be spent in a month.", ["budget"], registry=registry
        )
        self.spent = Gauge(
            "litellm_budget_spent_usd",
            "USD of it that were spent this month.",
            ["budget"],
            registry=registry,
        )

    def note(self, budget: str, limit: float, spent: float) -> None:
        """
        Args:
            budget: its name, as in the message of a refusal.
            limit: USD per month.
            spent: USD this month.
        """
        self.limits.labels(budget).set(limit)
        self.spent.labels(budget).set(spent)


@functools.cache
def meters() -> BudgetMeters:
    """Those of the process."""
    return BudgetMeters(REGISTRY)
