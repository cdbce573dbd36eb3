"""What may be a label of a metric: so many names, and those after them share one."""

from collections.abc import Iterable
from typing import Generic, TypeVar

from prometheus_client.metrics import MetricWrapperBase

Metric = TypeVar("Metric", bound=MetricWrapperBase)


class LabelNames:
    """
    Args:
        known: those that are told apart from the beginning.
        most: how many are told apart.
        rest: the label of all others.
    """

    def __init__(self, known: Iterable[str], most: int, rest: str) -> None:
        self.known = set(known)
        self._most = most
        self._rest = rest

    def learn(self, name: str) -> None:
        """Tells this name apart from now on, where there is room."""
        if len(self.known) < self._most:
            self.known.add(name)

    def label(self, name: str) -> str:
        """The name, or that of the rest."""
        return name if name in self.known else self._rest


class LabelledChildren(dict[tuple[str, ...], Metric], Generic[Metric]):
    """A metric's children by their labels. To find one here takes no lock, and makes no string."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> Metric:
        child = self[labels] = self._metric.labels(*labels)
        return child
