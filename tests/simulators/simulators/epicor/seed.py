"""Makes the data of a seed: the same seed and size give the same rows on every machine."""

from __future__ import annotations

import operator
import random
from collections.abc import Iterator

import msgspec

from simulators.epicor.seed_customers import CustomerSide
from simulators.epicor.seed_rows import SeedRow, SeedRowMaker
from simulators.epicor.seed_sales import SalesSide
from simulators.epicor.seed_supply import SupplySide

COMPANIES = ("EPIC06", "EPIC07")


def seed_rows(customers: int, seed: int, orders: int = 0) -> Iterator[SeedRow]:
    """Rows of all tables as (table, values, ticks), in the order in which they were committed.

    Args:
        customers: How many, over all companies; five in six are in the first.
        seed: Of all rng.
        orders: The most of one customer; 0 for none. All other rows are the same with and without them.
    """
    shares = {COMPANIES[0]: customers - customers // 6, COMPANIES[1]: customers // 6}
    # Packed while they wait for their turn: half a million rows as dicts would be the peak of the process.
    packed = [
        (ticks, table, msgspec.msgpack.encode(values))
        for company, share in shares.items()
        for table, values, ticks in _company_rows(company, share, seed, orders)
    ]
    packed.sort(key=operator.itemgetter(0), reverse=True)
    while packed:
        ticks, table, values = packed.pop()
        yield table, msgspec.msgpack.decode(values), ticks


def _company_rows(company: str, customers: int, seed: int, orders: int) -> Iterator[SeedRow]:
    maker = SeedRowMaker(company, customers, random.Random(f"{seed}/{company}"))
    yield from CustomerSide(maker, customers).rows()
    yield from SupplySide(maker, customers).rows()
    if orders:
        of_sales = SeedRowMaker(company, customers, random.Random(f"{seed}/{company}/sales"))
        yield from SalesSide(of_sales, customers, orders).rows()
