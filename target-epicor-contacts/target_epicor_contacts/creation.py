"""Makes contacts for people who have no row, under one customer; never twice for one address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_kit.errors import AmbiguousWriteError, ConfigurationError
from epicor_kinetic_client import EpicorClient
from epicor_kinetic_client.odata import eq

from target_epicor_contacts.lookup import RowFinder
from target_epicor_contacts.rows import CONTACT, CUSTOMER, EMAIL, Row
from target_epicor_contacts.stumbling import failing_for_good, stumbles
from target_epicor_contacts.updates import ContactUpdate

ATTEMPTS = 3
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


class ContactMaker:
    """Creates contacts.

    Args:
        client: Kinetic.
        finder: Looks whether a contact is there, before and after.
        company: Where the customer is.
        customer: Its CustID.
    """

    def __init__(self, client: EpicorClient, finder: RowFinder, *, company: str, customer: str) -> None:
        self._client = client
        self._finder = finder
        self._company = company
        self._customer = customer
        self._number: int | None = None

    def create(self, update: ContactUpdate) -> Row:
        """A contact for an address that no row has; each attempt begins with a look.

        Raises:
            ConnectorError: It could not be made.
        """
        content = new_contact(update, self.customer_number())
        for _ in range(ATTEMPTS):
            if found := self._found(update.key):
                return found
            try:
                values = self._client.create(self._company, CONTACT.path, content)
            except AmbiguousWriteError as error:
                failure = error
            else:
                self._finder.forget(update.key)
                return Row(CONTACT, values)
        if found := self._found(update.key):
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
