"""Takes out of a write what Mailchimp did not accept: pure functions over its answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kinetic_mailchimp.kit.errors import DataError
from kinetic_mailchimp.mailchimp import Refusal, RefusedError

from target_mailchimp.audience.audience import MERGE_FIELD
from target_mailchimp.audience.stored_form import is_stored
from target_mailchimp.rules.plan import Write

_ABOUT_FIELDS = frozenset({Refusal.INVALID_FIELDS, Refusal.OTHER})


def without_refused(write: Write, error: DataError | None) -> Write | None:
    """The same write without the fields that Mailchimp names in an error; None when that is not the cause."""
    if not isinstance(error, RefusedError) or error.reason not in _ABOUT_FIELDS:
        return None
    complaints = {
        name: complaint.message
        for complaint in error.field_errors
        if (name := _flat_name(complaint.field, write.values))
    }
    return write.without(complaints, "refused_by_mailchimp") if complaints else None


def without_unstored(write: Write, member: Mapping[str, Any]) -> Write:
    """The same write without values that the answer shows as not stored.

    Args:
        write: The write that Mailchimp took.
        member: The member in the answer; one without merge fields says nothing about them.
    """
    shown = member.get("merge_fields")
    if not isinstance(shown, Mapping):
        return write
    missing = {
        name: "Mailchimp took the value and does not show it as stored"
        for name, value in write.values.items()
        if name.startswith(MERGE_FIELD) and not _shows(shown, name.removeprefix(MERGE_FIELD), value)
    }
    return write.without(missing, "not_stored_by_mailchimp")


def _shows(shown: Mapping[str, Any], tag: str, value: Any) -> bool:  # noqa: ANN401 (values of merge fields)
    if isinstance(value, Mapping):
        # Mailchimp has its own names of countries.
        value = {part: inner for part, inner in value.items() if part != "country"}
    return is_stored(shown.get(tag), value)


def _flat_name(field: str, values: Collection[str]) -> str:
    """The flat name of a field as Mailchimp names it: a tag, an attribute, or a path into either."""
    parts = field.split(".")
    paths = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    names = (name for path in paths for name in (path, f"{MERGE_FIELD}{path}"))
    return next((name for name in names if name in values), "")
