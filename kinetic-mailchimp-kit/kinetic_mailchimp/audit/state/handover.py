"""Changes in Epicor that target-mailchimp found out about, and only target-epicor-contacts can write."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.kit.parsing.email_address import email_key

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger

HANDOVER_NAMESPACE: Final = "consent/handover"
"""By `row_name`, or `move_key`. target-mailchimp writes, target-epicor-contacts deletes with its decision."""


class HandoverAction(StrEnum):
    """The change of the row."""

    FLAG = "flag"
    CLEAR = "clear"
    ADOPT = "adopt"
    """Nothing is written: the flag is a copy of ours, if a row in `instead_of` had it and is gone."""
    MOVE = "move"
    """The person has another address in Mailchimp, and no event has told of it."""


class Handover(LedgerValue, frozen=True):
    """A flag to set on a row or to take back, or an address to change.

    Attributes:
        address: The address of the row, as the record has it.
        status: For `flag`, the member's status: `unsubscribed`, `complaint` or `cleaned`; for `move`, any.
        origin: For a cause `rep`, the row on which the rep set the flag. In a `clear`, every flag with this
            origin falls, and the row's own is not touched; without an origin, the row's own flag falls.
        at: The time of the opt-out by Mailchimp's clock, where it is known; for `move`, of the last change.
        instead_of: For `adopt`, the rows that this one may have come in place of; for `move`, all its rows.
        new_address: For `move`, the address that the rows get.
        is_taken: For `move`, whether another contact has the former address: what is said there is theirs.
    """

    address: str
    action: HandoverAction
    status: str = ""
    cause: FlagCause = FlagCause.PERSON
    origin: str = ""
    list_id: str = ""
    at: str = ""
    instead_of: tuple[str, ...] = ()
    new_address: str = ""
    is_taken: bool = False

    @property
    def rows(self) -> frozenset[str]:
        """The other rows that it is about."""
        return frozenset({self.origin, *self.instead_of} - {""})


def move_key(list_id: str, new_address: str) -> str:
    """The key of a `move`, which is about several rows.

    Args:
        list_id: The audience.
        new_address: The address that they get.
    """
    return f"{list_id}/{email_key(new_address)}"


def read_handovers(ledger: Ledger) -> dict[str, Handover]:
    """Every handover that waits in `HANDOVER_NAMESPACE`, by its key."""
    return {row: Handover.from_json(value) for row, value in ledger.items()}
