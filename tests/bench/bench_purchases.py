"""Purchase history: orders with their lines through the tap, and through target-mailchimp into sums.

Judged is memory, at ten times the orders, and how CPU grows with them. `BENCH_ORDERS` sets how many (250,000,
of four lines each, of 100,000 customers); a tenth of both is the other size. Orders are read from a server
without an end, and the target gets what the mapper would write.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from endless_kinetic import LINES, endless_kinetic
from epicor_load import TAP, prepare, simulator
from mailchimp_load import simulator as mailchimp
from measured import Usage, run_measured
from measuring import measured as tap_measured
from simulators.mailchimp.control import Control
from sizing import SMOKE, size

ORDERS = size(250_000, 500, "BENCH_ORDERS")
SIZES = (ORDERS // 10, ORDERS)
ORDERS_OF_TEN = 25
"""Of ten customers."""
COLUMNS = ("CustNum", "OrderDate", "OrderAmt", "VoidOrder", "OrderDtls")
WHOLE_LINES = size(3_000, 300)
"""Orders whose lines are read with all their columns."""
TODAY = date(2026, 6, 15)
MOST_TAP_MIB = 75
MOST_TARGET_MIB = 135
MOST_GROWTH_MIB = 15
MOST_GROWTH = 1.5
"""Of the CPU of an order."""
AS_OF = """
import sys, time_machine
from target_mailchimp.target import TargetMailchimp
with time_machine.travel(sys.argv.pop(1) + "T12:00:00Z"):
    TargetMailchimp.cli()
"""


def test_the_tap_holds_few_orders() -> None:
    with tempfile.TemporaryDirectory() as name, simulator(200) as hello:
        out, peaks = Path(name) / "out.jsonl", []
        for orders in SIZES:
            with endless_kinetic(hello, 1000, orders) as url:
                select = {"orders": [*COLUMNS, "OrderDtls.ProdCode"]}
                run = tap_measured([*TAP, *prepare(Path(name), {**hello, "base_url": url}, select)], out)
            with out.open("rb") as lines:
                assert sum(line.startswith(b'{"type":"RECORD"') for line in lines) == orders
            peaks.append(run.memory)
            print(
                f"\ntap, {orders:,} orders of {LINES} lines: {run.seconds:.1f} s, {run.cpu:.1f} s of CPU,"
                f" {run.memory:.0f} MiB, {out.stat().st_size / orders:.0f} B an order"
            )
        with endless_kinetic(hello, 1000, WHOLE_LINES) as url:
            arguments = prepare(Path(name), {**hello, "base_url": url}, {"orders": COLUMNS})
            run = tap_measured([*TAP, *arguments], out)
        print(f"tap, {WHOLE_LINES:,} orders with whole lines: {run.cpu:.1f} s of CPU, {run.memory:.0f} MiB")
    assert max(peaks) <= MOST_TAP_MIB
    assert SMOKE or peaks[1] - peaks[0] <= MOST_GROWTH_MIB


def lines(orders: int, numbers: Iterable[int], *, amount: float = 100.5) -> Iterator[str]:
    """What the mapper would write: members where all orders come, and purchases.

    Args:
        orders: That there are.
        numbers: Those that come.
        amount: Of each.
    """
    customers = orders * 10 // ORDERS_OF_TEN
    text = {"type": ["string", "null"]}
    schemas = {
        "members": {"email_address": text, "COMPANY": text, "source_key": text},
        "purchases": {"purchase_key": text, "purchase_of": text, "purchase_on": text},
    }
    for stream, properties in schemas.items():
        schema = {"properties": properties}
        yield json.dumps({"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []})
    for number in range(customers if numbers == range(orders) else 0):
        member = {"email_address": f"buyer{number}@example.com", "COMPANY": f"Company {number}"}
        record = {**member, "source_key": f"Customer EPIC06/{number}"}
        yield json.dumps({"type": "RECORD", "stream": "members", "record": record})
    for number in numbers:
        purchase: dict[str, Any] = {
            "purchase_key": f"Order EPIC06/{number}",
            "purchase_of": f"members/Customer EPIC06/{number % customers}",
            "purchase_on": f"{TODAY - timedelta(days=number * 7919 % 720)}T00:00:00",
            "purchase_amount": amount,
            "purchase_groups": [f"Group {(number + place) % 9}" for place in range(LINES)],
        }
        yield json.dumps({"type": "RECORD", "stream": "purchases", "record": purchase})
    yield json.dumps({"type": "STATE", "value": {"done": True}})


def load(folder: Path, what: str, today: date, source: Iterator[str]) -> Usage:
    """Run the target as of a day."""
    file = folder / "input.jsonl"
    with file.open("w", encoding="utf-8") as output:
        output.writelines(f"{line}\n" for line in source)
    command = [sys.executable, "-c", AS_OF, today.isoformat(), "--config", str(folder / "config.json")]
    used = run_measured(folder, command, stdin=file)
    with closing(connect(folder / "audit.sqlite3")) as stored:
        (records,) = stored.execute("SELECT records_read FROM runs ORDER BY id DESC LIMIT 1").fetchone()
    size_now = sum(part.stat().st_size for part in folder.glob("audit.sqlite3*")) / 2**20
    print(
        f"  {what:22} {used.wall:7.1f} s {used.cpu:7.1f} s of CPU {used.mib:5.0f} MiB {records:9,} decisions,"
        f" audit database {size_now:,.0f} MiB"
    )
    return used


@pytest.mark.timeout(3600)
def test_the_target_sums_what_it_does_not_hold(tmp_path: Path) -> None:
    found: dict[int, list[Usage]] = {}
    for orders in SIZES:
        folder = tmp_path / str(orders)
        folder.mkdir()
        with mailchimp() as hello:
            settings = {name: hello[name] for name in ("api_key", "base_url", "list_id")}
            settings |= {
                "audit_database_url": f"sqlite:///{folder / 'audit.sqlite3'}",
                "create_merge_fields": True,
                "purchase_fields": {"last_on": "LASTORDER", "orders": "ORDERS12", "revenue": "REVENUE12"},
                "purchase_tag": "Bought *",
                "lapsed_tags": {"6": "Not for 6 months", "12": "Not for 12 months"},
            }
            (folder / "config.json").write_text(json.dumps(settings))
            print(f"\ntarget-mailchimp, {orders:,} orders of {LINES} lines")
            later = TODAY + timedelta(days=30)
            few = range(0, orders, 100)
            runs = [
                load(folder, "first load", TODAY, lines(orders, range(orders))),
                load(folder, "nothing changed", TODAY, lines(orders, ())),
                load(folder, "a month later", later, lines(orders, ())),
                load(folder, "1 % of orders changed", later, lines(orders, few, amount=101.5)),
            ]
            members = Control(hello["control_url"], hello["list_id"]).members()
        told = [member["merge_fields"].get("LASTORDER") for member in members.values()]
        assert len(told) == orders * 10 // ORDERS_OF_TEN
        assert all(told)
        found[orders] = runs
    assert max(run.mib for runs in found.values() for run in runs) <= MOST_TARGET_MIB
    if SMOKE:
        return
    for small, large in zip(*found.values(), strict=True):
        assert large.mib - small.mib <= MOST_GROWTH_MIB
    small, large = (runs[0].cpu / orders for orders, runs in found.items())
    assert large <= MOST_GROWTH * small
