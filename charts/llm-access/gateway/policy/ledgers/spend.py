"""What was spent this month, in the memory of this process."""

from collections.abc import Sequence
from dataclasses import dataclass, field

MOST_NAMES = 10_000
OTHERS = "others"


@dataclass(slots=True)
class Spend:
    """The ledger of this process. Names that find no room share one amount.

    Attributes:
        changes: how often something was booked.
    """

    month: str = ""
    usd: dict[str, float] = field(default_factory=dict)
    changes: int = 0

    async def spent(self, names: Sequence[str], month: str) -> list[float]:
        self.turn(month)
        return [self.usd.get(self.kept(name), 0.0) for name in names]

    async def add(self, names: Sequence[str], usd: float, month: str) -> None:
        self.turn(month)
        for name in map(self.kept, names):
            self.usd[name] = self.usd.get(name, 0.0) + usd
        self.changes += 1

    def turn(self, month: str) -> None:
        """Begins a new month; a clock that goes back begins none."""
        if month > self.month:
            self.month, self.usd = month, {}

    def kept(self, name: str) -> str:
        return name if name in self.usd or len(self.usd) < MOST_NAMES else OTHERS
