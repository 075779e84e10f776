"""Creates contacts for people without a row, under one customer; never two for one address."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from kinetic_mailchimp.epicor import EpicorClient
from kinetic_mailchimp.epicor.odata import eq
from kinetic_mailchimp.kit.errors import AmbiguousWriteError, ConfigurationError, DataError
from kinetic_mailchimp.kit.http.call import HttpCall
from kinetic_mailchimp.kit.parsing.email_address import InvalidEmailError, parse_email

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.calls import as_permanent_failure, is_server_error, make_call
from target_epicor_contacts.epicor.column_values import InvalidValueError
from target_epicor_contacts.epicor.columns import Columns
from target_epicor_contacts.epicor.entities import CONTACT, CUSTOMER, EMAIL, EpicorRow
from target_epicor_contacts.epicor.row_finder import RowFinder

ATTEMPTS = 3
NAME_PARTS = ("FirstName", "MiddleName", "LastName")


@dataclass(frozen=True)
class NewContact:
    """A contact that was created for an event, or the reason why it was not.

    Attributes:
        row: The contact; None where Epicor refused it.
        call: The end of the call that created it, or of the one that showed why it cannot be created; None
            where the contact was there before any call.
        sent: The columns that were sent; empty without a call that could create it.
    """

    update: ContactUpdate
    row: EpicorRow | None = None
    refused: DataError | None = None
    call: HttpCall | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)


class ContactCreator:
    """Creates contacts under a customer, who is named by company and CustID.

    Args:
        finder: Looks for the contact, before and after.
        columns: Their types and lengths.
        company: The company of the customer.
        customer: Its CustID.
    """

    def __init__(
        self,
        client: EpicorClient,
        finder: RowFinder,
        columns: Columns,
        *,
        company: str,
        customer: str,
    ) -> None:
        self._client = client
        self._finder = finder
        self._columns = columns
        self._company = company
        self._customer = customer
        self._number: int | None = None

    def create(self, update: ContactUpdate) -> NewContact:
        """A contact for an address that no row has; each attempt begins with a look.

        Raises:
            ConnectorError: It could not be created, and others could not, either.
        """
        content: Mapping[str, Any] = {}
        calls: list[HttpCall] = []
        try:
            content = new_contact(update, self.customer_number(), self._columns)
            row = self._created(update.key, content, calls)
        except DataError as error:
            call = calls[-1] if calls else HttpCall.of_failure(error)
            return NewContact(update, None, error, call, content if calls else {})
        return NewContact(update, row, None, *((calls[-1], content) if calls else ()))

    def _created(self, address: str, content: Mapping[str, Any], calls: list[HttpCall]) -> EpicorRow:
        send = partial(self._client.create, self._company, CONTACT.path, content)
        for _ in range(ATTEMPTS):
            if found := self._found(address):
                return found
            try:
                values = make_call(send, calls.append).document
            except AmbiguousWriteError as error:
                failure = error
            else:
                # Some servers answer with less than the row, or in another form than they show it in.
                return self._found(address) or EpicorRow(CONTACT, values)
        if found := self._found(address):
            return found
        raise as_permanent_failure(failure, ATTEMPTS) if is_server_error(failure) else failure

    def _found(self, address: str) -> EpicorRow | None:
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


def new_contact(update: ContactUpdate, customer_number: int, columns: Columns) -> dict[str, Any]:
    """The row of a new contact: its name and address. Everything else is written as to any other row.

    Raises:
        DataError: The address is not valid, or too long for its column.
    """
    try:
        parse_email(update.email)
    except InvalidEmailError as error:
        raise DataError(
            "The address is not valid: no contact is made for it.", advice="Correct it in Mailchimp."
        ) from error
    given: dict[str, str] = {}
    for name in ("Name", *NAME_PARTS):
        # A part that does not fit is told with the other columns of the event; the contact is made.
        with suppress(InvalidValueError):
            given[name] = str(columns.coerced(CONTACT, name, update.columns.get(name) or ""))
    full = " ".join(given[name] for name in NAME_PARTS if given.get(name)) or update.email
    return {
        "CustNum": customer_number,
        "ShipToNum": "",
        "Name": given.pop("Name", "") or columns.cut(CONTACT, "Name", full),
        **{name: value for name, value in given.items() if value},
        EMAIL: columns.coerced(CONTACT, EMAIL, update.email),
    }
