"""Makes contacts for people who have no row, under one customer; never twice for one address."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import eq
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConfigurationError, DataError
from kinetic_mailchimp.kit.http_call import HttpCall

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.calls import Carried, Clock, make_call
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, EMAIL, Row
from target_epicor_contacts.epicor.row_finder import RowFinder
from target_epicor_contacts.epicor.server_errors import failing_for_good, stumbles

ATTEMPTS = 3
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


@dataclass(frozen=True)
class Creation:
    """What became of the making of a contact.

    Attributes:
        update: The event that it was made for.
        row: The contact; None where Epicor refused it.
        refused: Why it did.
        carried: The call that carried it; None where the contact was there before any call.
    """

    update: ContactUpdate
    row: Row | None = None
    refused: DataError | None = None
    carried: Carried | None = None

    @property
    def call(self) -> HttpCall | None:
        """How the call ended that made it, or the one that showed why it cannot be made."""
        if self.carried:
            return self.carried.call
        return HttpCall.of_failure(self.refused) if self.refused else None


class ContactMaker:
    """Creates contacts.

    Args:
        client: Kinetic.
        finder: Looks whether a contact is there, before and after.
        company: Where the customer is.
        customer: Its CustID.
        clock: Tells how long a call took that failed.
    """

    def __init__(
        self,
        client: EpicorClient,
        finder: RowFinder,
        *,
        company: str,
        customer: str,
        clock: Clock = time.monotonic,
    ) -> None:
        self._client = client
        self._finder = finder
        self._company = company
        self._customer = customer
        self._clock = clock
        self._number: int | None = None

    def create(self, update: ContactUpdate) -> Creation:
        """A contact for an address that no row has; each attempt begins with a look.

        Raises:
            ConnectorError: It could not be made, and others could not, either.
        """
        content: Mapping[str, Any] = {}
        calls: list[HttpCall] = []
        row, refused = None, None
        try:
            content = new_contact(update, self.customer_number())
            row = self._made(update.key, content, calls)
        except DataError as error:
            refused = error
        return Creation(update, row, refused, Carried(calls[-1], content) if calls else None)

    def _made(self, address: str, content: Mapping[str, Any], calls: list[HttpCall]) -> Row:
        send = partial(self._client.create, self._company, CONTACT.path, content)
        for _ in range(ATTEMPTS):
            if found := self._found(address):
                return found
            try:
                values = dict(make_call(send, calls.append, self._clock).document)
            except AmbiguousWriteError as error:
                failure = error
            else:
                self._finder.forget(address)
                return Row(CONTACT, values)
        if found := self._found(address):
            return found
        raise failing_for_good(failure, ATTEMPTS) if stumbles(failure) else failure

    def _found(self, address: str) -> Row | None:
        self._finder.forget(address)
        return next((row for row in self._finder.find([address]) if row.entity is CONTACT), None)

    def customer_number(self) -> int:
        """The number of the customer, asked for once.

        Raises:
            ConfigurationError: There is no such customer.
        """
        if self._number is None:
            rows = self._client.read(
                self._company,
                CUSTOMER.path,
                filter=eq("CustID", self._customer),
                select=("Company", "CustNum", "CustID"),
                top=1,
            )
            if not rows:
                raise ConfigurationError(
                    f"Company {self._company} has no customer with the CustID of `create_under_customer`.",
                    advice="Check `create_under_customer` and `create_in_company`.",
                )
            self._number = int(rows[0]["CustNum"])
        return self._number


def new_contact(update: ContactUpdate, customer_number: int) -> dict[str, Any]:
    """The row of a new contact: who it is; what the event says about it is written like to any other row."""
    parts = {name: str(update.columns[name]) for name in NAME_PARTS if update.columns.get(name)}
    return {
        "CustNum": customer_number,
        "ShipToNum": "",
        "Name": _name(update.columns, parts) or update.email,
        **parts,
        EMAIL: update.email,
    }


def _name(columns: Mapping[str, Any], parts: Mapping[str, str]) -> str:
    return str(columns.get("Name") or " ".join(parts[name] for name in NAME_PARTS if name in parts))
