"""The collectors of the metrics that the platform's page promises, and of the budgets.

Their labels are bounded: the aliases of the config, statuses, and at most MOST_ACCOUNTS pairs of a
project and a solution. A call on a later one is counted on `other`.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from policy.outcomes import Outcome

MOST_ACCOUNTS = 100
OTHER = "other"
LABELS = ("model", "status", "project_id", "solution")
SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)


class CallCollectors:
    """The four that the page promises, in a registry.

    Args:
        most_accounts: the pairs of a project and a solution that get labels of their own.
    """

    def __init__(self, registry: CollectorRegistry, most_accounts: int = MOST_ACCOUNTS) -> None:
        self.most_accounts = most_accounts
        self.accounts: set[tuple[str, str]] = set()
        self.requests = Counter(
            "litellm_requests_total",
            "Attempts at a provider, and calls that were refused before one.",
            LABELS,
            registry=registry,
        )
        self.tokens = Counter(
            "litellm_tokens_total",
            "Tokens, as the provider counts them.",
            (*LABELS, "direction"),
            registry=registry,
        )
        self.seconds = Histogram(
            "litellm_request_duration_seconds",
            "From asking the provider to its last word.",
            LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        # 1. It only grows, and is a gauge all the same: the name of a counter ends in _total.
        self.spend = Gauge(
            "litellm_spend_usd", "USD spent since the start.", LABELS, registry=registry
        )

    def count(self, said: Outcome) -> None:
        """Adds one attempt, or one refusal."""
        labels = (said.model, said.status, *self.account(said))
        self.requests.labels(*labels).inc()
        if said.seconds is None:
            return
        self.seconds.labels(*labels).observe(said.seconds)
        for direction, tokens in (("input", said.input_tokens), ("output", said.output_tokens)):
            if tokens:
                self.tokens.labels(*labels, direction).inc(tokens)
        self.spend.labels(*labels).inc(said.usd)

    def account(self, said: Outcome) -> tuple[str, str]:
        """The project and the solution as labels. What was refused takes no room from others."""
        account = (said.project, said.solution)
        if account in self.accounts or account == ("", ""):
            return account
        if said.seconds is None or len(self.accounts) >= self.most_accounts:
            return OTHER, OTHER
        self.accounts.add(account)
        return account


class BudgetCollectors:
    """How much of each budget is used up, for alerts before calls are refused.

    The labels are the budgets of the config. A value is that of the last call that asked for it.
    """

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
