"""People as one target knows them and the other one reads it: addresses given up, opt-outs elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.handover import Handover, HandoverAction
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.parsing.email_address import email_key

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
    """The corrections of addresses, by `email_key`, out of the namespace `CORRECTED_NAMESPACE`."""
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


_CAUSES: Final = {
    "unsubscribed": FlagCause.PERSON,
    "complaint": FlagCause.COMPLAINT,
    "cleaned": FlagCause.BOUNCE,
}


def opted_out_elsewhere(
    ledger: Ledger, addresses: Iterable[str], list_id: str, *, everywhere: bool
) -> dict[str, Handover]:
    """The flags of people who are out of another audience, by `email_key`.

    Args:
        ledger: The namespace `PEOPLE_NAMESPACE` of the trail.
        addresses: In any spelling.
        list_id: The audience whose own members tell of its opt-outs.
        everywhere: Whether an opt-out of one audience counts in each; complaints and bounces always do.
    """
    found = {}
    for address, value in ledger.get_many({email_key(address) for address in addresses}).items():
        status = value.get("status") or {}
        cause, audiences = _CAUSES.get(str(status.get("value"))), {*status.get("audiences", ())}
        others = audiences - {list_id}
        counts = everywhere or cause is not FlagCause.PERSON or list_id in audiences
        if cause and others and counts:
            at = status["cause"]
            found[address] = Handover(
                address,
                HandoverAction.FLAG,
                status["value"],
                cause,
                list_id=min(others),
                at=at.get("claimed") or at["at"],
            )
    return found
