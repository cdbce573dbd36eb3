"""Each call as numbers, once, when it is over: a stream at its end and not at its headers.

Labels are bounded: a name that no answer came from is no label, so that nobody takes the room of
others by asking. Nothing is done for a chunk.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

from api.llm.attempt import Attempt
from api.llm.observers import CallRecord
from chassis.telemetry.metrics import LabelledChildren, LabelNames

MOST_PROJECTS, OTHER = 100, "other"
MOST_MODELS, UNLISTED = 50, "unlisted"
FRESH_CALLS, FRESH_BYTES = 32, 1024 * 1024
SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120)


class CallMetrics:
    """A watcher.

    Args:
        models: the aliases that are labels before they have answered.
    """

    wants_text = False

    def __init__(self, registry: CollectorRegistry, models: Iterable[str]) -> None:
        self._fresh: list[CallRecord] = []
        self._fresh_bytes = 0
        self.models = LabelNames(models, MOST_MODELS, UNLISTED)
        self.projects = LabelNames((), MOST_PROJECTS, OTHER)

        def counter(name: str, what: str, *labels: str) -> LabelledChildren[Counter]:
            return LabelledChildren(Counter(name, what, labels, registry=registry))

        def histogram(name: str, what: str, *labels: str) -> LabelledChildren[Histogram]:
            return LabelledChildren(
                Histogram(name, what, labels, registry=registry, buckets=SECONDS)
            )

        booked = ("project_id", "model")
        self._requests = counter(
            "llm_requests_total", "Calls that are over.", *booked, "outcome", "stream"
        )
        self._seconds = histogram(
            "llm_request_duration_seconds",
            "From the beginning of a call to the end of its answer.",
            *("model", "outcome", "stream"),
        )
        self._first_text = histogram(
            "llm_time_to_first_token_seconds",
            "From the beginning of a streamed call to its first text.",
            "model",
        )
        self._tokens = counter(
            "llm_tokens_total", "Tokens, as the gateway counts them.", *booked, "direction"
        )
        self._reasoning = counter(
            "llm_reasoning_tokens_total", "Those of the output that were thought.", *booked
        )
        self._estimated = counter(
            "llm_estimated_tokens_total",
            "Pieces of text of answers that nobody counted, as those of a client that left.",
            *booked,
        )
        self._cost = counter("llm_cost_usd_total", "USD, as the gateway prices calls.", *booked)
        self._unpriced = counter(
            "llm_unpriced_answers_total", "Answers, whole or not, without a price.", *booked
        )
        self._attempts = counter(
            "llm_attempts_total", "Attempts at the gateway.", "model", "outcome"
        )
        self._retries = counter(
            "llm_retries_total", "Attempts at a model that was asked before.", "model", "after"
        )
        self._fallbacks = counter(
            "llm_fallbacks_total", "Calls that another model answered.", "requested", "answered"
        )

    def ended(self, record: CallRecord) -> None:
        """See `CallObserver.ended`. Counted in a row with others, which takes half the time."""
        self._fresh.append(record)
        self._fresh_bytes += record.size
        if len(self._fresh) == FRESH_CALLS or self._fresh_bytes > FRESH_BYTES:
            self.count()

    def count(self) -> None:
        """Counts what has not been yet; for who is about to look."""
        fresh, self._fresh, self._fresh_bytes = self._fresh, [], 0
        for record in fresh:
            self._count(record)

    def _count(self, record: CallRecord) -> None:
        answers = [one for one in record.attempts if one.ending is not None or one.pieces]
        project_id = record.call.attribution.project_id
        for one in answers:
            self.models.learn(one.model)
            self.projects.learn(project_id)
        project = self.projects.label(project_id)
        requested = self.models.label(record.call.models[0])
        how = (record.outcome, "true" if record.call.streams else "false")
        self._requests[project, requested, *how].inc()
        self._seconds[requested, *how].observe(record.seconds)
        if record.call.streams and record.first_text is not None:
            self._first_text[(requested,)].observe(record.first_text)
        self._count_attempts(record.attempts)
        for one in answers:
            self._book(one, (project, self.models.label(one.model)))
        if record.ending is not None and answers[-1].model != record.call.models[0]:
            self._fallbacks[requested, self.models.label(answers[-1].model)].inc()

    def _count_attempts(self, attempts: Iterable[Attempt]) -> None:
        before: dict[str, str] = {}
        for one in attempts:
            model = self.models.label(one.model)
            self._attempts[model, one.outcome].inc()
            if one.outcome != "skipped":
                if (after := before.get(one.model)) is not None:
                    self._retries[model, after].inc()
                before[one.model] = one.outcome

    def _book(self, answer: Attempt, account: tuple[str, str]) -> None:
        ending = answer.ending
        if ending is None or ending.usage is None:
            self._estimated[account].inc(answer.pieces)
        else:
            self._tokens[*account, "input"].inc(ending.usage.input_tokens)
            self._tokens[*account, "output"].inc(ending.usage.output_tokens)
            self._reasoning[account].inc(ending.usage.reasoning_tokens)
        if ending is None or ending.cost_usd is None:
            self._unpriced[account].inc()
        else:
            self._cost[account].inc(ending.cost_usd)
