"""Addresses that people gave up for others: in Mailchimp, or because their rows got another one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger

PEOPLE_NAMESPACE: Final = "target-epicor-contacts"
"""By email key. Written by target-epicor-contacts alone; `moved.to` is the next address of the person."""

CORRECTED_NAMESPACE: Final = "consent/corrected"
"""By email key. Written by target-mailchimp alone: `Corrected`."""


class Corrected(LedgerValue, frozen=True):
    """An address of a member who was moved to another one, as their rows were: another audience may have it.

    Attributes:
        address: The new one.
        list_id: The audience in which the member was moved.
        at: When Mailchimp moved it, by its clock.
    """

    address: str
    list_id: str
    at: str


_read_corrected: Final = msgspec.json.Decoder(Corrected).decode


def corrected_to(ledger: Ledger, addresses: Iterable[str]) -> dict[str, Corrected]:
    """The corrections of some addresses.

    Args:
        ledger: The namespace `CORRECTED_NAMESPACE` of the trail.
        addresses: As `email_key` makes them.
    """
    return ledger.get_many(addresses, _read_corrected)


def given_up_for(ledger: Ledger, addresses: Iterable[str]) -> dict[str, str]:
    """The address that a person has now, by the one that they gave up; others are left out.

    Args:
        ledger: The namespace `PEOPLE_NAMESPACE` of the trail.
        addresses: As `email_key` makes them.
    """
    asked = set(addresses)
    next_of: dict[str, str] = {}
    wanted = asked
    while wanted:
        found = {
            address: str(moved["to"])
            for address, value in ledger.get_many(wanted).items()
            if (moved := value.get("moved"))
        }
        next_of |= found
        wanted = set(found.values()) - next_of.keys() - asked
    return {address: _last(address, next_of) for address in asked & next_of.keys()}


def _last(address: str, next_of: dict[str, str]) -> str:
    passed = {address}
    while (following := next_of.get(address)) and following not in passed:
        address = following
        passed.add(address)
    return address
