"""The merge fields of an audience as they were known before a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinetic_mailchimp.audit.state.ledger import Ledger

from target_mailchimp.audience.audience import MERGE_FIELD

_FORMER = "fields"
"""The key under which earlier versions kept the numbers of fields, with the audience."""

Definitions = Mapping[str, Mapping[str, Any]]
"""By tag, as `MergeField.to_json` has them."""


def known_fields(fields: Ledger, audience: Ledger) -> Definitions:
    """The fields that were known; one that is deleted stays.

    Args:
        fields: Their namespace.
        audience: The namespace of the audience.
    """
    numbers = (audience.get(_FORMER) or {}).items()
    return {tag: {"merge_id": number} for tag, number in numbers} | dict(fields.items())


def remade(known: Definitions, fields: Definitions) -> Collection[str]:
    """The flat names of fields that were deleted and made again: their values are gone.

    Args:
        known: As they were.
        fields: As they are.
    """
    both = known.keys() & fields.keys()
    return {f"{MERGE_FIELD}{tag}" for tag in both if known[tag]["merge_id"] != fields[tag]["merge_id"]}
