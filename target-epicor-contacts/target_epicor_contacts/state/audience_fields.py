"""Brings the values of events into the forms of their merge fields, which target-mailchimp has read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kinetic_mailchimp.audit import AuditTrail
from kinetic_mailchimp.audit.state.merge_fields import merge_fields_namespace
from kinetic_mailchimp.mailchimp.merge_field import MergeField, as_shown

from target_epicor_contacts.contract.contact_update import ContactUpdate, declared_columns

AudienceFields = Mapping[str, Mapping[str, MergeField]]
"""By id of the audience and tag."""


def read_audience_fields(trail: AuditTrail, updates: Iterable[ContactUpdate]) -> AudienceFields:
    """The merge fields of the audiences that events are about; none where no run has read them.

    Args:
        trail: The audit trail, whose ledger has them.
        updates: The events.
    """
    return {
        list_id: {
            tag: MergeField.from_api(entry)
            for tag, entry in trail.ledger(merge_fields_namespace(list_id)).items()
        }
        for list_id in {update.list_id for update in updates if update.list_id and update.merges}
    }


def in_form(
    updates: Iterable[ContactUpdate], fields: AudienceFields, merge_fields: Mapping[str, str]
) -> Sequence[ContactUpdate]:
    """The updates with values as Mailchimp stores them, in whatever form they were told.

    Args:
        updates: As they were parsed.
        fields: From `read_audience_fields`.
        merge_fields: The setting of that name.
    """
    return [_in_form(update, fields.get(update.list_id or "", {}), merge_fields) for update in updates]


def _in_form(
    update: ContactUpdate, fields: Mapping[str, MergeField], merge_fields: Mapping[str, str]
) -> ContactUpdate:
    merges: dict[str, Any] = {
        tag: value if isinstance(value, Mapping) or tag not in fields else as_shown(value, fields[tag])
        for tag, value in update.merges.items()
    }
    # A part of an address is a text, and so is a field of which nothing is known.
    of_columns = {column: fields.get(tag) or MergeField(tag) for column, tag in merge_fields.items()}
    declared = {column: tag for column, tag in merge_fields.items() if column in update.columns}
    return replace(
        update,
        merges=merges,
        columns={**update.columns, **declared_columns(merges, declared)},
        fields=of_columns,
    )
