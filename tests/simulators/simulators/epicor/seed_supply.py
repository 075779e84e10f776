"""Makes vendors, parts, purchase orders and accounts."""

from __future__ import annotations

from collections.abc import Iterator

from simulators.epicor import timestamps
from simulators.epicor.seed_rows import BEGIN, SeedRow, SeedRowMaker
from simulators.epicor.seed_words import CITIES, FIRST_NAMES, PRODUCTS, SURNAMES, Place


class SupplySide:
    """The rows of one company that have nothing to do with its customers, sized by their number."""

    def __init__(self, maker: SeedRowMaker, customers: int) -> None:
        self._maker = maker
        self._customers = customers

    def rows(self) -> Iterator[SeedRow]:
        vendors = max(3, self._customers // 20)
        parts = max(5, self._customers // 10)
        for number in range(1, vendors + 1):
            yield from self._vendor(number)
        for number in range(1, parts + 1):
            yield self._part(number)
        for number in range(1, max(4, self._customers // 10) + 1):
            yield from self._purchase_order(4000 + number, 1 + number % vendors, parts)
        for number in range(1, 41):
            yield self._gl_account(number)

    def _vendor(self, number: int) -> Iterator[SeedRow]:
        rng = self._maker.rng
        place: Place = rng.choice(CITIES)
        ticks = self._maker.change_ticks(number)
        yield self._maker.row(
            "Vendor",
            ticks,
            VendorNum=number,
            VendorID=f"V{number:05d}",
            Name=f"{rng.choice(SURNAMES)} Supply {number}",
            **place.columns(number),
            ZIP=f"{10_000 + number % 89_999}",
            EMailAddress=f"sales.{number}@example.org",
            PhoneNum=f"555-01{number % 100:02d}",
            GroupCode="GEN",
            TermsCode="N30",
            CurrencyCode=place.currency,
            Approved=number % 5 != 0,
            Inactive=number % 11 == 0,
            TaxPayerID="00-0000000",
        )
        yield self._maker.row(
            "VendCnt",
            ticks,
            VendorNum=number,
            PurPoint="",
            ConNum=1,
            Name=f"{rng.choice(FIRST_NAMES)} {rng.choice(SURNAMES)}",
            EMailAddress=f"contact.{number}@example.org",
            CreateDate=timestamps.utc_text(BEGIN, 0),
        )

    def _part(self, number: int) -> SeedRow:
        return self._maker.row(
            "Part",
            self._maker.change_ticks(number),
            # Characters that break the URL of a key, in some of them.
            PartNum=f"P{number:05d}" if number % 9 else f"P{number:05d}/A #{number}%",
            PartDescription=f"{self._maker.rng.choice(PRODUCTS)} Nº {number}",
            SearchWord=f"P{number}",
            TypeCode="MPKB"[number % 4],
            ClassID="GEN",
            ProdCode="STD",
            IUM="EA",
            PUM="EA",
            SalesUM="EA",
            UnitPrice=round(1 + self._maker.rng.random() * 500, 2),
            InActive=number % 13 == 0,
            NetWeight=round(self._maker.rng.random() * 20, 3),
            CreatedBy="seed",
            CreatedOn=timestamps.utc_text(BEGIN, 0),
        )

    def _purchase_order(self, number: int, vendor: int, parts: int) -> Iterator[SeedRow]:
        rng = self._maker.rng
        ticks = self._maker.change_ticks(number)
        ordered = timestamps.utc_text(ticks, 0)[:10] + "T00:00:00"
        lines = rng.randint(1, 3)
        yield self._maker.row(
            "POHeader",
            ticks,
            PONum=number,
            VendorNum=vendor,
            VendorVendorID=f"V{vendor:05d}",
            VendorName=f"Supply {vendor}",
            OrderDate=ordered,
            DueDate=ordered,
            OpenOrder=number % 3 != 0,
            BuyerID=f"BUY{number % 4}",
            EntryPerson="seed",
            CurrencyCode="USD",
            ExchangeRate=1.0,
            Approve=True,
            ApprovalStatus="A",
            TotalOrder=100.0 * lines,
            DocTotalOrder=100.0 * lines,
            TermsCode="N30",
            HasLines=True,
        )
        for line in range(1, lines + 1):
            part = f"P{1 + rng.randrange(min(parts, 8)):05d}"
            yield self._maker.row(
                "PODetail",
                ticks,
                PONUM=number,
                POLine=line,
                PartNum=part,
                LineDesc=f"Line {line}",
                IUM="EA",
                PUM="EA",
                OrderQty=10.0,
                UnitCost=10.0,
                DocUnitCost=10.0,
                ExtCost=100.0,
                DueDate=ordered,
                OpenLine=number % 3 != 0,
                VendorNum=vendor,
            )
            yield self._maker.row(
                "PORel",
                ticks,
                PONum=number,
                POLine=line,
                PORelNum=1,
                RelQty=10.0,
                DueDate=ordered,
                OpenRelease=number % 3 != 0,
                Plant="MfgSys",
                WarehouseCode="MAIN",
            )

    def _gl_account(self, number: int) -> SeedRow:
        account = f"{1000 + number * 10}-00-{10 + number % 3}"
        natural, department, division = account.split("-")
        return self._maker.row(
            "GLAccount",
            self._maker.change_ticks(number),
            COACode="MAIN",
            GLAccount1=account.replace("-", "|"),
            AccountDesc=f"Account {natural}",
            SegValue1=natural,
            SegValue2=department,
            SegValue3=division,
            Active=number % 8 != 0,
            EffFrom=timestamps.utc_text(BEGIN, 0)[:10] + "T00:00:00",
            GLAcctDispGLAcctDisp=account,
            GLAcctDispGLShortAcct=account,
        )
