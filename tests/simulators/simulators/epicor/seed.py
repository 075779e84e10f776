"""Makes the data of a seed: the same seed and size give the same rows on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from uuid import UUID

from simulators.epicor import moments
from simulators.epicor.moments import TICKS_PER_SECOND
from simulators.epicor.seed_words import (
    CITIES,
    EMAIL_FORMS,
    FIRST_NAMES,
    INDUSTRIES,
    LEGAL_FORMS,
    PRODUCTS,
    PROVIDERS,
    SURNAMES,
    Place,
    ascii_slug,
)
from simulators.epicor.store import Row

COMPANIES = ("EPIC06", "EPIC07")
SEEDED_UNTIL = moments.from_datetime(datetime(2026, 1, 31, 18, 0, tzinfo=timezone.utc))
"""All seeded changes lie before this moment."""

_SPAN = 300 * 86_400 * TICKS_PER_SECOND
_BEGIN = SEEDED_UNTIL - _SPAN
MASS_UPDATE = _BEGIN + _SPAN // 2
"""A quarter of all customers was changed at this one moment, as by a mass update in the night."""

SeedRow = tuple[str, Row, int]


@dataclass(frozen=True)
class _Person:
    first: str
    last: str
    email: str
    per_con_id: int

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


def seed_rows(customers: int, seed: int) -> list[SeedRow]:
    """Rows of all tables as (table, values, ticks), in the order in which they were committed.

    Args:
        customers: How many, over all companies; five in six are in the first.
        seed: Of all dice.
    """
    shares = {COMPANIES[0]: customers - customers // 6, COMPANIES[1]: customers // 6}
    rows: list[SeedRow] = []
    for company, share in shares.items():
        rows.extend(_Company(company, share, random.Random(f"{seed}/{company}")).rows())
    rows.sort(key=lambda row: row[2])
    return rows


class _Company:
    """The data of one company."""

    def __init__(self, company: str, customers: int, dice: random.Random) -> None:
        self._company = company
        self._customers = customers
        self._dice = dice
        self._people = 0

    def rows(self) -> Iterator[SeedRow]:
        for number in range(1, self._customers + 1):
            yield from self._customer(number)
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

    def _row(self, table: str, ticks: int, **values: object) -> SeedRow:
        row = {"Company": self._company, "SysRowID": str(UUID(int=self._dice.getrandbits(128))), **values}
        return table, row, ticks

    def _moment(self, number: int, total: int) -> int:
        """A moment for the row of a number: some are shared by many rows, some by three, most by none."""
        if total // 4 <= number < total // 2:
            return MASS_UPDATE
        step = _SPAN // (total + 1)
        if number % 10 < 3:
            return _BEGIN + (number - number % 10) * step
        # Milliseconds, so that the text of a moment is the whole of it.
        return (_BEGIN + number * step + self._dice.randrange(max(step // 2, 1))) // 10_000 * 10_000

    def _email(self, first: str, last: str, number: int) -> str:
        local = f"{ascii_slug(first)}.{ascii_slug(last)}.{self._company.lower()}.{number}"
        return f"{local}@{self._dice.choice(PROVIDERS)}"

    def _written(self, email: str, name: str) -> str:
        """The address as people have typed it."""
        form = self._dice.choices(list(EMAIL_FORMS), weights=[w for w, _ in EMAIL_FORMS.values()])[0]
        return EMAIL_FORMS[form][1].format(email=email, EMAIL=email.upper(), name=name)

    def _customer(self, number: int) -> Iterator[SeedRow]:
        dice = self._dice
        place: Place = dice.choice(CITIES)
        first, last = dice.choice(FIRST_NAMES), dice.choice(SURNAMES)
        name = f"{dice.choice(SURNAMES)} {dice.choice(PRODUCTS)} {dice.choice(LEGAL_FORMS)} {number}"
        email = self._email(first, last, number)
        if number % 23 == 0:
            # The same address on several customers: a group buys through one office.
            email = f"office.{self._company.lower()}@example.com"
        ticks = self._moment(number, self._customers)
        kind = dice.choices(("CUS", "PRO", "SUS"), weights=(85, 10, 5))[0]
        industry = dice.choice(INDUSTRIES)
        contacts = dice.choices((0, 1, 2, 3), weights=(15, 45, 25, 15))[0]
        cust_id = f"{ascii_slug(last)[:5].upper()}{number:06d}"
        yield self._row(
            "Customer",
            ticks,
            CustNum=number,
            CustID=cust_id,
            Name=name,
            **place.columns(number),
            Zip=f"{10_000 + number % 89_999}",
            PhoneNum=f"555-01{number % 100:02d}",
            EMailAddress=self._written(email, f"{first} {last}"),
            CustURL="https://www.example.com",
            CustomerType=kind,
            GroupCode=industry[:4].upper(),
            TerritoryID=place.territory,
            SalesRepCode=f"REP{number % 7}",
            TermsCode="N30",
            CurrencyCode=place.currency,
            CreditHold=number % 41 == 0,
            CreditLimit=float(1_000 * (number % 50)),
            NoContact=dice.random() < 0.04,
            Inactive=dice.random() < 0.08,
            EstDate=moments.utc_text(ticks - _SPAN, 0)[:10] + "T00:00:00",
            PrimPCon=1 if contacts else 0,
            PrimBCon=1 if contacts else 0,
            PrimSCon=1 if contacts else 0,
            BTName=name,
            BTCity=place.city,
            BTCountryNum=place.country_number,
            ValidPayer=True,
            ValidSoldTo=True,
            ValidShipTo=True,
            ChangedBy=f"user{number % 5}",
            Industry_c=industry,
            Region_c=place.region,
            AccountStatus_c={"CUS": "Active", "PRO": "Prospect", "SUS": "Suspect"}[kind],
        )
        ship_tos = [""] if number % 3 else ["", "SITE1"]
        for ship_to in ship_tos[1:]:
            yield self._ship_to(number, ship_to, place, ticks)
        shared = _Person(
            "Sam", dice.choice(SURNAMES), f"buyer.{number // 10}@example.net", number // 10 + 1_000_000
        )
        for position in range(contacts):
            person = self._person(number, position, first, last, email)
            if position == 2:
                # One person who buys for ten neighbouring customers.
                person = shared
            ship_to = ship_tos[-1] if position == 1 else ""
            yield from self._contact(number, cust_id, name, ship_to, position, person, place)
        if number % 10 == 0:
            yield self._per_con(shared, ticks)

    def _person(self, number: int, position: int, first: str, last: str, email: str) -> _Person:
        self._people += 1
        if position == 0:
            # The first contact uses the address of the customer.
            return _Person(first, last, email, self._people)
        dice = self._dice
        first, last = dice.choice(FIRST_NAMES), dice.choice(SURNAMES)
        return _Person(first, last, self._email(first, last, number * 10 + position), self._people)

    def _contact(
        self,
        number: int,
        cust_id: str,
        customer: str,
        ship_to: str,
        position: int,
        person: _Person,
        place: Place,
    ) -> Iterator[SeedRow]:
        dice = self._dice
        ticks = self._moment(number, self._customers) + (position + 1) * TICKS_PER_SECOND
        created = moments.utc_text(_BEGIN, 0)
        yield self._row(
            "CustCnt",
            ticks,
            CustNum=number,
            ShipToNum=ship_to,
            ConNum=1 if ship_to else position + 1,
            Name=person.name,
            FirstName=person.first,
            LastName=person.last,
            ContactTitle=dice.choice(("Buyer", "Owner", "Manager", "")),
            Func=dice.choice(("Purchasing", "Finance", "Quality")),
            RoleCode="BUY",
            EMailAddress=self._written(person.email, person.name),
            PhoneNum=f"555-01{(number + position) % 100:02d}",
            **place.columns(number),
            Zip=f"{10_000 + number % 89_999}",
            NoContact=dice.random() < 0.05,
            Inactive=dice.random() < 0.06,
            CreateDate=created,
            CreateDcdUserID="seed",
            ChangeDate=created,
            ChangedBy=f"user{number % 5}",
            PerConID=person.per_con_id,
            SyncNameToPerCon=True,
            SyncAddressToPerCon=True,
            SyncPhoneToPerCon=True,
            SyncEmailToPerCon=True,
            SyncLinksToPerCon=True,
            PrimaryPurchasing=position == 0,
            CustNumCustID=cust_id,
            CustNumName=customer,
            SFPortalPassword="never-select-this",
        )
        if person.per_con_id < 1_000_000:
            yield self._per_con(person, ticks)

    def _per_con(self, person: _Person, ticks: int) -> SeedRow:
        return self._row(
            "PerCon",
            ticks,
            PerConID=person.per_con_id,
            Name=person.name,
            FirstName=person.first,
            LastName=person.last,
            EMailAddress=person.email,
        )

    def _ship_to(self, number: int, ship_to: str, place: Place, ticks: int) -> SeedRow:
        return self._row(
            "ShipTo",
            ticks,
            CustNum=number,
            ShipToNum=ship_to,
            Name=f"Site of {number}",
            **place.columns(number),
            ZIP=f"{10_000 + number % 89_999}",
            EMailAddress=f"dock.{number}@example.org",
            TerritoryID=place.territory,
            ShipViaCode="GRND",
        )

    def _vendor(self, number: int) -> Iterator[SeedRow]:
        dice = self._dice
        place: Place = dice.choice(CITIES)
        ticks = self._moment(number, self._customers)
        yield self._row(
            "Vendor",
            ticks,
            VendorNum=number,
            VendorID=f"V{number:05d}",
            Name=f"{dice.choice(SURNAMES)} Supply {number}",
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
        yield self._row(
            "VendCnt",
            ticks,
            VendorNum=number,
            PurPoint="",
            ConNum=1,
            Name=f"{dice.choice(FIRST_NAMES)} {dice.choice(SURNAMES)}",
            EMailAddress=f"contact.{number}@example.org",
            CreateDate=moments.utc_text(_BEGIN, 0),
        )

    def _part(self, number: int) -> SeedRow:
        return self._row(
            "Part",
            self._moment(number, self._customers),
            # Characters that break the URL of a key, in some of them.
            PartNum=f"P{number:05d}" if number % 9 else f"P{number:05d}/A #{number}%",
            PartDescription=f"{self._dice.choice(PRODUCTS)} Nº {number}",
            SearchWord=f"P{number}",
            TypeCode="MPKB"[number % 4],
            ClassID="GEN",
            ProdCode="STD",
            IUM="EA",
            PUM="EA",
            SalesUM="EA",
            UnitPrice=round(1 + self._dice.random() * 500, 2),
            InActive=number % 13 == 0,
            NetWeight=round(self._dice.random() * 20, 3),
            CreatedBy="seed",
            CreatedOn=moments.utc_text(_BEGIN, 0),
        )

    def _purchase_order(self, number: int, vendor: int, parts: int) -> Iterator[SeedRow]:
        dice = self._dice
        ticks = self._moment(number % max(self._customers, 1), self._customers)
        ordered = moments.utc_text(ticks, 0)[:10] + "T00:00:00"
        lines = dice.randint(1, 3)
        yield self._row(
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
            part = f"P{1 + dice.randrange(min(parts, 8)):05d}"
            yield self._row(
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
            yield self._row(
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
        return self._row(
            "GLAccount",
            self._moment(number, max(self._customers, 41)),
            COACode="MAIN",
            GLAccount1=account.replace("-", "|"),
            AccountDesc=f"Account {natural}",
            SegValue1=natural,
            SegValue2=department,
            SegValue3=division,
            Active=number % 8 != 0,
            EffFrom=moments.utc_text(_BEGIN, 0)[:10] + "T00:00:00",
            GLAcctDispGLAcctDisp=account,
            GLAcctDispGLShortAcct=account,
        )
