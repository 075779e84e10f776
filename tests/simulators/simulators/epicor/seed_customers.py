"""Makes customers with their ship-tos, contacts and people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.epicor import timestamps
from simulators.epicor.seed_rows import BEGIN, SPAN, SeedRow, SeedRowMaker
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
from simulators.epicor.timestamps import TICKS_PER_SECOND

_SHARED = 1_000_000
"""People from this number on buy for several customers."""


@dataclass(frozen=True)
class _Person:
    first: str
    last: str
    email: str
    per_con_id: int

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}"


class CustomerSide:
    """The customers of one company and everybody around them."""

    def __init__(self, maker: SeedRowMaker, customers: int) -> None:
        self._maker = maker
        self._rng = maker.rng
        self._company = maker.company
        self._customers = customers
        self._people = 0

    def rows(self) -> Iterator[SeedRow]:
        for number in range(1, self._customers + 1):
            yield from self._customer(number)

    def _email(self, first: str, last: str, number: int) -> str:
        local = f"{ascii_slug(first)}.{ascii_slug(last)}.{self._company.lower()}.{number}"
        return f"{local}@{self._rng.choice(PROVIDERS)}"

    def _written(self, email: str, name: str) -> str:
        """The address as people have typed it."""
        form = self._rng.choices(list(EMAIL_FORMS), weights=[w for w, _ in EMAIL_FORMS.values()])[0]
        return EMAIL_FORMS[form][1].format(email=email, EMAIL=email.upper(), name=name)

    def _customer(self, number: int) -> Iterator[SeedRow]:
        rng = self._rng
        place: Place = rng.choice(CITIES)
        first, last = rng.choice(FIRST_NAMES), rng.choice(SURNAMES)
        name = f"{rng.choice(SURNAMES)} {rng.choice(PRODUCTS)} {rng.choice(LEGAL_FORMS)} {number}"
        email = self._email(first, last, number)
        if number % 23 == 0:
            # The same address on several customers: a group buys through one office.
            email = f"office.{self._company.lower()}@example.com"
        ticks = self._maker.change_ticks(number)
        kind = rng.choices(("CUS", "PRO", "SUS"), weights=(85, 10, 5))[0]
        industry = rng.choice(INDUSTRIES)
        contacts = rng.choices((0, 1, 2, 3), weights=(15, 45, 25, 15))[0]
        cust_id = f"{ascii_slug(last)[:5].upper()}{number:06d}"
        yield self._maker.row(
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
            NoContact=rng.random() < 0.04,
            Inactive=rng.random() < 0.08,
            EstDate=timestamps.utc_text(ticks - SPAN, 0)[:10] + "T00:00:00",
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
            "Sam", rng.choice(SURNAMES), f"buyer.{number // 10}@example.net", number // 10 + _SHARED
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
        rng = self._rng
        first, last = rng.choice(FIRST_NAMES), rng.choice(SURNAMES)
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
        rng = self._rng
        ticks = self._maker.change_ticks(number) + (position + 1) * TICKS_PER_SECOND
        created = timestamps.utc_text(BEGIN, 0)
        yield self._maker.row(
            "CustCnt",
            ticks,
            CustNum=number,
            ShipToNum=ship_to,
            ConNum=1 if ship_to else position + 1,
            Name=person.name,
            FirstName=person.first,
            LastName=person.last,
            ContactTitle=rng.choice(("Buyer", "Owner", "Manager", "")),
            Func=rng.choice(("Purchasing", "Finance", "Quality")),
            RoleCode="BUY",
            EMailAddress=self._written(person.email, person.name),
            PhoneNum=f"555-01{(number + position) % 100:02d}",
            **place.columns(number),
            Zip=f"{10_000 + number % 89_999}",
            NoContact=rng.random() < 0.05,
            Inactive=rng.random() < 0.06,
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
        if person.per_con_id < _SHARED:
            yield self._per_con(person, ticks)

    def _per_con(self, person: _Person, ticks: int) -> SeedRow:
        return self._maker.row(
            "PerCon",
            ticks,
            PerConID=person.per_con_id,
            Name=person.name,
            FirstName=person.first,
            LastName=person.last,
            EMailAddress=person.email,
        )

    def _ship_to(self, number: int, ship_to: str, place: Place, ticks: int) -> SeedRow:
        return self._maker.row(
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
