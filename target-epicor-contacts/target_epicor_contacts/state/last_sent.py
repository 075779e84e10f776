"""The last values that Mailchimp accepted from Epicor: they tell an edit from a stale value.

A profile event of Mailchimp holds every field, changed or not, and no webhook reports fields that were set
over the API. target-mailchimp keeps the last value of each field in the same audit database.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.member_state import MemberState, members_namespace, read_members
from kinetic_mailchimp.mailchimp import subscriber_hash

from target_epicor_contacts.contract.contact_update import ContactUpdate

MERGE_FIELDS: Mapping[str, str] = {
    "FirstName": "FNAME",
    "LastName": "LNAME",
    "PhoneNum": "PHONE",
    "Address1": "ADDRESS.addr1",
    "Address2": "ADDRESS.addr2",
    "City": "ADDRESS.city",
    "State": "ADDRESS.state",
    "Zip": "ADDRESS.zip",
    "Country": "ADDRESS.country",
}
"""Epicor's column and the merge field that it is sent to, by default."""


class LastSentValues:
    """Reads the last values that Mailchimp accepted.

    Args:
        trail: The audit trail, whose ledger has them.
        merge_fields: Epicor's column → merge field, a part of an object behind a dot.
    """

    def __init__(self, trail: AuditTrail, merge_fields: Mapping[str, str]) -> None:
        self._trail = trail
        self._merge_fields = merge_fields

    def complete(self, updates: Sequence[ContactUpdate]) -> list[ContactUpdate]:
        """The updates with the last value that Mailchimp accepted in each column that they set."""
        wanted: dict[str, dict[str, str]] = defaultdict(dict)
        for update in updates:
            if update.list_id and update.columns:
                wanted[update.list_id][update.key] = subscriber_hash(update.key)
        if not wanted:
            return list(updates)
        known: dict[tuple[str | None, str], MemberState] = {}
        for list_id, hashes in wanted.items():
            members = read_members(self._trail.ledger(members_namespace(list_id)), hashes.values())
            known |= {(list_id, key): members[name] for key, name in hashes.items() if name in members}
        return [
            replace(update, sent=self._columns(member.sent, update))
            if (member := known.get((update.list_id, update.key)))
            else update
            for update in updates
        ]

    def _columns(self, sent: Mapping[str, Any], update: ContactUpdate) -> dict[str, Any]:
        found = {
            column: sent_value(sent, self._merge_fields[column])
            for column in update.columns
            if column in self._merge_fields
        }
        return {column: value for column, value in found.items() if value is not None}


def sent_value(sent: Mapping[str, Any], merge_field: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a merge field, or of a part of one; None where none was sent.

    Args:
        sent: `MemberState.sent`.
        merge_field: Its tag, or tag and part: `ADDRESS.city`.
    """
    tag, _, part = merge_field.partition(".")
    value = sent.get(f"merge_fields.{tag}")
    if not part:
        return value
    # An address that was cleared is an empty text.
    return value.get(part, "") if isinstance(value, Mapping) else value
