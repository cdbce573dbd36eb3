"""What the gateway books is what it told its callers, to the last digit, and what the command says.

`make test-integration` does the same with ten thousand calls.
"""

import json
from collections import Counter
from pathlib import Path

import pytest

from asking import Caller
from mixed_calls import assert_reconciled, booked, cost
from running import serving, settings_for


async def test_the_sum_by_project_of_300_mixed_calls_is_that_of_their_receipts(
    service: Caller, tmp_path: Path
) -> None:
    await assert_reconciled(service, 300, tmp_path, "few")


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
    service: Caller, tmp_path: Path
) -> None:
    _, before, _ = await cost(service, "--json")
    (tmp_path / "before.json").write_text(before)
    receipts = tmp_path / "receipts.jsonl"
    settings = settings_for(service.url, llm_fallback_models=("openai/cheap",))
    async with serving(settings) as api:
        with receipts.open("w") as lines:
            for model in ("priced", "cheap", "ok", "status-429", "second-answers"):
                async with api.post("/llm/complete", "served", prompt="hi", model=model) as r:
                    assert r.status == 200
                    lines.write(json.dumps(await r.json()) + "\n")
    await booked(service, Counter(served=9))
    arguments = ("--check", str(receipts), "--before", str(tmp_path / "before.json"))
    code, out, _ = await cost(service, *arguments)
    assert (code, out) == (0, "unattributed: 0 calls\ntold: 0.050006160000 USD, of 1 projects\n")


@pytest.mark.parametrize("month", ["2026-13", "november"])
async def test_what_is_no_month_is_said_and_nobody_is_asked(service: Caller, month: str) -> None:
    assert await cost(service, "--month", month) == (2, "", "--month: not a month as 2026-11\n")


async def test_a_receipt_that_nobody_understands_is_named(service: Caller, tmp_path: Path) -> None:
    receipts = tmp_path / "receipts.jsonl"
    receipts.write_text('{"project_id": "p", "cost_usd": null}\n{"cost_usd": 1}\n')
    code, _, err = await cost(service, "--check", str(receipts))
    assert (code, err) == (2, "line 2 is no receipt: KeyError('project_id')\n")


async def test_a_gateway_that_is_away_or_wants_another_key_is_one_line(service: Caller) -> None:
    away = Caller(service.http, "http://127.0.0.1:9/v1", "sk-any")
    code, out, err = await cost(away)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "look at the gateway's container" in err
    stranger = Caller(service.http, service.url, "sk-stranger")
    code, out, err = await cost(stranger)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "renew the key" in err
