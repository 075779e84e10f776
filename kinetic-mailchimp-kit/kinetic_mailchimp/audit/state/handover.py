"""Changes of flags in Epicor that target-mailchimp found, and only target-epicor-contacts can write."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from kinetic_mailchimp.audit.state.flag_state import FlagCause
from kinetic_mailchimp.audit.state.ledger_value import LedgerValue

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger

HANDOVER_NAMESPACE: Final = "consent/handover"
"""By `row_name`. target-mailchimp writes, target-epicor-contacts deletes, each together with its decision."""


class HandoverAction(StrEnum):
    """The change of the row's flag."""

    FLAG = "flag"
    CLEAR = "clear"
    ADOPT = "adopt"
    """Nothing is written: the flag is a copy of ours, if a row in `instead_of` had it and is gone."""


class Handover(LedgerValue, frozen=True):
    """A flag to set on a row, or to take back.

    Attributes:
        address: The address of the row, as the record has it.
        status: For `flag`, the member's status: `unsubscribed`, `complaint` or `cleaned`.
        origin: For a cause `rep`, the row on which the rep set the flag. In a `clear`, every flag with this
            origin falls, and the row's own is not touched; without an origin, the row's own flag falls.
        at: The time of the opt-out by Mailchimp's clock, where it is known.
        instead_of: For `adopt`, the rows that this one may have come in place of.
    """

    address: str
    action: HandoverAction
    status: str = ""
    cause: FlagCause = FlagCause.PERSON
    origin: str = ""
    list_id: str = ""
    at: str = ""
    instead_of: tuple[str, ...] = ()

    @property
    def rows(self) -> frozenset[str]:
        """The other rows that it is about."""
        return frozenset({self.origin, *self.instead_of} - {""})


def read_handovers(ledger: Ledger) -> dict[str, Handover]:
    """Every handover that waits in `HANDOVER_NAMESPACE`, by the name of its row."""
    return {row: Handover.from_json(value) for row, value in ledger.items()}
