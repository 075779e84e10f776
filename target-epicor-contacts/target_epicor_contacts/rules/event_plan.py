"""Plan of a single event, before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from target_epicor_contacts.contract.contact_update import ContactUpdate
from target_epicor_contacts.epicor.column_values import InvalidValueError


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """One value of one row that an event sets."""

    row_id: str
    column: str
    before: Any
    after: Any


@dataclass(slots=True)
class EventPlan:
    """Changes that an event asks for, and the parts of it that are not applied.

    Attributes:
        person: The address whose state it went to, which is a later one where the person has moved on.
        matched: Ids of the rows that belong to the address.
        changes: The values that it sets and no later event of the batch sets again.
        overtaken: Number of its changes that a later event of the batch made void.
        superseded: The field groups in which something newer is applied already, and why.
        kept: Row and column in which a policy kept Epicor's value, with that value and Mailchimp's.
        conflicts: Columns that both sides had changed and that took Mailchimp's value.
        withheld: Columns that went to no row, and why.
        agreed: Merge fields in which all rows of the address hold Mailchimp's value after the event, with
            the columns that they are in.
        refused: Columns that an empty value would have cleared.
        flag_kept: Rows whose flag stays because a user of Epicor set it.
        unreached: Matched rows of companies in which an opt-out of the audience does not count.
        counts_in: Ids of further audiences in which the opt-out counts, and did not before.
        followed: Whether the matched rows had the address and were given another one in Epicor.
        lost: Whether rows are known that had the address, and none of them is there any more.
        reason: For the audit trail, where a change of the flag has a cause of its own.
        ignored: Why the status says nothing; empty where it does.
        error: The error of a value that cannot be applied at all.
    """

    update: ContactUpdate
    person: str
    number: int = 0
    matched: tuple[str, ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    overtaken: int = 0
    superseded: dict[str, str] = field(default_factory=dict)
    kept: dict[tuple[str, str], tuple[Any, Any]] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)
    withheld: dict[str, str] = field(default_factory=dict)
    agreed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    flag_kept: set[str] = field(default_factory=set)
    unreached: set[str] = field(default_factory=set)
    counts_in: frozenset[str] = frozenset()
    followed: bool = False
    lost: bool = False
    reason: str = ""
    ignored: str = ""
    error: InvalidValueError | None = None
