"""What Mailchimp was given last from Epicor: without it a stale value cannot be told from an edit.

A profile event of Mailchimp holds every field, changed or not, and no webhook tells of fields that were set
over the API. The other direction keeps the last value it sent of each field in the same audit database.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import AuditTrail

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
"""Epicor's column and the merge field that it stands in, by default."""


class SentValues:
    """Reads the last values that were sent to Mailchimp.

    Args:
        trail: Holds them.
        merge_fields: Epicor's column → merge field, a part of an object behind a dot.
        namespace: Where the ledger has them; `{list_id}` stands for the audience.
    """

    def __init__(self, trail: AuditTrail, merge_fields: Mapping[str, str], namespace: str) -> None:
        self._trail = trail
        self._merge_fields = merge_fields
        self._namespace = namespace

    def complete(self, updates: Sequence[ContactUpdate]) -> list[ContactUpdate]:
        """The updates with what Mailchimp was given last in the columns that they bring."""
        wanted: dict[str, set[str]] = defaultdict(set)
        for update in updates:
            if update.list_id and update.columns:
                wanted[update.list_id].add(subscriber_hash(update.key))
        known = {
            list_id: self._trail.ledger(self._namespace.format(list_id=list_id)).get_many(hashes)
            for list_id, hashes in wanted.items()
        }
        return [
            replace(update, sent=self._columns(known.get(update.list_id or "", {}), update))
            for update in updates
        ]

    def _columns(self, known: Mapping[str, Mapping[str, Any]], update: ContactUpdate) -> dict[str, Any]:
        sent = (known.get(subscriber_hash(update.key)) or {}).get("sent") or {}
        found = {
            column: sent_value(sent, self._merge_fields[column])
            for column in update.columns
            if column in self._merge_fields
        }
        return {column: value for column, value in found.items() if value is not None}


def sent_value(sent: Mapping[str, Any], merge_field: str) -> Any:  # noqa: ANN401 (any JSON)
    """The value of a merge field, or of a part of one; None where none was sent."""
    tag, _, part = merge_field.partition(".")
    value = sent.get(f"merge_fields.{tag}")
    if not part:
        return value
    # An address that was cleared is an empty text.
    return value.get(part, "") if isinstance(value, Mapping) else value


def subscriber_hash(key: str) -> str:
    """Mailchimp's own key of a member."""
    return hashlib.md5(key.encode(), usedforsecurity=False).hexdigest()
