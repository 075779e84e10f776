"""The opt-out flags in Epicor that this software has set."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from kinetic_mailchimp.audit.state.ledger_value import LedgerValue
from kinetic_mailchimp.audit.state.member_state import is_older
from kinetic_mailchimp.kit.parsing.email_address import domain_spellings, email_key

if TYPE_CHECKING:
    from kinetic_mailchimp.audit.state.ledger import Ledger

FLAGS_NAMESPACE: Final = "consent/flags"
"""By `row_name`. Written by target-epicor-contacts alone."""


class FlagCause(StrEnum):
    """The origin of the opt-out that a flag carries."""

    PERSON = "person"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    REP = "rep"


class FlagState(LedgerValue, frozen=True):
    """A flag that this software has set and not taken back: no rep wished it.

    Attributes:
        address: The email key of the person for whom it was set.
        origin: For a cause `rep`, the name of the row on which the rep set the flag.
        list_id: The audience that told of the opt-out; empty where none did.
        at: The time of the opt-out by Mailchimp's clock.
        row_id: Of the row, as `short_row_id` makes it; 0 where that is not known.
        cleared_at: The row's revision, or time of change, when the flag was taken back: a reader may still
            hold the row from before. Empty while it is set.
    """

    address: str
    cause: FlagCause = FlagCause.PERSON
    origin: str = ""
    list_id: str = ""
    at: str = ""
    cleared_at: str = ""
    row_id: int = 0

    @property
    def moves_along(self) -> bool:
        """Tell whether the opt-out is the person's, and not of an address or a row: it goes where they go."""
        return self.cause in {FlagCause.PERSON, FlagCause.COMPLAINT}

    def is_on(self, row_id: int) -> bool:
        """Tell whether the flag is on a row, and not on another one that had its key before."""
        return is_same_row(self.row_id, row_id)

    def is_for(self, address: str) -> bool:
        """Tell whether the flag was set for an address, however it is spelled."""
        return email_key(self.address) == email_key(address)

    def is_of_mailbox(self, address: str) -> bool:
        """Tell whether the flag was set for an address or for another spelling of its domain."""
        return email_key(address) in domain_spellings(email_key(self.address))


def short_row_id(text: str | None) -> int:
    """A short form of the id that a row shares with no other, also not with one that gets its key later."""
    return zlib.crc32(text.lower().encode()) if text else 0


def is_same_row(one: int, other: int) -> bool:
    """Tell whether two rows with one key are the same, as far as both are known.

    Args:
        one: As `short_row_id` made it.
        other: The same.
    """
    return one == other or not (one and other)


def read_flags(ledger: Ledger, rows: Iterable[str]) -> dict[str, FlagState]:
    """The flags of rows that this software has set, with those that it has taken back.

    Args:
        ledger: The namespace `FLAGS_NAMESPACE` of the trail.
        rows: Names of rows.
    """
    return {row: FlagState.from_json(value) for row, value in ledger.get_many(rows).items()}


def own_flag(flags: Mapping[str, FlagState], row: str, row_id: int, updated_on: str) -> FlagState | None:
    """Our flag on a row as it was read; None where the flag that it shows is a rep's.

    Args:
        flags: By the name of the row.
        row: Its name.
        row_id: Of the row, as `short_row_id` makes it.
        updated_on: When it changed, as the source writes it.
    """
    flag = flags.get(row)
    is_over = flag and flag.cleared_at and not is_older(updated_on, flag.cleared_at)
    return flag if flag and not is_over and flag.is_on(row_id) else None


def still_set(flags: Mapping[str, FlagState]) -> dict[str, FlagState]:
    """The flags that were not taken back, by the name of the row."""
    return {row: flag for row, flag in flags.items() if not flag.cleared_at}
