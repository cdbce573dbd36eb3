"""Whether what the gateway has booked is what its callers were told.

A whole answer says its cost in a header, a stream in its last chunk; the service hands both on as
`cost_usd`. What broke off says none, and is booked as estimated: it is not compared.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from api.usage.ledger import BookedRow

PICO = Decimal("1e-12")
"""The gateway rounds each cost to this once; so is each receipt."""
Costs = Mapping[str, Decimal]


class BadReceipts(Exception):
    """The message says where."""


@dataclass(frozen=True, slots=True)
class Difference:
    project_id: str
    booked: Decimal
    told: Decimal


def told(lines: Iterable[str]) -> Costs:
    """The sum by project of receipts, which are answers of the service, one JSON object a line.

    Args:
        lines: each with `project_id` and `cost_usd`, which is null where nobody was told.

    Raises:
        BadReceipts: one is none.
    """
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for number, line in enumerate(lines, 1):
        try:
            receipt: dict[str, Any] = json.loads(line, parse_float=Decimal, parse_int=Decimal)
            cost = Decimal(receipt["cost_usd"] or 0)
            found[str(receipt["project_id"])] += cost.quantize(PICO)
        except (ValueError, KeyError, TypeError, ArithmeticError) as error:
            raise BadReceipts(f"line {number} is no receipt: {error!r}") from None
    return found


def booked(rows: Iterable[BookedRow]) -> Costs:
    """The sum by project of what callers were told, as the gateway has booked it."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row.project_id] += row.usd - row.estimated_usd
    return found


def differences(receipts: Costs, before: Costs, after: Costs) -> Sequence[Difference]:
    """The projects whose receipts are not what was booked between two moments.

    Args:
        before, after: what was booked by then.
    """
    nothing = Decimal(0)
    all_of_them = [
        Difference(project, after.get(project, nothing) - before.get(project, nothing), said)
        for project in sorted({*receipts, *before, *after})
        for said in [receipts.get(project, nothing)]
    ]
    return [each for each in all_of_them if each.booked != each.told]
