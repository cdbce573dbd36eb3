"""Whether what the gateway has booked is what its callers were told.

A whole answer says its cost in a header, a stream in its last chunk; the service hands both on as
`cost_usd`. What broke off says none, and is booked as estimated: it is not compared.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from api.usage.ledger import BookedRow

PICO = Decimal("1e-12")
"""The gateway rounds each cost to this once; so is each receipt."""
Costs = defaultdict[str, Decimal]


@dataclass(frozen=True, slots=True)
class Difference:
    project_id: str
    booked: Decimal
    told: Decimal


def costs_told(receipts: Iterable[str]) -> Costs:
    """The sum by project of answers of the service: JSON with `project_id` and `cost_usd`, which
    is null where nobody was told.
    """
    found: Costs = defaultdict(Decimal)
    for line in receipts:
        receipt = json.loads(line, parse_float=Decimal, parse_int=Decimal)
        found[receipt["project_id"]] += Decimal(receipt["cost_usd"] or 0).quantize(PICO)
    return found


def costs_booked(rows: Iterable[BookedRow]) -> Costs:
    """The sum by project of what callers were told, as the gateway has booked it."""
    found: Costs = defaultdict(Decimal)
    for row in rows:
        found[row.project_id] += row.usd - row.estimated_usd
    return found


def differences(
    receipts: Iterable[str], before: Iterable[BookedRow], after: Iterable[BookedRow]
) -> Sequence[Difference]:
    """The projects whose receipts are not what was booked between two moments."""
    told, start, end = costs_told(receipts), costs_booked(before), costs_booked(after)
    every = [
        Difference(project, end[project] - start[project], told[project])
        for project in sorted({*told, *start, *end})
    ]
    return [each for each in every if each.booked != each.told]


def unattributed(rows: Iterable[BookedRow]) -> int:
    """The calls on nobody's account."""
    return sum(row.calls for row in rows if not row.project_id)
