"""Makes the orders and invoices of customers."""

from __future__ import annotations

import random
from collections.abc import Iterator

from simulators.epicor import timestamps
from simulators.epicor.seed_rows import SEEDED_UNTIL, SeedRow, SeedRowMaker
from simulators.epicor.timestamps import TICKS_PER_SECOND

PRODUCT_GROUPS = ("Pumps", "Valves", "Seals", "Service")
_DAY = 86_400 * TICKS_PER_SECOND
_OLDEST = 720
"""Days before the last seeded change: orders of the last two years, some of which are older than one."""


class SalesSide:
    """What the customers of one company bought, by numbers of its own: no other row depends on it.

    Args:
        maker: Of the rows.
        customers: How many.
        orders: The most of one customer; every fifth customer has none.
    """

    def __init__(self, maker: SeedRowMaker, customers: int, orders: int) -> None:
        self._maker = maker
        self._customers = customers
        self._orders = orders

    def rows(self) -> Iterator[SeedRow]:
        number = 1000
        for customer in range(1, self._customers + 1):
            for _ in range(self._maker.rng.randint(1, self._orders) if customer % 5 else 0):
                number += 1
                yield from self._order(number, customer)

    def _order(self, number: int, customer: int) -> Iterator[SeedRow]:
        rng: random.Random = self._maker.rng
        ticks = SEEDED_UNTIL - rng.randrange(1, _OLDEST) * _DAY
        date = timestamps.utc_text(ticks, 0)[:10] + "T00:00:00"
        lines = [
            (rng.choice(PRODUCT_GROUPS), float(rng.randint(1, 9)), 12.5 * rng.randint(1, 40))
            for _ in range(rng.randint(1, 7))
        ]
        total = round(sum(quantity * price for _, quantity, price in lines), 2)
        is_open = rng.random() < 0.3
        common = {"CustNum": customer, "TermsCode": "N30", "CurrencyCode": "USD", "ExchangeRate": 1.0}
        yield self._maker.row(
            "OrderHed",
            ticks,
            **common,
            OrderNum=number,
            PONum=f"PO-{number}",
            OrderDate=date,
            OpenOrder=is_open,
            VoidOrder=number % 37 == 0,
            EntryPerson="seed",
            SalesRepList=f"REP{customer % 7}",
            OrderAmt=total,
            DocOrderAmt=total,
            Channel_c="Web" if number % 3 else "Phone",
        )
        for position, (group, quantity, price) in enumerate(lines, start=1):
            values = {"ProdCode": group, "UnitPrice": price, "PartNum": f"P{position:05d}"}
            amount = quantity * price
            yield self._maker.row(
                "OrderDtl",
                ticks,
                **values,
                OrderNum=number,
                OrderLine=position,
                OrderQty=quantity,
                ExtPriceDtl=amount,
                OpenLine=is_open,
            )
            if not is_open:
                yield self._maker.row(
                    "InvcDtl",
                    ticks,
                    **values,
                    InvoiceNum=number,
                    InvoiceLine=position,
                    OrderNum=number,
                    OrderLine=position,
                    OurShipQty=quantity,
                    ExtPrice=amount,
                )
        if not is_open:
            yield self._maker.row(
                "InvcHead",
                ticks,
                **common,
                InvoiceNum=number,
                InvoiceType="SHP",
                OpenInvoice=number % 2 == 0,
                Posted=True,
                OrderNum=number,
                PONum=f"PO-{number}",
                InvoiceDate=date,
                DueDate=date,
                InvoiceAmt=total,
                DocInvoiceAmt=total,
                InvoiceBal=total if number % 2 == 0 else 0.0,
            )
