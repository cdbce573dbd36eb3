"""What the gateway books is what it told its callers, to the last digit, and how it is shown.

`make test-integration` does the same with ten thousand calls.
"""

import json
from collections import Counter
from decimal import Decimal

import msgspec
import pytest

from api.usage.ledger import BookedRow
from asking import Caller
from mixed_calls import assert_reconciled, booked, booked_month, cost
from reconciliation import Difference, costs_told, differences, unattributed
from running import serving, settings_for
from usage_rows import ROW


async def test_the_sum_by_project_of_300_mixed_calls_is_that_of_their_receipts(
    service: Caller,
) -> None:
    await assert_reconciled(service, 300, "few")


def test_what_differs_is_found_by_project_to_the_last_digit() -> None:
    rows = [msgspec.convert(row, BookedRow) for row in (ROW, ROW | {"project_id": "", "calls": 2})]
    receipts = ['{"project_id": "demo", "cost_usd": 0.100000000001}']
    assert differences(receipts, [], rows) == [
        Difference("", Decimal("0.1"), Decimal(0)),
        Difference("demo", Decimal("0.1"), Decimal("0.100000000001")),
    ]
    assert unattributed(rows) == 2


async def test_the_table_has_a_bar_for_each_project_the_exact_sum_and_what_is_on_nobody(
    service: Caller,
) -> None:
    for model in ("cheap", "ok"):
        await service.ask(model, "shown")
    await booked(service, Counter(shown=2))
    code, out, err = await cost(service)
    assert (code, err) == (0, "")
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines()]
    table = {row[0]: row[1:] for row in cells if row}
    assert table["shown"][:4] == ["2", "22", "14", "0.00000308+"]
    assert table["(unattributed)"][:4] == ["0", "0", "0", "0"]
    assert table["total"][3].endswith("+")
    assert any("█" in row[4] for row in table.values())
    assert "no price is known; the cost is that of the others." in out


async def test_json_has_every_row_with_its_exact_cost(service: Caller) -> None:
    code, out, _ = await cost(service, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["scope"] == "replica"
    assert all(isinstance(row["usd"], str) for row in found["rows"])
    code, out, _ = await cost(service, "--json", "--month", "2026-01")
    assert (code, json.loads(out)["rows"]) == (0, [])


async def test_the_services_own_answers_are_receipts_with_their_fallbacks(
    service: Caller,
) -> None:
    before, receipts = await booked_month(service), []
    settings = settings_for(service.url, llm_fallback_models=("openai/cheap",))
    async with serving(settings) as api:
        for model in ("priced", "cheap", "ok", "status-429", "second-answers"):
            async with api.post("/llm/complete", "served", prompt="hi", model=model) as r:
                assert r.status == 200
                receipts.append(await r.text())
    await booked(service, Counter(served=9))
    after = await booked_month(service)
    assert costs_told(receipts) == {"served": Decimal("0.05000616")}
    assert differences(receipts, before, after) == []
    assert unattributed(after) == unattributed(before)


@pytest.mark.parametrize("month", ["2026-13", "november"])
async def test_what_is_no_month_is_said_and_nobody_is_asked(service: Caller, month: str) -> None:
    assert await cost(service, "--month", month) == (2, "", "--month: not a month as 2026-11\n")


async def test_a_gateway_that_is_away_or_wants_another_key_is_one_line(service: Caller) -> None:
    away = Caller(service.http, "http://127.0.0.1:9/v1", "sk-any")
    code, out, err = await cost(away)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "look at the gateway's container" in err
    stranger = Caller(service.http, service.url, "sk-stranger")
    code, out, err = await cost(stranger)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "renew the key" in err
